// Byte-level BPE from a HuggingFace tokenizer.json: text to token ids and back, exactly.
//
// Models the tokenizers of Llama 3, SmolLM2, GPT-2 and Qwen; anything in the file it does not model is refused by name
// (ErrorCode::kUnsupported). Source: huggingface/tokenizers, models/bpe, pre_tokenizers/byte_level, added_vocabulary.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace amk::model {

class Tokenizer {
 public:
  /// Reads DIR/tokenizer.json.
  static Result<Tokenizer> open(const std::filesystem::path& directory);
  /// Parses the text of a tokenizer.json; `location` names it in errors.
  static Result<Tokenizer> parse(std::string_view text, const std::string& location);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  /// Token ids of UTF-8 `text`. Added tokens in the text are recognised as transformers does. With
  /// `add_special_tokens` the file's post-processor adds its own (Llama 3's begin_of_text). Invalid UTF-8 is kBadInput;
  /// kUnsupported for more than 16 MiB, or a byte for which the vocabulary has no token (the library drops it).
  Result<std::vector<uint32_t>> encode(std::string_view text, bool add_special_tokens) const;

  /// The bytes of `ids` joined; invalid UTF-8 sequences (a character cut at either end) become U+FFFD. Special tokens
  /// are left out when `skip_special_tokens`. An id that is no token is kBadInput.
  Result<std::string> decode(std::span<const uint32_t> ids, bool skip_special_tokens) const;

  /// Number of ids, added tokens included: every valid id is below it.
  [[nodiscard]] uint32_t vocab_size() const;
  [[nodiscard]] bool is_special(uint32_t id) const;
  [[nodiscard]] std::optional<uint32_t> id_of(std::string_view token) const;

  /// Raw bytes of one token (may be part of a character); empty for an id that is no token.
  [[nodiscard]] std::string_view token_bytes(uint32_t id) const;

 private:
  struct Impl;
  explicit Tokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Decodes token by token and hands out only whole UTF-8 characters: the concatenation of all pieces and finish() is
/// what Tokenizer::decode gives for all ids at once.
class StreamDecoder {
 public:
  StreamDecoder(const Tokenizer& tokenizer, bool skip_special_tokens);
  /// The characters completed by this token; empty while one is unfinished.
  Result<std::string> push(uint32_t id);
  /// What is left of an unfinished character, as U+FFFD.
  std::string finish();

 private:
  const Tokenizer& tokenizer_;
  bool skip_special_tokens_;
  std::string pending_;
};

}  // namespace amk::model
