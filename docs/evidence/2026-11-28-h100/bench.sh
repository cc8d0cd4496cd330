#!/bin/bash
# The 1B shape again, after the change of what packets stand for.
cd "$(dirname "$0")/.."
export PATH=$PWD/gpu/bin:$PATH AMK_WORKER=$PWD/gpu/bin/amk-worker
nvidia-smi --query-gpu=name,driver_version --format=csv,noheader; date -u
timeout 60 amk bench synthetic:llama-3.2-1b --positions 0,2047 --rounds 60 --kv-dtype bf16 --checked 2 2>&1; echo "rc $? at $SECONDS s"
timeout 40 amk bench synthetic:llama-3.2-1b --weights int8 --positions 0 --rounds 40 --kv-dtype bf16 --checked 2 --no-rivals 2>&1; echo "rc $? at $SECONDS s"
