#!/bin/bash
# What follows the campaigns: waits for them, traces start and best, reports, A/A trials on all GPUs, more trials for the corpus.
cd "$(dirname "$0")/.."
export PATH=$PWD/gpu/bin:$PATH AMK_WORKER=$PWD/gpu/bin/amk-worker
R=/tmp/research
cpus=$(( $(nproc) / 4 ))
for n in bf16 int8 unseen; do for i in $(seq 120); do [ -e $R/$n.done ] && break; sleep 1; done; tail -n 8 $R/$n.log; done
echo "== campaigns over at $SECONDS s"
report() { CUDA_VISIBLE_DEVICES=$1 AMK_HOME=$R/$2 timeout 100 amk report --trace --out $R/report-$2 > $R/report-$2.log 2>&1; echo "report $2 rc $? at $SECONDS s"; }
report 0 bf16 & report 1 int8 & report 2 unseen & wait
echo "== A/A, four lanes"
AMK_HOME=$R/aa timeout 240 amk loop synthetic:smollm2-135m --kv-dtype bf16 --campaign aa --trials 200 --workers 4 --pct-of-floor 0 --max-reverts 0 --proposer "python3 $PWD/gpu/aa.py" > $R/aa.log 2>&1; echo "rc $? at $SECONDS s"; tail -5 $R/aa.log
grep -c " kept " $R/aa.log
echo "== halving"; AMK_HOME=$R/halving timeout 90 amk loop synthetic:smollm2-135m --kv-dtype bf16 --halving 16 --trials 32 --pct-of-floor 0 > $R/halving.log 2>&1; echo "rc $? at $SECONDS s"; tail -12 $R/halving.log
sample() { local gpu=$1 name=$2; shift 2; CUDA_VISIBLE_DEVICES=$gpu AMK_HOME=$R/sample-$name timeout 130 amk loop "$@" --sample --minutes 1.5 --campaign $name --kv-dtype bf16 --threads $cpus > $R/sample-$name.log 2>&1; echo "sample $name rc $? at $SECONDS s"; }
sample 0 1b synthetic:llama-3.2-1b & sample 1 1b-int8 synthetic:llama-3.2-1b --weights int8 & sample 2 2560x20 synthetic:hidden=2560,layers=20 & sample 3 1024x12 synthetic:hidden=1024,layers=12 & wait
find $R -name .lock -delete; rm -rf $R/*/kernels
tar czf $OUT/b.tgz -C $R . ; ls -la $OUT
