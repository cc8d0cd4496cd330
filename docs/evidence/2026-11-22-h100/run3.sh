#!/bin/bash
B=build/bin/mkb
export AMK_BENCH_TRACE=1
timeout 100 $B synthetic:llama-3.2-1b 8192 1 0,2047 '{}' '{"threads_per_block":288}' '{"threads_per_block":416}' 2>&1
timeout 150 $B synthetic:llama-3.1-8b 2048 1 0,2047 '{}' '{"kernel_knobs":{"copies_in_flight":3}}' 2>&1
