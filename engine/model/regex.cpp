#include "model/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
#include <pcre2.h>

#include <array>
#include <utility>

#include "base/assert.h"

namespace amk::model {
namespace {

// Patterns of real tokenizers take a few steps a character. The limits are far above that, for the longest text that
// the tokenizer takes, and end what a hostile pattern would never finish.
constexpr uint32_t kMatchStepsMax = 200'000'000;
constexpr uint32_t kMatchDepthMax = 1'000'000;
constexpr uint32_t kMatchHeapKibibytesMax = 64 * 1024;
constexpr size_t kJitStackStartBytes = 32 * 1024;
constexpr size_t kJitStackBytesMax = 1024 * 1024;

struct Deleter {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
  void operator()(pcre2_compile_context* context) const { pcre2_compile_context_free(context); }
  void operator()(pcre2_jit_stack* stack) const { pcre2_jit_stack_free(stack); }
};

template <typename T>
using Owned = std::unique_ptr<T, Deleter>;

std::string pcre2_message(int code) {
  std::array<PCRE2_UCHAR, 256> buffer{};
  pcre2_get_error_message(code, buffer.data(), buffer.size());
  return reinterpret_cast<const char*>(buffer.data());
}

}  // namespace

struct Regex::Code {
  Owned<pcre2_code> pattern;
};

Result<Regex> Regex::compile(std::string_view pattern, bool is_literal, const std::string& location) {
  Owned<pcre2_compile_context> context(pcre2_compile_context_create(nullptr));
  AMK_ASSERT(context != nullptr, "out of memory for a pattern");
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  const uint32_t options = is_literal ? PCRE2_UTF | PCRE2_LITERAL : PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C;
  int problem = 0;
  size_t offset = 0;
  auto code = std::make_shared<Code>();
  code->pattern.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), options, &problem,
                                    &offset, context.get()));
  if (code->pattern == nullptr) {
    return Error{ErrorCode::kBadInput,
                 fmt::format("expected a regular expression, found at byte {}: {}", offset, pcre2_message(problem)),
                 location, ""};
  }
  uint32_t matches_empty = 0;
  pcre2_pattern_info(code->pattern.get(), PCRE2_INFO_MATCHEMPTY, &matches_empty);
  if (matches_empty != 0) {
    return Error{ErrorCode::kUnsupported, "expected a pattern that does not match the empty text", location, ""};
  }
  // Without a JIT, or for what the JIT does not do, PCRE2 interprets: slower, the same matches.
  static_cast<void>(pcre2_jit_compile(code->pattern.get(), PCRE2_JIT_COMPLETE));
  return Regex(std::move(code));
}

struct RegexMatcher::State {
  const pcre2_code* pattern = nullptr;
  Owned<pcre2_match_data> match;
  Owned<pcre2_match_context> context;
  Owned<pcre2_jit_stack> jit_stack;  ///< may be null: the JIT then has its own small one
};

RegexMatcher::RegexMatcher(const Regex& regex) : state_(std::make_unique<State>()) {
  state_->pattern = regex.code().pattern.get();
  state_->match.reset(pcre2_match_data_create_from_pattern(state_->pattern, nullptr));
  state_->context.reset(pcre2_match_context_create(nullptr));
  AMK_ASSERT(state_->match != nullptr && state_->context != nullptr, "out of memory for a match");
  pcre2_set_match_limit(state_->context.get(), kMatchStepsMax);
  pcre2_set_depth_limit(state_->context.get(), kMatchDepthMax);
  pcre2_set_heap_limit(state_->context.get(), kMatchHeapKibibytesMax);
  state_->jit_stack.reset(pcre2_jit_stack_create(kJitStackStartBytes, kJitStackBytesMax, nullptr));
  if (state_->jit_stack) pcre2_jit_stack_assign(state_->context.get(), nullptr, state_->jit_stack.get());
}

RegexMatcher::RegexMatcher(RegexMatcher&&) noexcept = default;
RegexMatcher& RegexMatcher::operator=(RegexMatcher&&) noexcept = default;
RegexMatcher::~RegexMatcher() = default;

Result<std::optional<TextRange>> RegexMatcher::find(std::string_view text, size_t start) const {
  const auto match = [&](uint32_t options) {
    return pcre2_match(state_->pattern, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), start,
                       PCRE2_NO_UTF_CHECK | options, state_->match.get(), state_->context.get());
  };
  int count = match(0);
  if (count == PCRE2_ERROR_JIT_STACKLIMIT) count = match(PCRE2_NO_JIT);
  if (count == PCRE2_ERROR_NOMATCH) return std::optional<TextRange>();
  if (count < 0) {
    return Error{ErrorCode::kUnsupported,
                 fmt::format("expected a text the pattern can be matched on, found: {}", pcre2_message(count)), "",
                 "the tokenizer's pattern needs more steps or memory than the limits allow"};
  }
  const size_t* offsets = pcre2_get_ovector_pointer(state_->match.get());
  return std::optional(TextRange{offsets[0], offsets[1]});
}

}  // namespace amk::model
