#!/bin/bash
timeout 60 build/bin/mkb models/shakespeare-llama-3m 256 40 0,200 '{}' '{"kernel_knobs":{"stream_backend":"plain"}}' | tail -4
M="synthetic:llama-3.2-1b 8192 1 0,2047"
for d in "" AMK_X_NOREASK=1,AMK_X_PAIRS=2,AMK_X_AHEAD=3 AMK_X_PAIRS=2,AMK_X_AHEAD=1 AMK_X_NOREASK=1,AMK_X_PAIRS=4,AMK_X_AHEAD=1 AMK_X_NOREASK=1,AMK_X_PAIRS=2,AMK_X_AHEAD=1; do echo "D $d"; AMK_BENCH_DEFINES=$d timeout 60 build/bin/mkb $M '{}' '{"threads_per_block":544}' 2>&1 | grep error; done
AMK_BENCH_TRACE=1 AMK_BENCH_DEFINES=AMK_X_NOREASK=1,AMK_X_PAIRS=2,AMK_X_AHEAD=1 timeout 60 build/bin/mkb synthetic:llama-3.1-8b 2048 1 0,2047 '{}' 2>&1
