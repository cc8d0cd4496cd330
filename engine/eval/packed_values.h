// Arrays in a frame: plain values as base64, in the machine's byte order, since both processes are on one machine.
#pragma once

#include <fmt/format.h>

#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "base/base64.h"
#include "base/result.h"

namespace amk::eval {

template <typename T>
[[nodiscard]] std::string pack_values(const std::vector<T>& values) {
  static_assert(std::is_trivially_copyable_v<T>);
  return base64_encode(std::as_bytes(std::span(values)));
}

/// `count` values; kBadInput where the text is no base64, kInternal where it holds another number of bytes.
template <typename T>
Result<std::vector<T>> unpack_values(const std::string& text, size_t count) {
  static_assert(std::is_trivially_copyable_v<T>);
  AMK_ASSIGN_OR_RETURN(const std::vector<std::byte> bytes, base64_decode(text));
  if (bytes.size() != count * sizeof(T)) {
    return Error{ErrorCode::kInternal,
                 fmt::format("expected {} bytes from the worker, found {}", count * sizeof(T), bytes.size()), "", ""};
  }
  std::vector<T> out(count);
  if (count > 0) std::memcpy(static_cast<void*>(out.data()), bytes.data(), bytes.size());
  return out;
}

}  // namespace amk::eval
