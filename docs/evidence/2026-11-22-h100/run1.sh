#!/bin/bash
nvidia-smi --query-gpu=name,driver_version --format=csv,noheader
B=build/bin/mkb
t() { timeout 60 "$@" 2>&1; echo "rc $?"; }
t $B toy 32 8 0,16 '{}'
t $B toy 32 8 0 '{"kernel_knobs":{"sync_protocol":"counters"}}' '{"kernel_knobs":{"stream_backend":"cp_async"}}' '{"kernel_knobs":{"stream_backend":"plain"}}' '{"kernel_knobs":{"products":"float32"}}' '{"fusion_grouping":[]}'
t $B toy-2l 32 8 0 '{}'
t $B models/shakespeare-llama-3m 256 32 0,200 '{}' '{"fusion_grouping":[]}' '{"kernel_knobs":{"sync_protocol":"counters"}}' '{"kernel_knobs":{"products":"float32"}}' '{"kernel_knobs":{"stream_backend":"cp_async"}}' '{"kernel_knobs":{"stream_backend":"plain"}}' '{"threads_per_block":128}' '{"threads_per_block":1024}'
t $B synthetic:smollm2-135m 2048 4 0,2047 '{}'
timeout 200 $B synthetic:llama-3.2-1b 8192 3 0,2047,8191 '{}' '{"kernel_knobs":{"copies_in_flight":3}}' '{"kernel_knobs":{"sync_protocol":"counters"}}' 2>&1
