// Small tokenizer.json texts for tests: 256 byte tokens whose id is the byte, then what a test adds.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "model/byte_level.h"
#include "model/tokenizer.h"
#include "model/utf8.h"

namespace amk::model {

inline constexpr std::string_view kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
    R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view kQwenPattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

/// `text` in the byte-level alphabet.
inline std::string byte_level(std::string_view text) {
  std::string out;
  for (const char c : text) append_utf8(out, byte_level_character(static_cast<uint8_t>(c)));
  return out;
}

inline nlohmann::json byte_level_step(bool uses_regex) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", uses_regex}};
}

/// Split by `pattern`, then ByteLevel without its own: the form of Llama 3 and Qwen.
inline nlohmann::json split_steps(std::string_view pattern) {
  return {{"type", "Sequence"},
          {"pretokenizers",
           {{{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}},
            byte_level_step(false)}}};
}

/// Digits one by one, then ByteLevel: the form of SmolLM2.
inline nlohmann::json digits_steps(bool individual_digits) {
  return {{"type", "Sequence"},
          {"pretokenizers", {{{"type", "Digits"}, {"individual_digits", individual_digits}}, byte_level_step(true)}}};
}

inline nlohmann::json small_tokenizer() {
  nlohmann::json vocabulary = nlohmann::json::object();
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(static_cast<uint8_t>(byte));
    vocabulary[byte_level({&c, 1})] = byte;
  }
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", nlohmann::json::array()},
          {"normalizer", nullptr},
          {"pre_tokenizer", byte_level_step(true)},
          {"post_processor", nullptr},
          {"decoder", byte_level_step(true)},
          {"model",
           {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", nullptr},
            {"continuing_subword_prefix", nullptr},
            {"end_of_word_suffix", nullptr},
            {"fuse_unk", false},
            {"byte_fallback", false},
            {"ignore_merges", false},
            {"vocab", vocabulary},
            {"merges", nlohmann::json::array()}}}};
}

/// Adds the merge of `left` and `right` (plain text) and its token, which takes the next id.
inline void add_merge(nlohmann::json& file, std::string_view left, std::string_view right) {
  nlohmann::json& model = file["model"];
  model["vocab"][byte_level(left) + byte_level(right)] = model["vocab"].size();
  model["merges"].push_back({byte_level(left), byte_level(right)});
}

inline void add_token(nlohmann::json& file, uint32_t id, std::string_view content,
                      const nlohmann::json& flags = nlohmann::json::object()) {
  nlohmann::json token = {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
                          {"rstrip", false}, {"normalized", false}, {"special", false}};
  token.update(flags);
  file["added_tokens"].push_back(token);
}

inline Result<Tokenizer> parse(const nlohmann::json& file) { return Tokenizer::parse(file.dump(), "small.json"); }

inline std::vector<uint32_t> bytes_of(std::string_view text) {
  std::vector<uint32_t> ids;
  for (const char c : text) ids.push_back(static_cast<uint8_t>(c));
  return ids;
}

}  // namespace amk::model
