#!/bin/bash
# bf16 on the 1B shape from the default schedule, warm, for as long as the budget lets it; then its report.
cd "$(dirname "$0")/.."
export PATH=$PWD/gpu/bin:$PATH AMK_WORKER=$PWD/gpu/bin/amk-worker
R=/tmp/research; mkdir -p $R
nvidia-smi --query-gpu=index,name,driver_version --format=csv,noheader; date -u
AMK_HOME=$R/bf16 timeout 400 amk loop synthetic:llama-3.2-1b --minutes $1 --pct-of-floor 0 --max-reverts 0 --kv-dtype bf16 --threads 12 --corpus data/corpus/h200.jsonl --corpus data/corpus/h100.jsonl > $R/bf16.log 2> $R/bf16.err
echo "rc $?" >> $R/bf16.log; cat $R/bf16.err; tail -n 12 $R/bf16.log; grep -h " kept " $R/bf16.log
AMK_HOME=$R/bf16 timeout 40 amk report --trace --out $R/report-bf16 > $R/report-bf16.log 2>&1; echo "report rc $? at $SECONDS s"
rm -rf $R/*/kernels; (cd $R; tar czf $OUT/four.tgz . ); ls -la $OUT
