// Whatever the text, reading it as a tokenizer.json ends in an Error or in a Tokenizer whose ids are in its vocabulary
// and which can say every text it has made.
#include <cstdint>

#include "base/assert.h"
#include "model/tokenizer.h"

namespace {

using namespace amk;

/// Letters, digits, blanks, an apostrophe, two scripts, a combining mark and something outside the plane.
constexpr std::string_view kText = "It's 1234  tokens,\n\n caf\u00e9 e\u0301 \u4f60\u597d \U0001f600<|end|>\t ";

void check_text(const model::Tokenizer& tokenizer, std::string_view text) {
  for (const bool special : {false, true}) {
    const Result<std::vector<uint32_t>> ids = tokenizer.encode(text, special);
    if (!ids) {
      AMK_ASSERT(ids.error().code != ErrorCode::kInternal, ids.error().text());
      continue;
    }
    for (const uint32_t id : *ids) AMK_ASSERT(id < tokenizer.vocab_size(), "an id is below the vocabulary's size");
    const Result<std::string> words = tokenizer.decode(*ids, special);
    AMK_ASSERT(words.ok(), "what was encoded is decoded: " + words.error().text());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Result<model::Tokenizer> tokenizer = model::Tokenizer::parse(text, "input");
  if (!tokenizer) return 0;
  check_text(*tokenizer, kText);
  check_text(*tokenizer, text.substr(0, 256));
  return 0;
}
