#include "mcp/core/state_seal.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <random>
#include <span>
#include <vector>

#include "base/base64.h"
#include "base/sha256.h"

namespace amk::mcp {
namespace {

constexpr size_t kBlockBytes = 64;  ///< of SHA-256
constexpr size_t kTagSize = 64;     ///< a digest in hex

std::string masked(std::string key, char mask) {
  for (char& byte : key) byte = static_cast<char>(byte ^ mask);
  return key;
}

std::string bytes_of_hex(const std::string& hex) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    out.push_back(static_cast<char>(digit(hex[i]) * 16 + digit(hex[i + 1])));
  return out;
}

/// Takes the same time wherever two texts of one length differ.
bool same(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (size_t i = 0; i < a.size(); ++i) difference |= static_cast<unsigned char>(a[i] ^ b[i]);
  return difference == 0;
}

}  // namespace

StateSeal::StateSeal() : key_(kBlockBytes, '\0') {
  std::random_device source;
  for (char& byte : key_) byte = static_cast<char>(source());
}

/// HMAC (RFC 2104) with a key of one block. The purpose holds no line break, so that it cannot run into the text.
std::string StateSeal::tag(std::string_view purpose, std::string_view text) const {
  std::string inner = masked(key_, 0x36);
  inner.append(purpose).append("\n").append(text);
  return sha256_hex(masked(key_, 0x5c) + bytes_of_hex(sha256_hex(inner)));
}

std::string StateSeal::seal(std::string_view purpose, std::string_view state) const {
  const std::string text = base64_encode(std::as_bytes(std::span(state)));
  return text + "." + tag(purpose, text);
}

Result<std::string> StateSeal::open(std::string_view purpose, std::string_view sealed) const {
  const Error foreign{ErrorCode::kBadInput, "expected requestState as this server has sent it, found another", "",
                      "send it back unchanged with the same tool or prompt, or leave it out and begin anew"};
  if (sealed.size() <= kTagSize || sealed[sealed.size() - kTagSize - 1] != '.') return foreign;
  const std::string_view text = sealed.substr(0, sealed.size() - kTagSize - 1);
  if (!same(tag(purpose, text), sealed.substr(sealed.size() - kTagSize))) return foreign;
  const Result<std::vector<std::byte>> bytes = base64_decode(text);
  if (!bytes) return foreign;
  std::string out;
  std::ranges::transform(*bytes, std::back_inserter(out), [](std::byte byte) { return static_cast<char>(byte); });
  return out;
}

}  // namespace amk::mcp
