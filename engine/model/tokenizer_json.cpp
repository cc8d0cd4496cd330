#include "model/tokenizer_json.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "model/json_reader.h"
#include "model/regex_dialect.h"
#include "model/utf8.h"

namespace amk::model {
namespace {

Error unsupported(const JsonObject& object, std::string_view key, std::string_view expected) {
  return object.refusal(ErrorCode::kUnsupported, key, expected);
}

/// Nothing in a file is ignored: what was not asked for by now is not modelled.
Status nothing_else(const JsonObject& object) { return object.all_read(ErrorCode::kUnsupported); }

/// kUnsupported for a setting that is not modelled, unless it is missing, null or `off`.
Status expect_off(JsonObject& object, std::string_view key, const Json& off) {
  if (!object.has_value(key) || object.at(key) == off) return {};
  return unsupported(object, key, off.is_null() ? "null" : fmt::format("null or {}", show_json(off)));
}

/// A value of [0, 2^32), as ids are.
Result<uint32_t> read_id(JsonObject& object, std::string_view key) {
  AMK_ASSIGN_OR_RETURN(const uint64_t id, object.integer(key, 0, UINT32_MAX));
  return static_cast<uint32_t>(id);
}

// ---- model ----

Result<std::vector<VocabularyEntry>> read_vocabulary(JsonObject& model) {
  AMK_ASSIGN_OR_RETURN(const JsonObject vocabulary, model.object("vocab"));
  std::vector<VocabularyEntry> entries;
  entries.reserve(model.at("vocab").size());
  for (const auto& [content, value] : model.at("vocab").get_ref<const Json::object_t&>()) {
    const auto id = as_integer(value, 0, UINT32_MAX);
    if (!id) {
      return Error{ErrorCode::kBadInput,
                   fmt::format("model.vocab: expected an id from 0 to {} for token '{}', found {}", UINT32_MAX,
                               shown_text(content), show_json(value)),
                   model.location(), ""};
    }
    entries.push_back({content, static_cast<uint32_t>(*id)});
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

Result<std::vector<MergeRule>> read_merges(JsonObject& model) {
  AMK_ASSIGN_OR_RETURN(const Json* merges, model.array("merges"));
  std::vector<MergeRule> rules;
  rules.reserve(merges->size());
  for (size_t i = 0; i < merges->size(); ++i) {
    const Json& merge = (*merges)[i];
    const bool is_pair = merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string();
    if (merge.type() != (*merges)[0].type() || (!is_pair && !merge.is_string())) {
      return Error{ErrorCode::kBadInput,
                   "expected merges that are all strings or all pairs of strings, found " + show_json(merge),
                   fmt::format("{}[{}]", model.place("merges"), i), ""};
    }
    if (is_pair) {
      rules.push_back({merge[0].get<std::string>(), merge[1].get<std::string>()});
      continue;
    }
    const auto& text = merge.get_ref<const std::string&>();
    if (text.starts_with("#version")) continue;  // the head line of a merges.txt, which takes no rank
    AMK_ASSIGN_OR_RETURN(MergeRule rule, merge_from_text(text, fmt::format("{}[{}]", model.place("merges"), i)));
    rules.push_back(std::move(rule));
  }
  return rules;
}

Status read_model(JsonObject& file, TokenizerSpec& spec) {
  AMK_ASSIGN_OR_RETURN(JsonObject model, file.object("model"));
  // Files older than the field have none; among the models only BPE has merges.
  AMK_ASSIGN_OR_RETURN(const std::optional<std::string> type, model.optional_string("type"));
  if (type.value_or(model.has_value("merges") ? "BPE" : "") != "BPE") return unsupported(model, "type", "\"BPE\"");
  AMK_TRY(expect_off(model, "dropout", 0.0));
  AMK_TRY(expect_off(model, "continuing_subword_prefix", ""));
  AMK_TRY(expect_off(model, "end_of_word_suffix", ""));
  AMK_TRY(expect_off(model, "fuse_unk", false));
  AMK_TRY(expect_off(model, "byte_fallback", false));
  AMK_ASSIGN_OR_RETURN(spec.unknown_token, model.optional_string("unk_token"));
  AMK_ASSIGN_OR_RETURN(spec.ignore_merges, model.boolean("ignore_merges", false));
  AMK_ASSIGN_OR_RETURN(spec.vocabulary, read_vocabulary(model));
  AMK_ASSIGN_OR_RETURN(spec.merges, read_merges(model));
  return nothing_else(model);
}

// ---- added tokens, normalizer ----

Status read_added_tokens(JsonObject& file, std::vector<AddedToken>& tokens) {
  if (!file.has_value("added_tokens")) return {};
  AMK_ASSIGN_OR_RETURN(std::vector<JsonObject> objects, file.objects("added_tokens"));
  for (JsonObject& object : objects) {
    AddedToken token;
    AMK_ASSIGN_OR_RETURN(token.id, read_id(object, "id"));
    AMK_ASSIGN_OR_RETURN(token.content, object.string("content"));
    AMK_ASSIGN_OR_RETURN(token.single_word, object.boolean("single_word"));
    AMK_ASSIGN_OR_RETURN(token.lstrip, object.boolean("lstrip"));
    AMK_ASSIGN_OR_RETURN(token.rstrip, object.boolean("rstrip"));
    AMK_ASSIGN_OR_RETURN(token.normalized, object.boolean("normalized"));
    AMK_ASSIGN_OR_RETURN(token.special, object.boolean("special"));
    AMK_TRY(nothing_else(object));
    tokens.push_back(std::move(token));
  }
  return {};
}

/// The steps of a Sequence, or the value itself: the parts of the file that may be one thing or a list of them.
Status append_steps(JsonObject object, std::string_view list_key, std::vector<JsonObject>& steps) {
  AMK_ASSIGN_OR_RETURN(const std::string type, object.string("type"));
  if (type != "Sequence") {
    steps.push_back(std::move(object));
    return {};
  }
  AMK_ASSIGN_OR_RETURN(std::vector<JsonObject> members, object.objects(list_key));
  AMK_TRY(nothing_else(object));
  for (JsonObject& member : members) AMK_TRY(append_steps(std::move(member), list_key, steps));
  return {};
}

Result<std::vector<JsonObject>> read_steps(JsonObject& file, std::string_view key, std::string_view list_key) {
  AMK_ASSIGN_OR_RETURN(JsonObject object, file.object(key));
  std::vector<JsonObject> steps;
  AMK_TRY(append_steps(std::move(object), list_key, steps));
  return steps;
}

Result<bool> read_normalizer(JsonObject& file) {
  if (!file.has_value("normalizer")) return false;
  AMK_ASSIGN_OR_RETURN(std::vector<JsonObject> steps, read_steps(file, "normalizer", "normalizers"));
  for (JsonObject& step : steps) {
    AMK_ASSIGN_OR_RETURN(const std::string type, step.string("type"));
    if (type != "NFC") return unsupported(step, "type", "\"NFC\"");
    AMK_TRY(nothing_else(step));
  }
  return !steps.empty();
}

// ---- pre-tokenizer ----

/// {"Regex": "..."} in Oniguruma's dialect, or {"String": "..."}.
Result<Regex> read_pattern(JsonObject& split) {
  AMK_ASSIGN_OR_RETURN(JsonObject pattern, split.object("pattern"));
  const bool is_literal = pattern.has("String");
  const std::string_view key = is_literal ? "String" : "Regex";
  AMK_ASSIGN_OR_RETURN(std::string text, pattern.string(key));
  AMK_TRY(nothing_else(pattern));
  if (is_literal && text.empty()) return unsupported(pattern, key, "a text to split at");
  if (!is_literal) {
    AMK_ASSIGN_OR_RETURN(text, translate_oniguruma(text, pattern.place(key)));
  }
  return Regex::compile(text, is_literal, pattern.place(key));
}

Status read_split(JsonObject& split, PreTokenizerStep& step) {
  AMK_ASSIGN_OR_RETURN(const std::string behavior, split.string("behavior"));
  if (behavior != "Isolated" && behavior != "Contiguous") {
    return unsupported(split, "behavior", "\"Isolated\" or \"Contiguous\"");
  }
  // `invert` swaps the matches and what is between them, which both behaviors treat alike.
  AMK_TRY(split.boolean("invert"));
  if (behavior == "Contiguous") step.behavior = PreTokenizerStep::Behavior::kContiguous;
  AMK_ASSIGN_OR_RETURN(step.regex, read_pattern(split));
  return {};
}

Status read_digits(JsonObject& digits, PreTokenizerStep& step) {
  AMK_ASSIGN_OR_RETURN(const bool is_individual, digits.boolean("individual_digits"));
  if (!is_individual) step.behavior = PreTokenizerStep::Behavior::kContiguous;
  AMK_ASSIGN_OR_RETURN(step.regex, Regex::compile("\\p{N}", false, digits.place("type")));
  return {};
}

Status read_byte_level(JsonObject& object, PreTokenizerStep& step) {
  object.skip({"trim_offsets"});
  AMK_ASSIGN_OR_RETURN(step.add_prefix_space, object.boolean("add_prefix_space"));
  AMK_ASSIGN_OR_RETURN(const bool uses_regex, object.boolean("use_regex", true));
  if (uses_regex) {
    AMK_ASSIGN_OR_RETURN(const std::string pattern, translate_oniguruma(kGpt2Pattern, object.place("use_regex")));
    AMK_ASSIGN_OR_RETURN(step.regex, Regex::compile(pattern, false, object.place("use_regex")));
  }
  return {};
}

/// A ByteLevel of the post-processor or decoder: its settings bear on offsets, which ids do not have.
Status check_byte_level(JsonObject& object) {
  object.skip({"add_prefix_space", "trim_offsets", "use_regex"});
  return nothing_else(object);
}

Result<std::vector<PreTokenizerStep>> read_pre_tokenizer(JsonObject& file) {
  if (!file.has_value("pre_tokenizer")) return unsupported(file, "pre_tokenizer", "a byte-level pre-tokenizer");
  AMK_ASSIGN_OR_RETURN(std::vector<JsonObject> objects, read_steps(file, "pre_tokenizer", "pretokenizers"));
  if (objects.empty()) return unsupported(file, "pre_tokenizer", "at least a byte-level pre-tokenizer");
  std::vector<PreTokenizerStep> steps;
  for (JsonObject& object : objects) {
    AMK_ASSIGN_OR_RETURN(const std::string type, object.string("type"));
    // ByteLevel turns text into the byte-level alphabet: what came after it would see that alphabet.
    const bool is_last = &object == &objects.back();
    if (is_last && type != "ByteLevel") return unsupported(object, "type", "\"ByteLevel\" as the last pre-tokenizer");
    if (!is_last && type != "Split" && type != "Digits") {
      return unsupported(object, "type", "\"Split\" or \"Digits\" before the last pre-tokenizer");
    }
    PreTokenizerStep& step = steps.emplace_back();
    AMK_TRY(type == "Split"    ? read_split(object, step)
            : type == "Digits" ? read_digits(object, step)
                               : read_byte_level(object, step));
    AMK_TRY(nothing_else(object));
  }
  return steps;
}

// ---- post-processor, decoder ----

/// The ids of one SpecialToken of a template, by the template's own table.
Result<std::vector<uint64_t>> read_special_token(JsonObject& piece, JsonObject& table) {
  AMK_ASSIGN_OR_RETURN(const std::string name, piece.string("id"));
  piece.skip({"type_id"});
  AMK_TRY(nothing_else(piece));
  if (!table.has(name)) return piece.refusal(ErrorCode::kBadInput, "id", "one of the template's special_tokens");
  AMK_ASSIGN_OR_RETURN(JsonObject token, table.object(name));
  token.skip({"id"});
  AMK_ASSIGN_OR_RETURN(std::vector<uint64_t> ids, token.integers("ids", 0, UINT32_MAX));
  AMK_ASSIGN_OR_RETURN(const Json* names, token.array("tokens"));
  if (names->size() != ids.size()) {
    return token.refusal(ErrorCode::kBadInput, "tokens", fmt::format("as many tokens as ids, {}", ids.size()));
  }
  AMK_TRY(nothing_else(token));
  return ids;
}

/// TemplateProcessing's `single`: special tokens before and after sequence A. `pair` is for two texts at once, which
/// this project has no use for.
Status read_template(JsonObject& object, TokenizerSpec& spec) {
  object.skip({"pair"});
  AMK_ASSIGN_OR_RETURN(std::vector<JsonObject> pieces, object.objects("single"));
  AMK_ASSIGN_OR_RETURN(JsonObject table, object.object("special_tokens"));
  AMK_TRY(nothing_else(object));
  std::vector<uint64_t> before;
  std::vector<uint64_t> after;
  size_t sequence_count = 0;
  for (JsonObject& piece : pieces) {
    if (piece.has("SpecialToken")) {
      AMK_ASSIGN_OR_RETURN(JsonObject token, piece.object("SpecialToken"));
      AMK_TRY(nothing_else(piece));
      AMK_ASSIGN_OR_RETURN(const std::vector<uint64_t> ids, read_special_token(token, table));
      std::vector<uint64_t>& side = sequence_count == 0 ? before : after;
      side.insert(side.end(), ids.begin(), ids.end());
      continue;
    }
    AMK_ASSIGN_OR_RETURN(JsonObject sequence, piece.object("Sequence"));
    AMK_TRY(nothing_else(piece));
    AMK_ASSIGN_OR_RETURN(const std::string name, sequence.string("id"));
    if (name != "A" || ++sequence_count > 1) return unsupported(sequence, "id", "sequence \"A\", and that once");
    sequence.skip({"type_id"});
    AMK_TRY(nothing_else(sequence));
  }
  if (sequence_count == 0) return unsupported(object, "single", "sequence \"A\" in the template");
  spec.prefix_ids.insert(spec.prefix_ids.begin(), before.begin(), before.end());
  spec.suffix_ids.insert(spec.suffix_ids.end(), after.begin(), after.end());
  return {};
}

Status read_post_processor(JsonObject& file, TokenizerSpec& spec) {
  if (!file.has_value("post_processor")) return {};
  AMK_ASSIGN_OR_RETURN(std::vector<JsonObject> steps, read_steps(file, "post_processor", "processors"));
  for (JsonObject& step : steps) {
    AMK_ASSIGN_OR_RETURN(const std::string type, step.string("type"));
    if (type == "ByteLevel") {
      AMK_TRY(check_byte_level(step));
    } else if (type == "TemplateProcessing") {
      AMK_TRY(read_template(step, spec));
    } else {
      return unsupported(step, "type", "\"ByteLevel\" or \"TemplateProcessing\"");
    }
  }
  return {};
}

Status check_decoder(JsonObject& file) {
  if (!file.has_value("decoder")) return unsupported(file, "decoder", "a decoder of type ByteLevel");
  AMK_ASSIGN_OR_RETURN(std::vector<JsonObject> steps, read_steps(file, "decoder", "decoders"));
  for (JsonObject& step : steps) {
    AMK_ASSIGN_OR_RETURN(const std::string type, step.string("type"));
    if (type != "ByteLevel") return unsupported(step, "type", "\"ByteLevel\"");
    AMK_TRY(check_byte_level(step));
  }
  if (steps.size() != 1) return unsupported(file, "decoder", fmt::format("one decoder, not {}", steps.size()));
  return {};
}

}  // namespace

Result<TokenizerSpec> parse_tokenizer_json(std::string_view text, const std::string& location) {
  AMK_ASSIGN_OR_RETURN(const Json root, parse_json(text, location));
  AMK_ASSIGN_OR_RETURN(JsonObject file, JsonObject::create(root, location, ""));
  AMK_ASSIGN_OR_RETURN(const std::string version, file.string("version"));
  if (version != "1.0") return unsupported(file, "version", "\"1.0\"");
  AMK_TRY(expect_off(file, "truncation", nullptr));
  AMK_TRY(expect_off(file, "padding", nullptr));
  TokenizerSpec spec;
  AMK_TRY(read_model(file, spec));
  AMK_TRY(read_added_tokens(file, spec.added_tokens));
  AMK_ASSIGN_OR_RETURN(spec.normalizes_to_nfc, read_normalizer(file));
  AMK_ASSIGN_OR_RETURN(spec.pre_tokenizer, read_pre_tokenizer(file));
  AMK_TRY(read_post_processor(file, spec));
  AMK_TRY(check_decoder(file));
  AMK_TRY(nothing_else(file));
  return spec;
}

}  // namespace amk::model
