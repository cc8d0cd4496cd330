#include "mcp/http/access.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>

#include "base/assert.h"

namespace amk::mcp {
namespace {

constexpr size_t kTokenMin = 16;
constexpr size_t kTokenMax = 4096;

/// The name or address in "name:port" and "[address]:port"; empty where that is no authority.
std::string_view host_of(std::string_view authority) {
  std::string_view host = authority;
  std::string_view rest;
  if (!authority.empty() && authority.front() == '[') {
    const size_t end = authority.find(']');
    if (end == std::string_view::npos) return {};
    host = authority.substr(1, end - 1);
    rest = authority.substr(end + 1);
  } else if (const size_t colon = authority.find(':'); colon != std::string_view::npos) {
    host = authority.substr(0, colon);
    rest = authority.substr(colon);
  }
  if (rest.empty()) return host;
  const bool port = rest.front() == ':' && rest.find_first_not_of("0123456789", 1) == std::string_view::npos;
  return port ? host : std::string_view{};
}

bool is_address(std::string_view host) {
  const std::string text(host);
  std::array<unsigned char, sizeof(in6_addr)> ignored;
  return ::inet_pton(AF_INET, text.c_str(), ignored.data()) == 1 ||
         ::inet_pton(AF_INET6, text.c_str(), ignored.data()) == 1;
}

bool is_loopback_host(std::string_view host) {
  return same_ignoring_case(host, "localhost") || is_loopback_address(host);
}

/// The authority of "http://authority" and "https://authority"; empty where that is no such origin.
std::string_view authority_of(std::string_view origin) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (origin.size() > scheme.size() && same_ignoring_case(origin.substr(0, scheme.size()), scheme)) {
      return origin.substr(scheme.size());
    }
  }
  return {};
}

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

}  // namespace

bool is_loopback_address(std::string_view address) {
  const std::string text(address);
  in_addr v4{};
  if (::inet_pton(AF_INET, text.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24U) == 127;
  in6_addr v6{};
  return ::inet_pton(AF_INET6, text.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

std::string address_of_host(const std::string& host) { return host == "localhost" ? "127.0.0.1" : host; }

Result<std::string> read_token(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Error{ErrorCode::kIo, fmt::format("cannot read the token: {}", std::strerror(errno)), path, ""};
  struct stat info {};
  std::array<char, kTokenMax + 1> buffer;
  const bool known = ::fstat(fd, &info) == 0;
  const ssize_t got = ::read(fd, buffer.data(), buffer.size());
  const int number = errno;
  ::close(fd);
  if (!known || got < 0) {
    return Error{ErrorCode::kIo, fmt::format("cannot read the token: {}", std::strerror(number)), path, ""};
  }
  if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return Error{ErrorCode::kBadInput,
                 fmt::format("expected a token that only its owner may read, found mode {:o}", info.st_mode & 0777U),
                 path, fmt::format("chmod 600 {}", path)};
  }
  const std::string_view token = trimmed({buffer.data(), static_cast<size_t>(got)});
  const bool plain = std::ranges::all_of(token, [](char c) { return c > ' ' && c < '\x7f'; });
  if (token.size() < kTokenMin || token.size() > kTokenMax || !plain) {
    return Error{ErrorCode::kBadInput,
                 fmt::format("expected a token of {} to {} ASCII characters without blanks, found {}", kTokenMin,
                             kTokenMax, plain ? fmt::format("{} characters", token.size()) : "others"),
                 path, "openssl rand -hex 32 makes one"};
  }
  return std::string(token);
}

bool same_secret(std::string_view given, std::string_view secret) {
  // As many steps as `given` has characters: whoever gave it knows that.
  volatile unsigned difference = given.size() == secret.size() && !secret.empty() ? 0U : 1U;
  for (size_t i = 0; i < given.size(); ++i) {
    const char other = secret.empty() ? '\0' : secret[i % secret.size()];
    difference = difference | static_cast<unsigned>(static_cast<unsigned char>(given[i] ^ other));
  }
  return difference == 0;
}

std::string random_id() {
  std::array<unsigned char, 16> bytes;
  const ssize_t got = ::getrandom(bytes.data(), bytes.size(), 0);
  AMK_ASSERT(got == static_cast<ssize_t>(bytes.size()), "the system has no random bytes");
  std::string out;
  for (const unsigned char byte : bytes) out += fmt::format("{:02x}", byte);
  return out;
}

bool is_origin(std::string_view text) {
  const std::string_view authority = authority_of(text);
  const std::string_view host = host_of(authority);
  const bool v6 = !authority.empty() && authority.front() == '[';
  constexpr std::string_view kName = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
  return !host.empty() && authority.back() != ':' &&
         (v6 ? is_address(host) : host.find_first_not_of(kName) == std::string_view::npos);
}

bool Access::knows_origin(std::string_view origin) const {
  if (const std::string_view authority = authority_of(origin); !authority.empty()) {
    if (is_loopback_host(host_of(authority))) return true;
  }
  return std::ranges::any_of(allowed_origins,
                             [&](const std::string& allowed) { return same_ignoring_case(allowed, origin); });
}

bool Access::knows_host(std::string_view host) const {
  const std::string_view name = host_of(host);
  if (name.empty()) return false;
  if (is_loopback_host(name)) return true;
  // An address cannot be pointed at us by someone else, as a name can.
  if (!is_loopback_address(address) && is_address(name)) return true;
  return std::ranges::any_of(allowed_origins, [&](const std::string& allowed) {
    return same_ignoring_case(host_of(authority_of(allowed)), name);
  });
}

bool Access::knows_token(const HttpRequest& request) const {
  if (token.empty()) return true;
  constexpr std::string_view kScheme = "Bearer ";
  const std::string* given = request.header("Authorization");
  if (given == nullptr || !same_ignoring_case(given->substr(0, kScheme.size()), kScheme)) return false;
  return same_secret(trimmed(std::string_view(*given).substr(kScheme.size())), token);
}

}  // namespace amk::mcp
