"""A proposer for A/A trials: the incumbent with one knob spelled out that says what it is already, so that the program is the same."""
import json
import sys

state = json.load(sys.stdin)
print(json.dumps({"schedule": {"smem_bytes_per_block": 232448}, "note": "A/A: the same program"}))
