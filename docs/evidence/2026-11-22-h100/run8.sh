#!/bin/bash
M="synthetic:llama-3.2-1b 8192 1 0,2047"
for i in 1 2; do
timeout 60 build/bin/mkb_old $M '{"threads_per_block":416}' 2>&1 | tail -1
for d in "" AMK_X_NOREASK=1 AMK_X_NOREASK=1,AMK_X_PAIRS=2,AMK_X_AHEAD=3 AMK_X_PAIRS=2,AMK_X_AHEAD=3 AMK_X_NOREASK=1,AMK_X_PAIRS=4,AMK_X_AHEAD=1 AMK_X_NOREASK=1,AMK_X_PAIRS=2,AMK_X_AHEAD=1; do echo "D $d"; AMK_BENCH_DEFINES=$d timeout 60 build/bin/mkb $M '{}' 2>&1 | tail -1; done
done
