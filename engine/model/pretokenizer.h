// Pre-tokenisation: cuts a text into the pieces that BPE then works on one by one.
//
// Source: huggingface/tokenizers, pre_tokenizers (split, digits, byte_level, sequence).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/regex.h"

namespace amk::model {

/// One step; each works on the pieces of the step before.
struct PreTokenizerStep {
  /// What becomes of the matches of `regex` and of the text between them.
  enum class Behavior {
    kIsolated,    ///< each is a piece
    kContiguous,  ///< each run of matches is a piece, so is the text between runs
  };
  bool add_prefix_space = false;  ///< a space goes before every piece that begins with none
  std::optional<Regex> regex;     ///< without one, the piece is not cut
  Behavior behavior = Behavior::kIsolated;
};

/// GPT-2's pattern, the one that ByteLevel's `use_regex` stands for, in Oniguruma's dialect.
inline constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

/// Applies steps to one text after another; holds the memory that matching needs. One thread uses it at a time.
class PreTokenizerRun {
 public:
  using Sink = std::function<Status(std::string_view piece)>;

  /// `steps` must outlive it.
  explicit PreTokenizerRun(const std::vector<PreTokenizerStep>& steps);

  /// Hands the pieces of `text`, valid UTF-8, to `sink` from left to right, each valid only during the call. Their
  /// concatenation is `text` but for the spaces that steps add. Stops at the first error.
  Status split(std::string_view text, const Sink& sink) const { return split_from(0, text, sink); }

 private:
  Status split_from(size_t step_index, std::string_view text, const Sink& sink) const;
  Status cut(size_t step_index, std::string_view text, const Sink& sink) const;

  const std::vector<PreTokenizerStep>& steps_;
  std::vector<std::optional<RegexMatcher>> matchers_;  ///< one a step
};

}  // namespace amk::model
