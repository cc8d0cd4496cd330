#include "model/normalizer.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "model/utf8.h"

namespace amk::model {
namespace {

constexpr size_t kMarkRunMax = 256;

/// Nothing below U+0300 composes with a neighbour or decomposes under NFC; its UTF-8 has no byte from 0xCC on.
bool is_below_combining_marks(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<uint8_t>(c) < 0xCC; });
}

size_t longest_mark_run(std::string_view text) {
  size_t longest = 0;
  size_t run = 0;
  while (!text.empty()) {
    const auto code_point = static_cast<utf8proc_int32_t>(utf8_code_point(text));
    run = utf8proc_get_property(code_point)->combining_class == 0 ? 0 : run + 1;
    longest = std::max(longest, run);
    text.remove_prefix(utf8_head(text).size);
  }
  return longest;
}

}  // namespace

Result<std::string> to_nfc(std::string_view text) {
  if (is_below_combining_marks(text)) return std::string(text);
  if (const size_t run = longest_mark_run(text); run > kMarkRunMax) {
    return Error{ErrorCode::kUnsupported,
                 fmt::format("expected at most {} combining marks in a row, found {}", kMarkRunMax, run), "", ""};
  }
  utf8proc_uint8_t* raw = nullptr;
  const utf8proc_ssize_t size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()),
                   &raw, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owned(raw, &std::free);
  if (size < 0) {
    return Error{ErrorCode::kInternal, fmt::format("expected a text in NFC, found {}", utf8proc_errmsg(size)), "", ""};
  }
  return std::string(reinterpret_cast<const char*>(raw), static_cast<size_t>(size));
}

}  // namespace amk::model
