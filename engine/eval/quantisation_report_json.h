// The document of `amk quantize --json`.
#pragma once

#include <string>

#include "eval/quantisation_report.h"

namespace amk::eval {

/// docs/cli.md has its keys. What is no finite number is null.
[[nodiscard]] std::string quantisation_report_to_json(const QuantisationReport& report);

}  // namespace amk::eval
