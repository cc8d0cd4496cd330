// A program run once: text in, text out, bounded in time and size.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace amk::ipc {

struct CommandLimits {
  std::chrono::milliseconds time = std::chrono::seconds(60);
  size_t output_bytes = size_t{1} << 20;
};

/// What the program writes to its stdout, given `input` on its stdin; one that does not read it all is none the worse.
/// kIo where it cannot be started; kBadInput where it takes too long, writes too much, or does not end with exit code
/// 0: it is killed, with its process group, and the hint is the last of its stderr.
Result<std::string> run_command(const std::vector<std::string>& arguments, std::string_view input,
                                const CommandLimits& limits);

}  // namespace amk::ipc
