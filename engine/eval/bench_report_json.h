// The JSON form of a benchmark's report.
#pragma once

#include <string>

#include "eval/bench_report.h"

namespace amk::eval {

/// The document of `amk bench --json` (docs/cli.md has the keys). `samples`: every round's time, too.
[[nodiscard]] std::string bench_report_to_json(const BenchReport& report, bool samples);

}  // namespace amk::eval
