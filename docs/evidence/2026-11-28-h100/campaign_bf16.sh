#!/bin/bash
# Ten minutes of bf16 on the 1B shape from the default schedule, on one H100; its prior has no H100 trial of this campaign's own kind.
cd "$(dirname "$0")/.."
export PATH=$PWD/gpu/bin:$PATH AMK_WORKER=$PWD/gpu/bin/amk-worker
R=/tmp/research; mkdir -p $R
nvidia-smi --query-gpu=index,name,driver_version --format=csv,noheader; nproc; date -u; lscpu | grep 'Model name'
nvidia-smi --query-gpu=name --format=csv,noheader | grep -q H100 || { echo "no H100"; exit 9; }
grep -v '"campaign":"synthetic-llama-3.2-1b-h100-measured"' data/corpus/h100.jsonl > $R/others.jsonl; wc -l $R/others.jsonl
cat > $R/chain.sh <<'C'
R=/tmp/research; begin=$SECONDS
AMK_HOME=$R/bf16 timeout 800 amk loop synthetic:llama-3.2-1b --minutes 10 --pct-of-floor 0 --max-reverts 0 --kv-dtype bf16 --threads 12 --corpus data/corpus/h200.jsonl --corpus $R/others.jsonl > $R/bf16.log 2> $R/bf16.err
echo "rc $? after $((SECONDS-begin)) s" >> $R/bf16.log; touch $R/bf16.done
C
setsid nohup bash $R/chain.sh </dev/null >/dev/null 2>&1 &
sleep 50; tail -n 3 $R/*.log $R/*.err
taskset -c 14 timeout 120 gpu/bin/validator_bench > $R/validator_bench.log 2>&1; head -3 $R/validator_bench.log
while (( SECONDS < 570 )); do sleep 2; done
tail -n 2 $R/bf16.log; grep -h " kept " $R/bf16.log
tail -c 300 $R/bf16.err
(cd $R; tar czf $OUT/one.tgz --exclude=kernels . )
