#!/bin/bash
cd "$(dirname "$0")/../.."
export PATH=$PWD/build/gpu:$PATH AMK_WORKER=$PWD/build/gpu/amk-worker AMK_BENCH_KV=bf16
nvidia-smi --query-gpu=name,driver_version --format=csv,noheader
B='{} {"threads_per_block":384} {"threads_per_block":448} {"threads_per_block":480} {"sm_assignment":"round_robin"}'
timeout 100 mkb synthetic:llama-3.2-1b 2048 1 0,2047 $B '{"kernel_knobs":{"copies_in_flight":3}}' 2>&1
timeout 100 mkb synthetic:llama-3.1-8b 2048 1 0,2047 $B '{"kernel_knobs":{"copies_in_flight":4}}' 2>&1
AMK_BENCH_WEIGHTS=int8 timeout 100 mkb synthetic:llama-3.2-1b 2048 1 0,2047 '{}' '{"sm_assignment":"round_robin"}' '{"kernel_knobs":{"copies_in_flight":3}}' '{"threads_per_block":448}' 2>&1
AMK_BENCH_WEIGHTS=int4 timeout 100 mkb synthetic:llama-3.2-1b 2048 1 0,2047 '{}' 2>&1
for w in stored int8; do timeout 60 amk trace synthetic:llama-3.2-1b --weights $w --kv-dtype bf16 2>&1; done
timeout 60 amk trace synthetic:llama-3.2-1b --kv-dtype bf16 --position 2047 2>&1
echo "-- $SECONDS s"
