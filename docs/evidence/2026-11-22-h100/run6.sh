#!/bin/bash
B=build/bin/mkb
t() { timeout 60 "$@" 2>&1 || echo "rc $?"; }
t $B toy 32 8 0 '{}' '{"fusion_grouping":[]}'
t $B models/shakespeare-llama-3m 256 40 0,200 '{}' '{"tiling":{"attention":{"kv_block":16,"splits":13}}}'  '{"threads_per_block":544}'
for g in llama-gqa-tied llama-odd-sizes llama-head-dim llama3-rope llama-f16; do t $B .gpu/golden/$g 64 20 0 '{}' '{"tiling":{"attention":{"kv_block":16,"splits":3}}}'; done
AMK_BENCH_TRACE=1 timeout 100 $B synthetic:llama-3.2-1b 8192 1 0,2047 '{}' '{"threads_per_block":480}' 2>&1
AMK_BENCH_KV=bf16 timeout 150 $B synthetic:llama-3.2-1b 8192 1 0,2047,8191 '{}' '{"sm_assignment":"round_robin"}'  '{"tiling":{"attention":{"kv_block":128}}}' '{"tiling":{"attention":{"splits":8}}}' 2>&1
AMK_BENCH_WEIGHTS=int8 AMK_BENCH_KV=bf16 timeout 150 $B synthetic:llama-3.2-1b 8192 1 0,2047 '{}' '{"threads_per_block":544}' 2>&1
AMK_BENCH_TRACE=1 timeout 100 $B synthetic:llama-3.1-8b 2048 1 0,2047 '{}' '{"sm_assignment":"round_robin"}' '{"kernel_knobs":{"copies_in_flight":3}}' 2>&1
