// The byte-level alphabet: the printable character that stands for each byte in the vocabulary of a byte-level BPE.
//
// Source: openai/gpt-2, encoder.py, bytes_to_unicode; huggingface/tokenizers, pre_tokenizers/byte_level.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace amk::model {

/// The character that stands for `byte`, in U+0021 to U+0143.
[[nodiscard]] char32_t byte_level_character(uint8_t byte);

/// The byte that `character` stands for, if it stands for one.
[[nodiscard]] std::optional<uint8_t> byte_level_byte(char32_t character);

/// The bytes that a vocabulary entry stands for, or nothing where one of its characters stands for no byte: such an
/// entry is literal text. `content` is valid UTF-8.
[[nodiscard]] std::optional<std::string> byte_level_decode(std::string_view content);

}  // namespace amk::model
