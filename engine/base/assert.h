// AMK_ASSERT: always on. A failed assertion is a bug of ours: it says where and why, and aborts.
#pragma once

#include <string_view>

namespace amk {

/// Prints `condition`, `message` and the place to stderr, then aborts.
[[noreturn]] void assertion_failed(std::string_view condition, std::string_view message, const char* file, int line);

}  // namespace amk

/// An expression of type void. `message` is evaluated only when `condition` is false.
#define AMK_ASSERT(condition, message) \
  (static_cast<bool>(condition) ? void(0) : ::amk::assertion_failed(#condition, message, __FILE__, __LINE__))
