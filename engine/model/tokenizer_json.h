// Reading tokenizer.json: what the file says, checked part by part; what is not modelled is refused by name.
//
// Owns the file's form. Whether the parts fit each other (ids, merges) is checked where they are put together.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/added_tokens.h"
#include "model/bpe.h"
#include "model/pretokenizer.h"
#include "model/vocabulary.h"

namespace amk::model {

/// A tokenizer.json of the kind this project models.
struct TokenizerSpec {
  std::vector<VocabularyEntry> vocabulary;
  std::vector<MergeRule> merges;
  bool ignore_merges = false;
  std::optional<std::string> unknown_token;
  std::vector<AddedToken> added_tokens;
  bool normalizes_to_nfc = false;
  std::vector<PreTokenizerStep> pre_tokenizer;
  std::vector<uint32_t> prefix_ids;  ///< what the post-processor puts before a text
  std::vector<uint32_t> suffix_ids;  ///< and after it
};

/// `location` names the file; errors add the field, as in "model.merges[3]". kBadInput for a broken file, kUnsupported
/// for one that holds anything not modelled.
Result<TokenizerSpec> parse_tokenizer_json(std::string_view text, const std::string& location);

}  // namespace amk::model
