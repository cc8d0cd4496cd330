#!/bin/bash
cd "$(dirname "$0")/../.."
export PATH=$PWD/build/gpu:$PATH AMK_WORKER=$PWD/build/gpu/amk-worker AMK_GOLDEN=$PWD/.gpu/golden
nvidia-smi --query-gpu=name,driver_version --format=csv,noheader
echo "== eval toy"; timeout 60 amk eval toy --gpu auto 2>&1 | tail -15
echo "== generate"; timeout 60 amk generate models/shakespeare-llama-3m --gpu auto --prompt "ROMEO:" --max-tokens 64 --verify 2>&1 | tail -8
echo "== bench 1b"; timeout 100 amk bench synthetic:llama-3.2-1b --positions 0,2047 --rounds 100 --kv-dtype bf16 --checked 2 --svg $OUT/bench_1b.svg 2>&1 | tail -25
echo "== trace 1b"; timeout 60 amk trace synthetic:llama-3.2-1b --svg $OUT/trace_1b.svg 2>&1 | tail -25
echo "== bench 8b"; timeout 120 amk bench synthetic:llama-3.1-8b --positions 0,2047 --rounds 60 --kv-dtype bf16 --checked 1 --json > $OUT/bench_8b.json 2>$OUT/bench_8b.err; echo "rc $?"; tail -3 $OUT/bench_8b.err
echo "== gpu_checks"; timeout 150 gpu_checks 2>&1 | tail -40
echo "== gpu_test"; timeout 60 gpu_test 2>&1 | tail -12
