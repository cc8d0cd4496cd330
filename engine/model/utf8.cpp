#include "model/utf8.h"

#include <cstring>

namespace amk::model {
namespace {

constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";  // U+FFFD

/// How many continuation bytes follow a lead byte, and what the first of them may be.
struct LeadRule {
  size_t continuation_count;  ///< 0 where the byte starts no multi-byte sequence
  uint8_t first_min;
  uint8_t first_max;
};

LeadRule lead_rule(uint8_t lead) {
  if (lead >= 0xC2 && lead <= 0xDF) return {1, 0x80, 0xBF};
  if (lead == 0xE0) return {2, 0xA0, 0xBF};
  if (lead == 0xED) return {2, 0x80, 0x9F};
  if (lead >= 0xE1 && lead <= 0xEF) return {2, 0x80, 0xBF};
  if (lead == 0xF0) return {3, 0x90, 0xBF};
  if (lead >= 0xF1 && lead <= 0xF3) return {3, 0x80, 0xBF};
  if (lead == 0xF4) return {3, 0x80, 0x8F};
  return {0, 0, 0};
}

/// Length of the run of ASCII at the front of `text`, eight bytes at a time.
size_t ascii_run(std::string_view text) {
  size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    uint64_t word = 0;
    std::memcpy(&word, text.data() + i, sizeof word);
    if ((word & 0x8080808080808080ULL) != 0) break;
  }
  while (i < text.size() && static_cast<uint8_t>(text[i]) < 0x80) ++i;
  return i;
}

}  // namespace

Utf8Head utf8_head(std::string_view bytes) {
  const auto lead = static_cast<uint8_t>(bytes[0]);
  if (lead < 0x80) return {Utf8Head::Kind::kCharacter, 1};
  const LeadRule rule = lead_rule(lead);
  if (rule.continuation_count == 0) return {Utf8Head::Kind::kInvalid, 1};
  for (size_t i = 1; i <= rule.continuation_count; ++i) {
    if (i == bytes.size()) return {Utf8Head::Kind::kIncomplete, i};
    const auto byte = static_cast<uint8_t>(bytes[i]);
    const uint8_t min = i == 1 ? rule.first_min : 0x80;
    const uint8_t max = i == 1 ? rule.first_max : 0xBF;
    if (byte < min || byte > max) return {Utf8Head::Kind::kInvalid, i};
  }
  return {Utf8Head::Kind::kCharacter, rule.continuation_count + 1};
}

char32_t utf8_code_point(std::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<char32_t>(static_cast<uint8_t>(text[i])); };
  const char32_t lead = byte(0);
  if (lead < 0x80) return lead;
  const auto low_six = [&byte](size_t i) { return byte(i) & 0x3F; };
  if (lead < 0xE0) return ((lead & 0x1F) << 6) | low_six(1);
  if (lead < 0xF0) return ((lead & 0x0F) << 12) | (low_six(1) << 6) | low_six(2);
  return ((lead & 0x07) << 18) | (low_six(1) << 12) | (low_six(2) << 6) | low_six(3);
}

std::string_view utf8_last_character(std::string_view text) {
  size_t start = text.size() - 1;
  while (start > 0 && (static_cast<uint8_t>(text[start]) & 0xC0) == 0x80) --start;
  return text.substr(start);
}

void append_utf8(std::string& out, char32_t code_point) {
  const auto put = [&out](char32_t byte) { out.push_back(static_cast<char>(static_cast<uint8_t>(byte))); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xC0 | (code_point >> 6));
    put(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    put(0xE0 | (code_point >> 12));
    put(0x80 | ((code_point >> 6) & 0x3F));
    put(0x80 | (code_point & 0x3F));
  } else {
    put(0xF0 | (code_point >> 18));
    put(0x80 | ((code_point >> 12) & 0x3F));
    put(0x80 | ((code_point >> 6) & 0x3F));
    put(0x80 | (code_point & 0x3F));
  }
}

size_t find_invalid_utf8(std::string_view text) {
  size_t i = ascii_run(text);
  while (i < text.size()) {
    const Utf8Head head = utf8_head(text.substr(i));
    if (head.kind != Utf8Head::Kind::kCharacter) return i;
    i += head.size;
    i += ascii_run(text.substr(i));
  }
  return std::string_view::npos;
}

size_t append_lossy_utf8(std::string& out, std::string_view bytes) {
  size_t i = 0;
  while (i < bytes.size()) {
    const Utf8Head head = utf8_head(bytes.substr(i));
    if (head.kind == Utf8Head::Kind::kIncomplete) break;
    out += head.kind == Utf8Head::Kind::kCharacter ? bytes.substr(i, head.size) : kReplacementCharacter;
    i += head.size;
  }
  return i;
}

std::string shown_text(std::string_view bytes) {
  constexpr size_t kShownBytesMax = 80;
  std::string out;
  append_lossy_utf8(out, bytes.substr(0, kShownBytesMax));
  if (bytes.size() > kShownBytesMax) out += "...";
  return out;
}

}  // namespace amk::model
