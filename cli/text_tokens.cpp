#include "cli/text_tokens.h"

#include <fmt/format.h>

#include "base/files.h"
#include "model/tokenizer.h"

namespace amk::cli {
namespace {

constexpr uint64_t kTextBytesMax = 64ULL << 20;

}  // namespace

Result<std::vector<uint32_t>> text_tokens(const std::string& file, const model::Checkpoint& checkpoint,
                                          const std::string& option) {
  if (checkpoint.directory().empty()) {
    return Error{ErrorCode::kUsage,
                 fmt::format("expected a model with a tokenizer, found the built-in {}", checkpoint.name()), option,
                 ""};
  }
  AMK_ASSIGN_OR_RETURN(const std::string text, read_file(file, kTextBytesMax));
  AMK_ASSIGN_OR_RETURN(const model::Tokenizer tokenizer, model::Tokenizer::open(checkpoint.directory()));
  return tokenizer.encode(text, true);
}

}  // namespace amk::cli
