#!/bin/bash
# The campaign's end and its report, then leads for defaults: each candidate against the default, by the gate.
cd "$(dirname "$0")/.."
export PATH=$PWD/gpu/bin:$PATH AMK_WORKER=$PWD/gpu/bin/amk-worker
R=/tmp/research
while (( SECONDS < 200 )); do [ -e $R/bf16.done ] && break; sleep 1; done
tail -n 12 $R/bf16.log; grep -h " kept " $R/bf16.log
AMK_HOME=$R/bf16 timeout 60 amk report --trace --out $R/report-bf16 > $R/report-bf16.log 2>&1; echo "report rc $? at $SECONDS s"
(cd $R; tar czf $OUT/two.tgz --exclude=kernels . )
lead() { # name candidates limit args...
  local name=$1 list=$2 limit=$3 begin=$SECONDS; shift 3
  AMK_HOME=$R/lead-$name timeout $limit amk loop "$@" --kv-dtype bf16 --prior none --min-gain 50 --pct-of-floor 0 --max-reverts 0 --positions 2 --trials 20 --threads 16 \
    --proposer "python3 gpu/candidates.py gpu/leads/$list.json" > $R/lead-$name.log 2> $R/lead-$name.err
  echo "rc $? after $((SECONDS-begin)) s" >> $R/lead-$name.log; cat $R/lead-$name.log; tail -c 200 $R/lead-$name.err
}
if [ "$1" = first ]; then
lead int8-1b-2047 int8 120 synthetic:llama-3.2-1b --weights int8 --position 2047
lead bf16-1b-2047 bf16 120 synthetic:llama-3.2-1b --position 2047
lead int8-1b int8 120 synthetic:llama-3.2-1b --weights int8
fi
if [ "$1" = second ]; then
lead bf16-8b bf16 270 synthetic:llama-3.1-8b
lead int8-8b int8 290 synthetic:llama-3.1-8b --weights int8
fi
rm -rf $R/*/kernels; (cd $R; tar czf $OUT/all.tgz . ); ls -la $OUT
