// How the program ends, in one number; docs/cli.md has the table.
#pragma once

#include "base/result.h"

namespace amk::cli {

enum class Exit : int {
  kDone = 0,
  kNegative = 1,  ///< the work was done and the verdict is negative
  kUsage = 2,
  kInput = 3,  ///< unsupported or broken input, or the operating system refused
  kInternal = 4,
};

[[nodiscard]] constexpr Exit exit_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kUsage:
      return Exit::kUsage;
    case ErrorCode::kUnsupported:
    case ErrorCode::kBadInput:
    case ErrorCode::kIo:
      return Exit::kInput;
    case ErrorCode::kInternal:
      return Exit::kInternal;
  }
  return Exit::kInternal;
}

}  // namespace amk::cli
