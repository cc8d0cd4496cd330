#include "model/vocabulary.h"

#include <fmt/format.h>

#include <algorithm>

#include "model/byte_level.h"
#include "model/utf8.h"

namespace amk::model {
namespace {

Error bad_vocabulary(std::string message) { return Error{ErrorCode::kBadInput, std::move(message), "", ""}; }

}  // namespace

Status Vocabulary::take_slot(uint32_t id, std::string_view content) {
  if (content.empty())
    return bad_vocabulary(fmt::format("expected a token of at least one byte, found '' with id {}", id));
  if (id >= kTokenIdEnd) {
    return bad_vocabulary(
        fmt::format("expected ids below {}, found {} of token '{}'", kTokenIdEnd, id, shown_text(content)));
  }
  if (has(id)) {
    return bad_vocabulary(
        fmt::format("expected one token an id, found a second one, '{}', with id {}", shown_text(content), id));
  }
  if (id >= slots_.size()) slots_.resize(size_t{id} + 1);
  return {};
}

Status Vocabulary::add_model_token(const VocabularyEntry& entry) {
  AMK_TRY(take_slot(entry.id, entry.content));
  std::optional<std::string> bytes = byte_level_decode(entry.content);
  IdByText& ids = bytes ? model_id_by_bytes_ : model_id_by_literal_;
  const auto [place, is_new] = ids.emplace(bytes ? std::move(*bytes) : entry.content, entry.id);
  if (!is_new) {
    return bad_vocabulary(fmt::format("expected every token once, found '{}' twice", shown_text(entry.content)));
  }
  slots_[entry.id].bytes = place->first;
  return {};
}

Status Vocabulary::add_added_token(const VocabularyEntry& entry, bool is_special) {
  if (added_id_by_content_.contains(entry.content)) {
    return bad_vocabulary(fmt::format("expected every added token once, found '{}' twice", shown_text(entry.content)));
  }
  if (const std::optional<uint32_t> id = model_id_of(entry.content); id) {
    if (*id != entry.id) {
      return bad_vocabulary(fmt::format("expected added token '{}' to have its id in the vocabulary, {}, found {}",
                                        shown_text(entry.content), *id, entry.id));
    }
  } else {
    AMK_TRY(take_slot(entry.id, entry.content));
    const uint32_t model_count = static_cast<uint32_t>(model_id_by_bytes_.size() + model_id_by_literal_.size());
    const bool has_added_above = !added_id_by_content_.empty() && added_id_max_ >= model_count;
    const uint32_t next_id = has_added_above ? added_id_max_ + 1 : model_count;
    if (entry.id != next_id) {
      return Error{ErrorCode::kUnsupported,
                   fmt::format("expected added token '{}' to have the next free id, {}, found {}",
                               shown_text(entry.content), next_id, entry.id),
                   "", "huggingface/tokenizers would renumber it, so its id in the trained model is not known"};
    }
    std::optional<std::string> bytes = byte_level_decode(entry.content);
    slots_[entry.id].bytes = added_bytes_.emplace_back(bytes ? std::move(*bytes) : entry.content);
  }
  slots_[entry.id].is_special = is_special;
  added_id_by_content_.emplace(entry.content, entry.id);
  added_id_max_ = std::max(added_id_max_, entry.id);
  return {};
}

std::optional<uint32_t> Vocabulary::model_id_of_bytes(std::string_view bytes) const {
  const auto found = model_id_by_bytes_.find(bytes);
  return found == model_id_by_bytes_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<uint32_t> Vocabulary::model_id_of(std::string_view content) const {
  if (const std::optional<std::string> bytes = byte_level_decode(content); bytes) return model_id_of_bytes(*bytes);
  const auto found = model_id_by_literal_.find(content);
  return found == model_id_by_literal_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<uint32_t> Vocabulary::id_of(std::string_view content) const {
  const auto added = added_id_by_content_.find(content);
  return added == added_id_by_content_.end() ? model_id_of(content) : std::optional(added->second);
}

}  // namespace amk::model
