#include "mcp/http/request_checks.h"

#include <fmt/format.h>

#include <array>
#include <cstddef>
#include <utility>

#include "base/base64.h"
#include "mcp/core/era.h"

namespace amk::mcp {
namespace {

constexpr std::string_view kWrapBegin = "=?base64?";
constexpr std::string_view kWrapEnd = "?=";

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

/// "text/html" of " text/html; q=0.5".
std::string_view media_type(std::string_view text) { return trimmed(text.substr(0, text.find(';'))); }

bool range_takes(std::string_view range, std::string_view type) {
  if (range == "*/*" || same_ignoring_case(range, type)) return true;
  return range.ends_with("/*") &&
         same_ignoring_case(range.substr(0, range.size() - 1), type.substr(0, type.find('/') + 1));
}

/// The value as the body has it; nothing where it is wrapped in what is no base64.
std::optional<std::string> unwrapped(const std::string& value) {
  if (!value.starts_with(kWrapBegin) || !value.ends_with(kWrapEnd) ||
      value.size() < kWrapBegin.size() + kWrapEnd.size()) {
    return value;
  }
  const std::string_view inside =
      std::string_view(value).substr(kWrapBegin.size(), value.size() - kWrapBegin.size() - kWrapEnd.size());
  const Result<std::vector<std::byte>> bytes = base64_decode(inside);
  if (!bytes) return std::nullopt;
  std::string out;
  for (const std::byte byte : *bytes) out += static_cast<char>(byte);
  return out;
}

std::optional<RpcError> compare(const HttpRequest& request, const char* header, const std::string& wanted) {
  const auto mismatch = [&](const std::string& found) {
    return RpcError{
        RpcCode::kHeaderMismatch,
        fmt::format("expected the header {} to be {}, as the body has it, found {}", header, to_line(wanted), found),
        nullptr};
  };
  const std::string* value = request.header(header);
  if (value == nullptr) return mismatch("none");
  const std::optional<std::string> plain = unwrapped(*value);
  if (!plain) return mismatch("what is no base64");
  if (*plain != wanted) return mismatch(to_line(*plain));
  return std::nullopt;
}

/// Which of the params Mcp-Name repeats; null: none.
const char* name_of_target(const std::string& method) {
  if (method == "tools/call" || method == "prompts/get") return "name";
  return method == "resources/read" ? "uri" : nullptr;
}

}  // namespace

bool accepts(const HttpRequest& request, std::string_view type) {
  for (const HttpHeader& header : request.headers) {
    if (!same_ignoring_case(header.name, "Accept")) continue;
    std::string_view rest = header.value;
    while (!rest.empty()) {
      const size_t comma = rest.find(',');
      if (range_takes(media_type(rest.substr(0, comma)), type)) return true;
      rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
    }
  }
  return false;
}

bool says_json(const HttpRequest& request) {
  const std::string* type = request.header("Content-Type");
  return type != nullptr && same_ignoring_case(media_type(*type), "application/json");
}

std::string repeated_header(const HttpRequest& request) {
  for (const char* name : {"Host", "Origin", "Authorization", "Content-Type", "Mcp-Session-Id", "MCP-Protocol-Version",
                           "Mcp-Method", "Mcp-Name", "Last-Event-ID"}) {
    if (request.count(name) > 1) return name;
  }
  return "";
}

std::optional<RpcError> header_mismatch(const HttpRequest& request, const Message& message) {
  if (message.kind == Message::Kind::kRequest) {
    const Json& version = member(member(message.params, "_meta"), kVersionKey);
    if (auto problem =
            compare(request, "MCP-Protocol-Version", version.is_string() ? version.get<std::string>() : "")) {
      return problem;
    }
  }
  if (auto problem = compare(request, "Mcp-Method", message.method)) return problem;
  const char* target = name_of_target(message.method);
  if (target == nullptr) return std::nullopt;
  const Json& name = member(message.params, target);
  if (!name.is_string()) return std::nullopt;  // the core says what is missing
  return compare(request, "Mcp-Name", name.get<std::string>());
}

std::string reason_of_refusal(const HttpResponse& response) {
  const Result<Json> body = parse_json(response.body);
  if (!body) return "";
  const Json& message = member(member(*body, "error"), "message");
  if (!message.is_string()) return "";
  const auto& text = message.get_ref<const std::string&>();
  return text.substr(0, text.find(", found"));
}

HttpResponse rpc_response(int status, const RpcError& error, const Json& id) {
  return {status, "application/json", to_line(error_reply(id, error)), {}};
}

HttpResponse rpc_response(int status, RpcCode code, std::string problem) {
  return rpc_response(status, RpcError{code, std::move(problem), nullptr});
}

}  // namespace amk::mcp
