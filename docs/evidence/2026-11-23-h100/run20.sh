#!/bin/bash
# Benchmarks alone first, then everything else side by side.
cd "$(dirname "$0")/../.."
export PATH=$PWD/build/gpu:$PATH AMK_WORKER=$PWD/build/gpu/amk-worker AMK_BENCH_KV=bf16
lap() { echo "-- ${SECONDS} s"; }
nvidia-smi --query-gpu=name,driver_version --format=csv,noheader
echo "== bench 1b"; timeout 90 amk bench synthetic:llama-3.2-1b --positions 0,2047 --rounds 100 --kv-dtype bf16 --checked 2 --json > $OUT/bench_1b.json 2> $OUT/bench_1b.err; echo "rc $?"; lap
echo "== bench 8b"; timeout 120 amk bench synthetic:llama-3.1-8b --positions 0,2047 --rounds 60 --kv-dtype bf16 --checked 1 --svg $OUT/bench_8b.svg 2>&1; echo "rc $?"; lap
mkdir -p $OUT/checks
part() { timeout 230 gpu_checks -d "$2" > $OUT/checks/$1.log 2>&1; echo "gpu_checks $1 rc $? at $SECONDS s"; }
part backends "-tc=every back end*" &
part splits "-tc=attention in any*" &
part goldens "-tc=golden models*" &
part quantised "-tc=quantised weights*" &
part others "-tce=every back end*,attention in any*,golden models*,quantised weights*" &
ev() { timeout 230 amk eval $2 --positions 2 --gpu auto --context 8192 --kv-dtype bf16 --threads 4 > $OUT/checks/eval_$1.log 2>&1; echo "eval $1 rc $? at $SECONDS s"; }
ev 1b synthetic:llama-3.2-1b &
ev 1b_int8 "synthetic:llama-3.2-1b --weights int8" &
ev 3b synthetic:llama-3.2-3b &
ev 3b_int8 "synthetic:llama-3.2-3b --weights int8" &
ev 8b "synthetic:llama-3.1-8b" &
ev 8b_int8 "synthetic:llama-3.1-8b --weights int8" &
for t in memcheck racecheck; do (timeout 120 compute-sanitizer --tool $t mkb toy 64 3 0,40 '{}' > $OUT/checks/$t.log 2>&1; echo "$t rc $? at $SECONDS s") & done
wait
tail -n 3 $OUT/checks/*.log
