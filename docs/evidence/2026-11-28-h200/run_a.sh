#!/bin/bash
# Four GPUs of one host. Three unattended campaigns of ten minutes; on the fourth GPU correctness, then Loop 1, then trials drawn for the corpus.
cd "$(dirname "$0")/.."
export PATH=$PWD/gpu/bin:$PATH AMK_WORKER=$PWD/gpu/bin/amk-worker
R=/tmp/research; mkdir -p $R/checks
cpus=$(( $(nproc) / 4 ))
nvidia-smi --query-gpu=index,name,driver_version --format=csv,noheader; nproc; date -u
campaign() { # gpu name args...
  local gpu=$1 name=$2; shift 2
  CUDA_VISIBLE_DEVICES=$gpu AMK_HOME=$R/$name setsid nohup taskset -c $((gpu*cpus))-$((gpu*cpus+cpus-1)) bash -c '
    log=$1; shift; begin=$SECONDS; timeout 900 "$@" > $log.log 2> $log.err; echo "rc $? after $((SECONDS-begin)) s" >> $log.log; touch $log.done' _ $R/$name "$@" </dev/null >/dev/null 2>&1 &
}
Q="--minutes 10 --pct-of-floor 0 --max-reverts 0 --kv-dtype bf16 --threads $cpus"
campaign 0 bf16 amk loop synthetic:llama-3.2-1b $Q
campaign 1 int8 amk loop synthetic:llama-3.2-1b --weights int8 $Q
campaign 2 unseen amk loop synthetic:hidden=2560,layers=20 $Q
export CUDA_VISIBLE_DEVICES=3
part() { timeout 300 taskset -c $((3*cpus))-$((4*cpus-1)) gpu_checks -d "$2" > $R/checks/$1.log 2>&1; echo "gpu_checks $1 rc $? at $SECONDS s"; }
part backends "-tc=every back end*" &
part splits "-tc=attention in any*" &
part goldens "-tc=golden models*" &
part quantised "-tc=quantised weights*" &
part knobs "-tc=*build knob*" &
part others "-tce=every back end*,attention in any*,golden models*,quantised weights*,*build knob*" &
wait $(jobs -p | tail -6)
for f in $R/checks/*.log; do echo "$f: $(tail -n 3 $f | head -2 | tr '\n' ' ')"; done
echo "== tune-instruction at $SECONDS s"
for op in gate_up attention; do
  AMK_HOME=$R/tuned timeout 100 taskset -c $((3*cpus))-$((4*cpus-1)) amk tune-instruction $op synthetic:llama-3.2-1b --kv-dtype bf16 --minutes 1 --threads $cpus 2>&1 | tail -25; echo "rc ${PIPESTATUS[0]} at $SECONDS s"
done
while (( SECONDS < 560 )); do
  AMK_HOME=$R/samples timeout $((575-SECONDS)) taskset -c $((3*cpus))-$((4*cpus-1)) amk loop synthetic:smollm2-135m --sample --minutes 2 --campaign smollm2 --kv-dtype bf16 --threads $cpus > $R/sample1.log 2>&1; echo "sample rc $? at $SECONDS s"; tail -6 $R/sample1.log; break
done
tail -n 4 $R/*.log; mkdir -p $OUT; tar czf $OUT/a.tgz -C $R .
