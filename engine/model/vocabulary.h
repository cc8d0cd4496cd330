// The tokens of a byte-level BPE: which bytes each id stands for, and which id a text in the file names.
//
// Tokens of the model and added tokens are kept apart: merges and ignore_merges see only the model's.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"

namespace amk::model {

/// Ids are below this: far above any published vocabulary, far below what a table of all ids could not hold.
inline constexpr uint32_t kTokenIdEnd = 1U << 22;

/// One token as tokenizer.json has it: `content` is text in the byte-level alphabet, or literal text.
struct VocabularyEntry {
  std::string content;
  uint32_t id;
};

class Vocabulary {
 public:
  /// A token of the model. kBadInput for an id out of range or taken, an empty content, or a content there already.
  Status add_model_token(const VocabularyEntry& entry);

  /// An added token, after all of the model's. One whose content the model has must have its id. kUnsupported where
  /// huggingface/tokenizers, which numbers added tokens itself, would give it another id than the file says.
  Status add_added_token(const VocabularyEntry& entry, bool is_special);

  /// One more than the largest id.
  [[nodiscard]] uint32_t size() const { return static_cast<uint32_t>(slots_.size()); }
  /// Whether `id` is a token. Every token has at least one byte.
  [[nodiscard]] bool has(uint32_t id) const { return id < slots_.size() && !slots_[id].bytes.empty(); }
  /// What `id` decodes to; empty where it is no token.
  [[nodiscard]] std::string_view bytes(uint32_t id) const { return has(id) ? slots_[id].bytes : std::string_view(); }
  [[nodiscard]] bool is_special(uint32_t id) const { return has(id) && slots_[id].is_special; }

  /// The model's token for these raw bytes.
  [[nodiscard]] std::optional<uint32_t> model_id_of_bytes(std::string_view bytes) const;
  /// The model's token with this content.
  [[nodiscard]] std::optional<uint32_t> model_id_of(std::string_view content) const;
  /// The token with this content, added or the model's.
  [[nodiscard]] std::optional<uint32_t> id_of(std::string_view content) const;

 private:
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  using IdByText = std::unordered_map<std::string, uint32_t, Hash, std::equal_to<>>;
  struct Slot {
    std::string_view bytes;  ///< into a map's key or `added_bytes_`, neither of which moves
    bool is_special = false;
  };

  Status take_slot(uint32_t id, std::string_view content);

  std::vector<Slot> slots_;       ///< by id
  IdByText model_id_by_bytes_;    ///< tokens in the byte-level alphabet, by the bytes they stand for
  IdByText model_id_by_literal_;  ///< the model's other tokens, by content
  IdByText added_id_by_content_;
  std::deque<std::string> added_bytes_;
  uint32_t added_id_max_ = 0;  ///< where added_id_by_content_ is not empty
};

}  // namespace amk::model
