#!/usr/bin/env python3
"""A proposer for amk loop --proposer: the candidates of a JSON file ({"note", "schedule"} each), one a trial, in turn."""
import json, sys
state = json.load(sys.stdin)
candidates = json.load(open(sys.argv[1]))
at = state["next_trial"] - 1
json.dump(candidates[at] if at < len(candidates) else {"done": True}, sys.stdout)
