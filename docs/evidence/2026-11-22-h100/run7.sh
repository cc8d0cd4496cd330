#!/bin/bash
B=build/bin/mkb
t() { timeout 60 "$@" 2>&1 || echo "rc $?"; }
t $B models/shakespeare-llama-3m 256 40 0,200 '{}'
AMK_BENCH_TRACE=1 timeout 100 $B synthetic:llama-3.2-1b 8192 1 0,2047 '{}' '{"threads_per_block":544}' '{"sm_assignment":"round_robin"}' 2>&1
timeout 100 $B synthetic:llama-3.1-8b 2048 1 0,2047 '{}'  2>&1
