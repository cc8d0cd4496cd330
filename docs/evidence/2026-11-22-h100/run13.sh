#!/bin/bash
cd "$(dirname "$0")/../.."
export PATH=$PWD/build/gpu:$PATH AMK_WORKER=$PWD/build/gpu/amk-worker AMK_GOLDEN=$PWD/.gpu/golden
echo "== worker checks"; timeout 60 gpu_checks -tc="*never signals*,*through the worker*" 2>&1 | tail -25
echo "== memcheck"; timeout 60 compute-sanitizer --tool memcheck mkb toy 32 2 0 '{}' 2>&1 | tail -4
echo "== racecheck"; timeout 60 compute-sanitizer --tool racecheck mkb toy 32 2 0 '{}' 2>&1 | tail -6
for a in "llama-3.2-1b" "llama-3.2-1b --weights int8"; do echo "== eval $a"; timeout 50 amk eval synthetic:$a --gpu auto --context 8192 --kv-dtype bf16 2>&1 | grep -E "correct|latency|note|error|amk:"; done
