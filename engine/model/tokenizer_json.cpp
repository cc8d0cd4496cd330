#include "model/tokenizer_json.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "model/json_object.h"
#include "model/regex_dialect.h"
#include "model/strict_json.h"
#include "model/utf8.h"

namespace amk::model {
namespace {

using nlohmann::json;

Error unsupported(std::string message, std::string location) {
  return Error{ErrorCode::kUnsupported, std::move(message), std::move(location), ""};
}

/// kUnsupported for a setting that is not modelled, unless it is missing, null or `off`.
Status expect_off(const JsonMembers& object, std::string_view key, const json& off) {
  const json* member = object.find(key);
  if (member == nullptr || member->is_null() || *member == off) return {};
  return unsupported(fmt::format("expected '{}' to be off, found {}", key,
                                 member->is_primitive() ? shown_text(member->dump(-1, ' ', true)) : json_kind(*member)),
                     object.at(key));
}

// ---- model ----

Result<std::vector<VocabularyEntry>> read_vocabulary(const JsonMembers& model) {
  AMK_ASSIGN_OR_RETURN(const json* vocabulary, model.object("vocab"));
  std::vector<VocabularyEntry> entries;
  entries.reserve(vocabulary->size());
  for (const auto& [content, value] : vocabulary->get_ref<const json::object_t&>()) {
    if (!value.is_number_unsigned()) {
      return Error{ErrorCode::kBadInput,
                   fmt::format("expected an id for token '{}', found {}", shown_text(content), json_kind(value)),
                   model.at("vocab"), ""};
    }
    AMK_ASSIGN_OR_RETURN(const uint32_t id, json_id(value, model.at("vocab")));
    entries.push_back({content, id});
  }
  return entries;
}

/// "left right", the form of older files; neither part can hold a space, which the byte-level alphabet lacks.
Result<MergeRule> merge_from_text(const std::string& text, const std::string& location) {
  const size_t space = text.find(' ');
  if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos) {
    return Error{ErrorCode::kBadInput,
                 fmt::format("expected a merge of two tokens with a space between, found '{}'", shown_text(text)),
                 location, ""};
  }
  return MergeRule{text.substr(0, space), text.substr(space + 1)};
}

Result<std::vector<MergeRule>> read_merges(const JsonMembers& model) {
  AMK_ASSIGN_OR_RETURN(const json* merges, model.array("merges"));
  std::vector<MergeRule> rules;
  rules.reserve(merges->size());
  for (size_t i = 0; i < merges->size(); ++i) {
    const json& merge = (*merges)[i];
    const bool is_pair = merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string();
    if (merge.type() != (*merges)[0].type() || (!is_pair && !merge.is_string())) {
      return Error{
          ErrorCode::kBadInput,
          fmt::format("expected merges that are all strings or all pairs of strings, found {}", json_kind(merge)),
          fmt::format("{}/{}", model.at("merges"), i), ""};
    }
    if (is_pair) {
      rules.push_back({merge[0].get<std::string>(), merge[1].get<std::string>()});
      continue;
    }
    const auto& text = merge.get_ref<const std::string&>();
    if (text.starts_with("#version")) continue;  // the head line of a merges.txt, which takes no rank
    AMK_ASSIGN_OR_RETURN(MergeRule rule, merge_from_text(text, fmt::format("{}/{}", model.at("merges"), i)));
    rules.push_back(std::move(rule));
  }
  return rules;
}

Status read_model(const json& value, const std::string& location, TokenizerSpec& spec) {
  AMK_ASSIGN_OR_RETURN(const JsonMembers model, JsonMembers::from(value, location));
  // Files older than the field have none; among the models only BPE has merges.
  AMK_ASSIGN_OR_RETURN(const std::optional<std::string> type, model.optional_string("type"));
  if (type.value_or(model.has("merges") ? "BPE" : "") != "BPE") {
    return unsupported(fmt::format("expected a model of type BPE, found '{}'", shown_text(type.value_or(""))),
                       model.at("type"));
  }
  AMK_TRY(model.only({"type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk",
                      "byte_fallback", "ignore_merges", "vocab", "merges"}));
  AMK_TRY(expect_off(model, "dropout", 0.0));
  AMK_TRY(expect_off(model, "continuing_subword_prefix", ""));
  AMK_TRY(expect_off(model, "end_of_word_suffix", ""));
  AMK_TRY(expect_off(model, "fuse_unk", false));
  AMK_TRY(expect_off(model, "byte_fallback", false));
  AMK_ASSIGN_OR_RETURN(spec.unknown_token, model.optional_string("unk_token"));
  AMK_ASSIGN_OR_RETURN(spec.ignore_merges, model.boolean("ignore_merges", false));
  AMK_ASSIGN_OR_RETURN(spec.vocabulary, read_vocabulary(model));
  AMK_ASSIGN_OR_RETURN(spec.merges, read_merges(model));
  return {};
}

// ---- added tokens, normalizer ----

Result<std::vector<AddedToken>> read_added_tokens(const json& value, const std::string& location) {
  if (!value.is_array()) {
    return Error{ErrorCode::kBadInput, fmt::format("expected an array, found {}", json_kind(value)), location, ""};
  }
  std::vector<AddedToken> tokens;
  for (size_t i = 0; i < value.size(); ++i) {
    AMK_ASSIGN_OR_RETURN(const JsonMembers object, JsonMembers::from(value[i], fmt::format("{}/{}", location, i)));
    AMK_TRY(object.only({"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"}));
    AddedToken token;
    AMK_ASSIGN_OR_RETURN(token.id, object.id("id"));
    AMK_ASSIGN_OR_RETURN(token.content, object.string("content"));
    AMK_ASSIGN_OR_RETURN(token.single_word, object.boolean("single_word"));
    AMK_ASSIGN_OR_RETURN(token.lstrip, object.boolean("lstrip"));
    AMK_ASSIGN_OR_RETURN(token.rstrip, object.boolean("rstrip"));
    AMK_ASSIGN_OR_RETURN(token.normalized, object.boolean("normalized"));
    AMK_ASSIGN_OR_RETURN(token.special, object.boolean("special"));
    tokens.push_back(std::move(token));
  }
  return tokens;
}

/// The members of a Sequence, or the value itself: the parts of the file that may be one thing or a list of them.
Result<std::vector<JsonMembers>> read_steps(const json& value, const std::string& location, std::string_view list_key) {
  AMK_ASSIGN_OR_RETURN(const JsonMembers object, JsonMembers::from(value, location));
  AMK_ASSIGN_OR_RETURN(const std::string type, object.string("type"));
  if (type != "Sequence") return std::vector<JsonMembers>{object};
  AMK_TRY(object.only({"type", list_key}));
  AMK_ASSIGN_OR_RETURN(const json* list, object.array(list_key));
  std::vector<JsonMembers> steps;
  for (size_t i = 0; i < list->size(); ++i) {
    AMK_ASSIGN_OR_RETURN(std::vector<JsonMembers> inner,
                         read_steps((*list)[i], fmt::format("{}/{}", object.at(list_key), i), list_key));
    for (JsonMembers& step : inner) steps.push_back(std::move(step));
  }
  return steps;
}

Result<bool> read_normalizer(const json& value, const std::string& location) {
  if (value.is_null()) return false;
  AMK_ASSIGN_OR_RETURN(const std::vector<JsonMembers> steps, read_steps(value, location, "normalizers"));
  for (const JsonMembers& step : steps) {
    AMK_ASSIGN_OR_RETURN(const std::string type, step.string("type"));
    if (type != "NFC") {
      return unsupported(fmt::format("expected a normalizer of type NFC, found '{}'", shown_text(type)),
                         step.location());
    }
    AMK_TRY(step.only({"type"}));
  }
  return !steps.empty();
}

// ---- pre-tokenizer ----

/// {"Regex": "..."} in Oniguruma's dialect, or {"String": "..."}.
Result<Regex> read_pattern(const JsonMembers& split) {
  AMK_ASSIGN_OR_RETURN(const json* value, split.object("pattern"));
  AMK_ASSIGN_OR_RETURN(const JsonMembers pattern, JsonMembers::from(*value, split.at("pattern")));
  AMK_TRY(pattern.only({"Regex", "String"}));
  if (pattern.find("String") != nullptr && pattern.find("Regex") == nullptr) {
    AMK_ASSIGN_OR_RETURN(const std::string text, pattern.string("String"));
    if (text.empty()) return unsupported("expected a text to split at, found ''", pattern.at("String"));
    return Regex::compile(text, true, pattern.at("String"));
  }
  AMK_TRY(pattern.only({"Regex"}));
  AMK_ASSIGN_OR_RETURN(const std::string text, pattern.string("Regex"));
  AMK_ASSIGN_OR_RETURN(const std::string translated, translate_oniguruma(text, pattern.at("Regex")));
  return Regex::compile(translated, false, pattern.at("Regex"));
}

Result<PreTokenizerStep> read_split(const JsonMembers& split) {
  AMK_TRY(split.only({"type", "pattern", "behavior", "invert"}));
  AMK_ASSIGN_OR_RETURN(const std::string behavior, split.string("behavior"));
  if (behavior != "Isolated" && behavior != "Contiguous") {
    return unsupported(
        fmt::format("expected a split behavior of Isolated or Contiguous, found '{}'", shown_text(behavior)),
        split.at("behavior"));
  }
  // `invert` swaps the matches and what is between them, which both behaviors treat alike.
  AMK_TRY(split.boolean("invert"));
  PreTokenizerStep step;
  if (behavior == "Contiguous") step.behavior = PreTokenizerStep::Behavior::kContiguous;
  AMK_ASSIGN_OR_RETURN(step.regex, read_pattern(split));
  return step;
}

Result<PreTokenizerStep> read_digits(const JsonMembers& digits) {
  AMK_TRY(digits.only({"type", "individual_digits"}));
  AMK_ASSIGN_OR_RETURN(const bool is_individual, digits.boolean("individual_digits"));
  PreTokenizerStep step;
  if (!is_individual) step.behavior = PreTokenizerStep::Behavior::kContiguous;
  AMK_ASSIGN_OR_RETURN(step.regex, Regex::compile("\\p{N}", false, digits.location()));
  return step;
}

Status check_byte_level(const JsonMembers& object) {
  return object.only({"type", "add_prefix_space", "trim_offsets", "use_regex"});
}

Result<PreTokenizerStep> read_byte_level(const JsonMembers& object) {
  AMK_TRY(check_byte_level(object));
  PreTokenizerStep step;
  AMK_ASSIGN_OR_RETURN(step.add_prefix_space, object.boolean("add_prefix_space"));
  AMK_ASSIGN_OR_RETURN(const bool uses_regex, object.boolean("use_regex", true));
  if (uses_regex) {
    AMK_ASSIGN_OR_RETURN(const std::string pattern, translate_oniguruma(kGpt2Pattern, object.location()));
    AMK_ASSIGN_OR_RETURN(step.regex, Regex::compile(pattern, false, object.location()));
  }
  return step;
}

Result<std::vector<PreTokenizerStep>> read_pre_tokenizer(const json& value, const std::string& location) {
  if (value.is_null()) return unsupported("expected a byte-level pre-tokenizer, found null", location);
  AMK_ASSIGN_OR_RETURN(const std::vector<JsonMembers> objects, read_steps(value, location, "pretokenizers"));
  std::vector<PreTokenizerStep> steps;
  for (size_t i = 0; i < objects.size(); ++i) {
    AMK_ASSIGN_OR_RETURN(const std::string type, objects[i].string("type"));
    // ByteLevel turns text into the byte-level alphabet: what came after it would see that alphabet.
    const bool is_last = i + 1 == objects.size();
    if (is_last != (type == "ByteLevel")) {
      return unsupported(
          fmt::format("expected ByteLevel as the last pre-tokenizer and only there, found '{}' as number {} of {}",
                      shown_text(type), i + 1, objects.size()),
          objects[i].location());
    }
    if (type != "ByteLevel" && type != "Split" && type != "Digits") {
      return unsupported(
          fmt::format("expected a pre-tokenizer of type Split, Digits or ByteLevel, found '{}'", shown_text(type)),
          objects[i].location());
    }
    AMK_ASSIGN_OR_RETURN(PreTokenizerStep step, type == "Split"    ? read_split(objects[i])
                                                : type == "Digits" ? read_digits(objects[i])
                                                                   : read_byte_level(objects[i]));
    steps.push_back(std::move(step));
  }
  if (steps.empty()) return unsupported("expected a byte-level pre-tokenizer, found an empty sequence", location);
  return steps;
}

// ---- post-processor, decoder ----

/// The ids of one SpecialToken of a template, by the template's own table.
Result<std::vector<uint32_t>> read_special_token(const JsonMembers& piece, const JsonMembers& table) {
  AMK_TRY(piece.only({"id", "type_id"}));
  AMK_ASSIGN_OR_RETURN(const std::string name, piece.string("id"));
  const json* value = table.find(name);
  if (value == nullptr) {
    return Error{ErrorCode::kBadInput,
                 fmt::format("expected special token '{}' among the template's special_tokens", shown_text(name)),
                 piece.location(), ""};
  }
  AMK_ASSIGN_OR_RETURN(const JsonMembers token, JsonMembers::from(*value, table.at(shown_text(name))));
  AMK_TRY(token.only({"id", "ids", "tokens"}));
  AMK_ASSIGN_OR_RETURN(const json* list, token.array("ids"));
  std::vector<uint32_t> ids;
  for (const json& member : *list) {
    AMK_ASSIGN_OR_RETURN(const uint32_t id, json_id(member, token.at("ids")));
    ids.push_back(id);
  }
  AMK_ASSIGN_OR_RETURN(const json* names, token.array("tokens"));
  if (names->size() != ids.size()) {
    return Error{ErrorCode::kBadInput,
                 fmt::format("expected as many tokens as ids, found {} and {}", names->size(), ids.size()),
                 token.location(), ""};
  }
  return ids;
}

/// TemplateProcessing's `single`: special tokens before and after sequence A. `pair` is for two texts at once, which
/// this project has no use for.
Status read_template(const JsonMembers& object, TokenizerSpec& spec) {
  AMK_TRY(object.only({"type", "single", "pair", "special_tokens"}));
  AMK_ASSIGN_OR_RETURN(const json* pieces, object.array("single"));
  AMK_ASSIGN_OR_RETURN(const json* table_value, object.object("special_tokens"));
  AMK_ASSIGN_OR_RETURN(const JsonMembers table, JsonMembers::from(*table_value, object.at("special_tokens")));
  std::vector<uint32_t> before;
  std::vector<uint32_t> after;
  size_t sequence_count = 0;
  for (size_t i = 0; i < pieces->size(); ++i) {
    const std::string location = fmt::format("{}/{}", object.at("single"), i);
    AMK_ASSIGN_OR_RETURN(const JsonMembers piece, JsonMembers::from((*pieces)[i], location));
    AMK_TRY(piece.only({"SpecialToken", "Sequence"}));
    if (piece.find("SpecialToken") != nullptr) {
      AMK_TRY(piece.only({"SpecialToken"}));
      AMK_ASSIGN_OR_RETURN(const JsonMembers token,
                           JsonMembers::from(*piece.find("SpecialToken"), piece.at("SpecialToken")));
      AMK_ASSIGN_OR_RETURN(const std::vector<uint32_t> ids, read_special_token(token, table));
      std::vector<uint32_t>& side = sequence_count == 0 ? before : after;
      side.insert(side.end(), ids.begin(), ids.end());
      continue;
    }
    AMK_ASSIGN_OR_RETURN(const json* sequence_value, piece.object("Sequence"));
    AMK_ASSIGN_OR_RETURN(const JsonMembers sequence, JsonMembers::from(*sequence_value, piece.at("Sequence")));
    AMK_TRY(sequence.only({"id", "type_id"}));
    AMK_ASSIGN_OR_RETURN(const std::string name, sequence.string("id"));
    if (name != "A" || ++sequence_count > 1) {
      return unsupported(fmt::format("expected sequence A once in a template, found '{}'", shown_text(name)), location);
    }
  }
  if (sequence_count == 0) return unsupported("expected sequence A in a template, found none", object.at("single"));
  spec.prefix_ids.insert(spec.prefix_ids.begin(), before.begin(), before.end());
  spec.suffix_ids.insert(spec.suffix_ids.end(), after.begin(), after.end());
  return {};
}

Status read_post_processor(const json& value, const std::string& location, TokenizerSpec& spec) {
  if (value.is_null()) return {};
  AMK_ASSIGN_OR_RETURN(const std::vector<JsonMembers> steps, read_steps(value, location, "processors"));
  for (const JsonMembers& step : steps) {
    AMK_ASSIGN_OR_RETURN(const std::string type, step.string("type"));
    if (type == "ByteLevel") {
      AMK_TRY(check_byte_level(step));  // it only trims offsets, which ids do not have
    } else if (type == "TemplateProcessing") {
      AMK_TRY(read_template(step, spec));
    } else {
      return unsupported(fmt::format("expected a post-processor of type ByteLevel or TemplateProcessing, found '{}'",
                                     shown_text(type)),
                         step.location());
    }
  }
  return {};
}

Status check_decoder(const json& value, const std::string& location) {
  if (value.is_null()) return unsupported("expected a decoder of type ByteLevel, found null", location);
  AMK_ASSIGN_OR_RETURN(const std::vector<JsonMembers> steps, read_steps(value, location, "decoders"));
  for (const JsonMembers& step : steps) {
    AMK_ASSIGN_OR_RETURN(const std::string type, step.string("type"));
    if (type != "ByteLevel") {
      return unsupported(fmt::format("expected a decoder of type ByteLevel, found '{}'", shown_text(type)),
                         step.location());
    }
    AMK_TRY(check_byte_level(step));
  }
  if (steps.size() != 1) {
    return unsupported(fmt::format("expected one decoder of type ByteLevel, found {}", steps.size()), location);
  }
  return {};
}

}  // namespace

Result<TokenizerSpec> parse_tokenizer_json(std::string_view text, const std::string& location) {
  AMK_ASSIGN_OR_RETURN(const json root, parse_strict_json(text, location));
  AMK_ASSIGN_OR_RETURN(const JsonMembers file, JsonMembers::from(root, location + "#"));
  AMK_TRY(file.only({"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
                     "post_processor", "decoder", "model"}));
  AMK_ASSIGN_OR_RETURN(const std::string version, file.string("version"));
  if (version != "1.0") {
    return unsupported(fmt::format("expected version 1.0, found '{}'", shown_text(version)), file.at("version"));
  }
  AMK_TRY(expect_off(file, "truncation", nullptr));
  AMK_TRY(expect_off(file, "padding", nullptr));
  const json nothing;
  const auto part = [&](std::string_view key) -> const json& {
    return file.find(key) == nullptr ? nothing : *file.find(key);
  };
  TokenizerSpec spec;
  AMK_TRY(read_model(part("model"), file.at("model"), spec));
  if (file.has("added_tokens")) {
    AMK_ASSIGN_OR_RETURN(spec.added_tokens, read_added_tokens(part("added_tokens"), file.at("added_tokens")));
  }
  AMK_ASSIGN_OR_RETURN(spec.normalizes_to_nfc, read_normalizer(part("normalizer"), file.at("normalizer")));
  AMK_ASSIGN_OR_RETURN(spec.pre_tokenizer, read_pre_tokenizer(part("pre_tokenizer"), file.at("pre_tokenizer")));
  AMK_TRY(read_post_processor(part("post_processor"), file.at("post_processor"), spec));
  AMK_TRY(check_decoder(part("decoder"), file.at("decoder")));
  return spec;
}

}  // namespace amk::model
