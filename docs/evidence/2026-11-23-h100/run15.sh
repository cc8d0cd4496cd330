#!/bin/bash
cd "$(dirname "$0")/../.."
export PATH=$PWD/build/gpu:$PATH AMK_WORKER=$PWD/build/gpu/amk-worker AMK_BENCH_KV=bf16
nvidia-smi --query-gpu=name,driver_version --format=csv,noheader
A() { echo "{\"tiling\":{\"attention\":{\"kv_block\":$1}}$2}"; }
echo "== quick check"; timeout 60 gpu_checks -tc="64 greedy*,attention in any*" -d 2>&1 | grep -v "of the tolerance"
echo "== bench 1b: before (run14's binary), then the ring, kv_block 256 128 64"
timeout 60 mkb_before synthetic:llama-3.2-1b 2048 1 0,2047 '{}' 2>&1
timeout 60 mkb synthetic:llama-3.2-1b 2048 2 0,2047 "$(A 256)" "$(A 128)" "$(A 64)" "$(A 64 ',"sm_assignment":"round_robin"')" 2>&1
echo "== bench 1b context 8192"
timeout 60 mkb_before synthetic:llama-3.2-1b 8192 1 0,2047,8191 '{}' 2>&1
timeout 60 mkb synthetic:llama-3.2-1b 8192 1 0,2047,8191 "$(A 256)" "$(A 64)" 2>&1
echo "== bench 8b"
timeout 60 mkb_before synthetic:llama-3.1-8b 2048 1 0,2047 '{}' 2>&1
timeout 100 mkb synthetic:llama-3.1-8b 2048 1 0,2047 "$(A 256)" "$(A 128)" "$(A 64)" "$(A 64 ',"sm_assignment":"round_robin"')" "$(A 64 ',"kernel_knobs":{"copies_in_flight":3}')" 2>&1
echo "== int8 1b threads"
AMK_BENCH_WEIGHTS=int8 timeout 60 mkb synthetic:llama-3.2-1b 2048 1 0,2047 "$(A 64)" "$(A 64 ',"threads_per_block":480')" "$(A 64 ',"threads_per_block":544')" "$(A 64 ',"threads_per_block":544,"kernel_knobs":{"copies_in_flight":3}')" 2>&1
echo "== traces"
for p in 0 2047; do timeout 60 amk trace synthetic:llama-3.2-1b --kv-dtype bf16 --position $p --set tiling.attention.kv_block=64 2>&1; done
echo "== gpu_checks"; timeout 200 gpu_checks -d -tce="attention in any*,64 greedy*" 2>&1
