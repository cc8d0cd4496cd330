// Regular expressions over valid UTF-8 by PCRE2: compiled once, matched from any thread, every match bounded.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace amk::model {

/// [begin, end) in bytes.
struct TextRange {
  size_t begin;
  size_t end;
};

/// A compiled pattern. Immutable and shareable; the state of a match is in RegexMatcher.
class Regex {
 public:
  /// Compiles a PCRE2 pattern with PCRE2_UTF and PCRE2_UCP, or a literal text where `is_literal`. kBadInput, with
  /// `location`, where PCRE2 refuses it; kUnsupported where it can match the empty text. Uses the JIT where there is
  /// one for this machine.
  static Result<Regex> compile(std::string_view pattern, bool is_literal, const std::string& location);

  /// For PCRE2's own type, which must not be in this header.
  struct Code;
  [[nodiscard]] const Code& code() const { return *code_; }

 private:
  explicit Regex(std::shared_ptr<const Code> code) : code_(std::move(code)) {}
  std::shared_ptr<const Code> code_;
};

/// The memory one thread needs to match one Regex, which must outlive it.
class RegexMatcher {
 public:
  explicit RegexMatcher(const Regex& regex);
  RegexMatcher(RegexMatcher&&) noexcept;
  RegexMatcher& operator=(RegexMatcher&&) noexcept;
  ~RegexMatcher();

  /// The first match, never empty, in `text`, valid UTF-8, that begins at `start` (a character's begin) or later.
  /// kUnsupported where the pattern needs more than the fixed limits of steps and memory on this text.
  Result<std::optional<TextRange>> find(std::string_view text, size_t start) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace amk::model
