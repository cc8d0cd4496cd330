#!/bin/bash
B=build/bin/mkb
t() { timeout 60 "$@" 2>&1 || echo "rc $?"; }
t $B toy 32 8 0 '{}' '{"fusion_grouping":[]}'
t $B models/shakespeare-llama-3m 256 32 0,200 '{}' '{"kernel_knobs":{"sync_protocol":"counters"}}' '{"threads_per_block":128}' '{"kernel_knobs":{"products":"float32"}}'
timeout 150 $B synthetic:llama-3.2-1b 8192 3 0,2047,8191 '{}' '{"kernel_knobs":{"copies_in_flight":3}}' '{"kernel_knobs":{"sync_protocol":"counters"}}' '{"tiling":{"attention":{"splits":4}}}'  '{"tiling":{"attention":{"splits":8}}}' '{"tiling":{"attention":{"kv_block":64}}}' '{"kernel_knobs":{"copies_in_flight":4}}' '{"threads_per_block":288}' 2>&1
