// A traced pass as a picture: a row an SM, time to the right, coloured by phase.
#pragma once

#include <string>

#include "eval/trace_report.h"

namespace amk::eval {

/// An SVG of `width` pixels. Slices narrower than a tenth of a pixel are left out, so that 132 SMs x 80 tasks are about
/// a megabyte. `title` is escaped.
[[nodiscard]] std::string trace_svg(const Timeline& timeline, const std::string& title, double width = 1600);

}  // namespace amk::eval
