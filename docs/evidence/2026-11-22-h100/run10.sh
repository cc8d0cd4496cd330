#!/bin/bash
M="synthetic:llama-3.2-1b 8192 1 0,2047"
for b in mkb mkb_inline; do for d in AMK_X_PAIRS=2,AMK_X_AHEAD=3 AMK_X_PAIRS=4,AMK_X_AHEAD=1 AMK_X_PAIRS=2,AMK_X_AHEAD=1; do echo "$b $d"; AMK_BENCH_DEFINES=$d timeout 60 build/bin/$b $M '{}' 2>&1 | grep error; done; done
for b in mkb mkb_inline; do for d in AMK_X_PAIRS=2,AMK_X_AHEAD=3 AMK_X_PAIRS=4,AMK_X_AHEAD=1; do echo "$b $d"; AMK_BENCH_DEFINES=$d timeout 60 build/bin/$b synthetic:llama-3.1-8b 2048 1 0,2047 '{}' '{"sm_assignment":"round_robin"}' 2>&1 | grep error; done; done
