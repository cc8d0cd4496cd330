"""Makes the validator wrong in one place after another, and asks the campaign whether it notices.

Run from the root of the project, with nothing uncommitted in engine/validator: python3 THIS > sabotage.log
Each line: what was changed; the campaign's exit code, false accepts, false rejects and unproven. Files are put back.
"""
import json
import subprocess
from pathlib import Path

HAZARDS = "engine/validator/hazards.cpp"
PROGRESS = "engine/validator/progress.cpp"
PAGES = "engine/validator/pages.cpp"
TASKS = "engine/validator/well_formed_tasks.cpp"
PROGRAM = "engine/validator/well_formed_program.cpp"
LAUNCH = "engine/validator/launch.cpp"
CAMPAIGN = ["build/bin/amk", "validate", "--campaign", "--count", "7160", "--seed", "4", "--json"]

# what it is called, file, text, what the text becomes
SABOTAGES = [
    ('no check of readers before a write', HAZARDS,
     'if (conflict != kNone || passed(now, &tables_.reader_clock[cover.record * sms_])) continue;',
     'if (sms_ > 0) continue;'),
    ('no check of the buffer last written', HAZARDS,
     'record.whole && record.buffer == touch.buffer && passed',
     'record.whole && passed'),
    ('no check of the writer before a write', HAZARDS,
     '} else if (conflict == kNone && !done(segment.writer, now)) {',
     '} else if (conflict == kNone && sms_ == 0) {'),
    ('a task counts as done one place early', HAZARDS,
     'return work_.place_of[id] + 1; }',
     'return work_.place_of[id]; }'),
    ('a later reader is not looked at again', HAZARDS,
     '    ++record.generation;\n',
     ''),
    ('a read does not look at writes since', HAZARDS,
     '        record.writers_known = false;\n',
     ''),
    ('a counter keeps its last producer only', HAZARDS,
     '      raise(&tables_.slot_clock[slot * sms_], now);\n',
     '      std::copy(now, now + sms_, &tables_.slot_clock[slot * sms_]);\n'),
    ('a counter keeps its first producer only', HAZARDS,
     '      raise(&tables_.slot_clock[slot * sms_], now);\n',
     ''),
    ("a counter's clock is given away one wait early", HAZARDS,
     'if (--tables_.waiters_left[counter] == 0)',
     'if (--tables_.waiters_left[counter] <= 1)'),
    ('KV rows need not be complete', HAZARDS,
     '(kind == abi::BufferKind::kOutput || kind == abi::BufferKind::kKvCache);\n  }',
     '(kind == abi::BufferKind::kOutput);\n  }'),
    ('any written part makes a read whole', HAZARDS,
     '      if (segment.writer == kNone || segment.buffer != record.buffer) {\n        record.whole = false;',
     '      if (segment.writer == kNone || segment.buffer != record.buffer) {\n        record.whole = record.whole && s + 1 != record.end_segment;'),
    ('thresholds may be too low', PROGRESS,
     '} else if (wait.threshold != producers) {',
     '} else if (wait.threshold > producers) {'),
    ('thresholds may be too high', PROGRESS,
     '} else if (wait.threshold != producers) {',
     '} else if (wait.threshold < producers) {'),
    ('a page may be too small', PAGES,
     'if (aligned && inside && page.size >= size)',
     'if (aligned && inside)'),
    ('pages may lie anywhere', PAGES,
     'if (aligned && inside && page.size >= size)',
     'if (aligned && page.size >= size)'),
    ('ranges need not be complete', TASKS,
     'if (wanted == expected.end() && declared == task_.ranges.end()) return;',
     'if (declared == task_.ranges.end()) return;'),
    ('live ranges are off by one', PAGES,
     '      uses.last[buffer] = i;',
     '      uses.last[buffer] = i + 1;'),
    ('outputs need not be complete', HAZARDS,
     '(kind == abi::BufferKind::kOutput || kind == abi::BufferKind::kKvCache);\n  }',
     'kind == abi::BufferKind::kKvCache;\n  }'),
    ('caches may hold another context', PROGRAM,
     'buffer.shape.rank != 3 || buffer.shape.extent[1] != context_size',
     'buffer.shape.rank != 3'),
    ('the target need not have the multipliers', LAUNCH,
     'target.sm < abi::min_arch(launch.products)',
     'target.sm < 75'),
    ('the target need not have the back end', LAUNCH,
     'target.sm < abi::min_arch(launch.stream_backend)',
     'target.sm < 75'),
    ('a launch may have more tokens than positions', LAUNCH,
     ' || tokens > program.meta.context',
     ''),
    ('parameters need not fit', TASKS,
     'if (problem) return fail(Rule::kParamRange',
     'if (problem) return; fail(Rule::kParamRange'),
]


def judge(name):
    subprocess.run(["cmake", "--build", "build", "--target", "amk", "-j2"], check=True, capture_output=True)
    done = subprocess.run(CAMPAIGN, capture_output=True, text=True)
    try:
        report = json.loads(done.stdout)
        counts = [f"{key} {report[key]}" for key in ("false_accepts", "false_rejects", "unproven")]
        print(f"{name}: exit {done.returncode}, " + ", ".join(counts), flush=True)
    except json.JSONDecodeError:
        print(f"{name}: exit {done.returncode}, no report", flush=True)


judge("nothing changed")
for name, file, text, becomes in SABOTAGES:
    path = Path(file)
    whole = path.read_text()
    assert text in whole, f"{name}: the text to change is not in {file}"
    try:
        path.write_text(whole.replace(text, becomes))
        judge(name)
    finally:
        path.write_text(whole)
judge("nothing changed, at the end")
