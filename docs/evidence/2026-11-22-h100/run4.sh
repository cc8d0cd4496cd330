#!/bin/bash
B=build/bin/mkb
t() { timeout 60 "$@" 2>&1 || echo "rc $?"; }
t $B toy 32 8 0 '{}' '{"fusion_grouping":[]}' '{"kernel_knobs":{"sync_protocol":"counters"}}'
t $B models/shakespeare-llama-3m 256 40 0,200 '{}' '{"tiling":{"attention":{"kv_block":16,"splits":5}}}' '{"kernel_knobs":{"sync_protocol":"counters"}}' '{"threads_per_block":128}' '{"fusion_grouping":[]}'
for w in int8 int8:64 int8:row int4 int4:64 int4:row; do AMK_BENCH_WEIGHTS=$w t $B models/shakespeare-llama-3m 64 8 0 '{}' '{"kernel_knobs":{"products":"float32"}}'; done
AMK_BENCH_KV=bf16 t $B models/shakespeare-llama-3m 64 8 0 '{}'
AMK_BENCH_KV=f16 t $B models/shakespeare-llama-3m 64 8 0 '{}'
AMK_BENCH_TRACE=1 timeout 100 $B synthetic:llama-3.2-1b 8192 1 0,2047 '{}' '{"threads_per_block":416}' 2>&1
AMK_BENCH_KV=bf16 timeout 100 $B synthetic:llama-3.2-1b 8192 1 0,2047,8191 '{}' '{"tiling":{"attention":{"kv_block":128}}}' '{"threads_per_block":480}' '{"threads_per_block":352}' 2>&1
AMK_BENCH_WEIGHTS=int8 AMK_BENCH_KV=bf16 timeout 100 $B synthetic:llama-3.2-1b 8192 1 0,2047,8191 '{}' '{"kernel_knobs":{"copies_in_flight":3}}' 2>&1
AMK_BENCH_TRACE=1 timeout 150 $B synthetic:llama-3.1-8b 2048 1 0,2047 '{}' '{"threads_per_block":416}' '{"kernel_knobs":{"copies_in_flight":3}}' 2>&1
