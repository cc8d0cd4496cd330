#!/bin/bash
# What the defaults might be: each candidate against the default, by the gate, for several models, weights and positions.
cd "$(dirname "$0")/.."
export PATH=$PWD/gpu/bin:$PATH AMK_WORKER=$PWD/gpu/bin/amk-worker
R=/tmp/defaults; mkdir -p $R
nvidia-smi --query-gpu=index,name,driver_version --format=csv,noheader; date -u
nvidia-smi --query-gpu=name --format=csv,noheader | grep -q H100 || { echo "no H100"; exit 9; }
lead() { # name candidates limit args...
  local name=$1 list=$2 limit=$3 begin=$SECONDS; shift 3
  (( SECONDS + limit > 585 )) && limit=$((585-SECONDS)); (( limit < 20 )) && return
  AMK_HOME=$R/lead-$name timeout $limit amk loop "$@" --kv-dtype bf16 --prior none --min-gain 50 --pct-of-floor 0 --max-reverts 0 --positions 2 --trials 20 --threads 16 \
    --proposer "python3 gpu/candidates.py gpu/leads/$list.json" > $R/lead-$name.log 2> $R/lead-$name.err
  echo "rc $? after $((SECONDS-begin)) s" >> $R/lead-$name.log; echo "== $name"; cut -c1-260 $R/lead-$name.log | grep -v "^$"; rm -rf $R/lead-$name/kernels
}
lead bf16-1b plain 60 synthetic:llama-3.2-1b
lead int8-1b quantised 60 synthetic:llama-3.2-1b --weights int8
lead bf16-1b-2047 plain 60 synthetic:llama-3.2-1b --position 2047
lead int8-1b-2047 quantised 60 synthetic:llama-3.2-1b --weights int8 --position 2047
lead bf16-8b-2047 plain 170 synthetic:llama-3.1-8b --position 2047
lead int8-8b-2047 quantised 170 synthetic:llama-3.1-8b --weights int8 --position 2047
lead int4-1b quantised 60 synthetic:llama-3.2-1b --weights int4
lead bf16-135m plain 40 synthetic:smollm2-135m
lead bf16-3b plain 90 synthetic:llama-3.2-3b
lead bf16-8b plain 150 synthetic:llama-3.1-8b
(cd $R; tar czf $OUT/all.tgz . ); ls -la $OUT
