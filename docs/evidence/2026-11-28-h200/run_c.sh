#!/bin/bash
# One campaign on the shape that went wrong before, with the walk as it is now; on the other GPUs trials drawn for the corpus.
cd "$(dirname "$0")/.."
export PATH=$PWD/gpu/bin:$PATH AMK_WORKER=$PWD/gpu/bin/amk-worker
R=/tmp/research; mkdir -p $R
M=${1:-6.5}
gpus=$(nvidia-smi --list-gpus | wc -l); cpus=$(( $(nproc) / gpus ))
nvidia-smi --query-gpu=index,name,driver_version --format=csv,noheader; date -u
one() { # gpu name args...
  local gpu=$1 name=$2; shift 2
  CUDA_VISIBLE_DEVICES=$gpu AMK_HOME=$R/$name taskset -c $((gpu*cpus))-$((gpu*cpus+cpus-1)) timeout 500 amk loop "$@" --minutes $M --kv-dtype bf16 --threads $cpus > $R/$name.log 2> $R/$name.err; echo "$name rc $? at $SECONDS s"
}
one 0 unseen synthetic:hidden=2560,layers=20 --pct-of-floor 0 --max-reverts 0 &
[ $gpus -gt 1 ] && one 1 sample-1b synthetic:llama-3.2-1b --sample --campaign sample-1b &
[ $gpus -gt 2 ] && one 2 sample-1b-int8 synthetic:llama-3.2-1b --weights int8 --sample --campaign sample-1b-int8 &
[ $gpus -gt 3 ] && one 3 sample-2048x16 synthetic:hidden=2048,layers=8 --sample --campaign sample-2048x8 &
wait
for f in $R/*.log; do echo "== $f"; tail -n 5 $f; done
grep -h " kept " $R/unseen.log
tar czf $OUT/c.tgz -C $R .
