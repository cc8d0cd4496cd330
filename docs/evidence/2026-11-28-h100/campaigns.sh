#!/bin/bash
# Starts a chain of ten-minute campaigns on one H100, one after the other, and every fuzz harness for ten minutes on other cores.
cd "$(dirname "$0")/.."
export PATH=$PWD/gpu/bin:$PATH AMK_WORKER=$PWD/gpu/bin/amk-worker
R=/tmp/research; mkdir -p $R/fuzz
nvidia-smi --query-gpu=index,name,driver_version --format=csv,noheader; nproc; date -u
nvidia-smi --query-gpu=name --format=csv,noheader | grep -q H100 || { echo "no H100"; exit 9; }
grep -hv 'hidden=2560' data/corpus/h200.jsonl > $R/not2560.jsonl; cat data/corpus/h100.jsonl >> $R/not2560.jsonl; wc -l $R/not2560.jsonl
cat > $R/chain.sh <<'C'
R=/tmp/research
campaign() { # name args...
  local name=$1 begin=$SECONDS; shift
  AMK_HOME=$R/$name timeout 900 amk loop "$@" --minutes 10 --pct-of-floor 0 --max-reverts 0 --kv-dtype bf16 --threads 8 > $R/$name.log 2> $R/$name.err
  echo "rc $? after $((SECONDS-begin)) s" >> $R/$name.log; touch $R/$name.done
}
campaign int8 synthetic:llama-3.2-1b --weights int8 --corpus data/corpus/h200.jsonl --corpus data/corpus/h100.jsonl
campaign unseen synthetic:hidden=2560,layers=20 --corpus $R/not2560.jsonl
until [ -e $R/go-bf16 ]; do sleep 1; done
campaign bf16 synthetic:llama-3.2-1b --corpus data/corpus/h200.jsonl --corpus data/corpus/h100.jsonl
C
setsid nohup taskset -c 0-7 bash $R/chain.sh </dev/null >/dev/null 2>&1 &
tar xJf gpu/fuzz.txz -C gpu; export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
core=8
for f in gpu/fuzz/*_fuzz; do
  n=$(basename $f); mkdir -p $R/fuzz/$n
  setsid nohup taskset -c $core bash -c 'log=$1; shift; timeout 700 "$@" > $log.log 2>&1; echo "rc $?" >> $log.log; touch $log.done' _ $R/fuzz/$n \
    $f -seed=1 -max_total_time=600 -rss_limit_mb=2048 -timeout=20 -max_len=16384 -print_final_stats=1 $R/fuzz/$n tests/fuzz/corpus/$n </dev/null >/dev/null 2>&1 &
  core=$((core+1))
done
sleep 45; tail -n 3 $R/*.log $R/*.err; for f in $R/fuzz/*.log; do echo "$f $(tail -n 1 $f)"; done
while (( SECONDS < 560 )); do sleep 2; done
bash gpu/look.sh
