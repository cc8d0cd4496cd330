#include "model/byte_level.h"

#include <array>

#include "model/utf8.h"

namespace amk::model {
namespace {

/// Bytes that are printable in Latin-1 stand for themselves.
constexpr bool stands_for_itself(uint32_t byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
}

constexpr std::array<char32_t, 256> make_characters() {
  std::array<char32_t, 256> characters{};
  char32_t next = 0x100;  // the others take the characters from U+0100 on, in the order of the bytes
  for (uint32_t byte = 0; byte < 256; ++byte) characters[byte] = stands_for_itself(byte) ? char32_t{byte} : next++;
  return characters;
}

constexpr std::array<char32_t, 256> kCharacters = make_characters();
constexpr size_t kCharacterEnd = 0x144;
constexpr int16_t kNoByte = -1;

constexpr std::array<int16_t, kCharacterEnd> make_bytes() {
  std::array<int16_t, kCharacterEnd> bytes{};
  for (int16_t& byte : bytes) byte = kNoByte;
  for (size_t byte = 0; byte < 256; ++byte) bytes[kCharacters[byte]] = static_cast<int16_t>(byte);
  return bytes;
}

constexpr std::array<int16_t, kCharacterEnd> kBytes = make_bytes();
static_assert(kCharacters[' '] == 0x120 && kCharacters['\n'] == 0x10A && kCharacters[0xAD] == kCharacterEnd - 1);

}  // namespace

char32_t byte_level_character(uint8_t byte) { return kCharacters[byte]; }

std::optional<uint8_t> byte_level_byte(char32_t character) {
  if (character >= kCharacterEnd || kBytes[character] == kNoByte) return std::nullopt;
  return static_cast<uint8_t>(kBytes[character]);
}

std::optional<std::string> byte_level_decode(std::string_view content) {
  std::string bytes;
  bytes.reserve(content.size());
  while (!content.empty()) {
    const std::optional<uint8_t> byte = byte_level_byte(utf8_code_point(content));
    if (!byte) return std::nullopt;
    bytes.push_back(static_cast<char>(*byte));
    content.remove_prefix(utf8_head(content).size);
  }
  return bytes;
}

}  // namespace amk::model
