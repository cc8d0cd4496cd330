// A text file as a model's tokens.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/checkpoint.h"

namespace amk::cli {

/// All tokens of the text, those that the tokenizer adds included. kUsage, at `option`, where the model has no
/// tokenizer; otherwise errors of the file and the tokenizer.
Result<std::vector<uint32_t>> text_tokens(const std::string& file, const model::Checkpoint& checkpoint,
                                          const std::string& option);

}  // namespace amk::cli
