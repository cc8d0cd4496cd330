#!/bin/bash
B=build/bin/mkb
t() { timeout 60 "$@" 2>&1 || echo "rc $?"; }
t $B toy 32 8 0 '{}'
t $B models/shakespeare-llama-3m 256 40 0,200 '{}' '{"tiling":{"attention":{"kv_block":16,"splits":13}}}' '{"fusion_grouping":[]}'
AMK_BENCH_TRACE=1 timeout 100 $B synthetic:llama-3.2-1b 8192 1 0,2047 '{}' '{"threads_per_block":416}' 2>&1
timeout 150 $B synthetic:llama-3.2-1b 8192 1 0,2047,8191 '{"threads_per_block":288}' '{"threads_per_block":352}' '{"threads_per_block":416,"tiling":{"gemv":{"k_chunk":768}}}' '{"threads_per_block":288,"tiling":{"gemv":{"k_chunk":512}},"kernel_knobs":{"copies_in_flight":4}}' '{"threads_per_block":288,"tiling":{"gemv":{"k_chunk":512}},"kernel_knobs":{"copies_in_flight":3}}' '{"threads_per_block":416,"kernel_knobs":{"copies_in_flight":1}}' '{"threads_per_block":416,"sm_assignment":"round_robin"}' 2>&1
timeout 100 $B synthetic:llama-3.1-8b 2048 1 0,2047 '{"threads_per_block":416}' '{"threads_per_block":288}'  2>&1
