// What a session does about calls that ask their client for something.
#include <fmt/format.h>

#include <utility>

#include "mcp/core/asking.h"
#include "mcp/core/session_request.h"
#include "mcp/core/tool_result.h"

namespace amk::mcp {
namespace {

/// What a state is sealed for: it comes back with the same tool or prompt, or is refused.
std::string purpose_of(const char* method, const std::string& name) { return fmt::format("{} {}", method, name); }

}  // namespace

std::variant<Caller, RpcError> Session::caller_of(const Request& request) {
  Caller out;
  if (!request.modern()) {
    out.capabilities = capabilities_;
    out.asked = &asked_;
    return out;
  }
  out.capabilities = member(request.param("_meta"), kCapabilitiesKey);
  out.responses = request.param("inputResponses");
  if (!out.responses.is_null() && !out.responses.is_object()) {
    return error_of(RpcCode::kInvalidParams,
                    fmt::format("expected params.inputResponses to be an object, found {}", to_line(out.responses)));
  }
  const Json& sealed = request.param("requestState");
  if (sealed.is_null()) return out;
  const std::string purpose = purpose_of(request.message.method.c_str(), request.param("name").get<std::string>());
  Result<std::string> state = server_.seal().open(purpose, sealed.is_string() ? sealed.get<std::string>() : "");
  if (!state) return error_of(RpcCode::kInvalidParams, state.error().text());
  out.state = std::move(*state);
  return out;
}

Answer Session::called(const Tool& tool, const Json& arguments, Era era, Call& call) const {
  ToolResult result;
  if (std::optional<RpcError> problem = run_guarded(tool, arguments, call, result)) return *std::move(problem);
  if (result.requests.is_null()) return call_result(tool, result);
  if (era == Era::kModern) {
    const std::string sealed =
        result.state.empty() ? "" : server_.seal().seal(purpose_of("tools/call", tool.name), result.state);
    return asking_result(result.requests, sealed, call.client_capabilities());
  }
  const Json missing = missing_capabilities(result.requests, call.client_capabilities());
  result.error = missing.empty()
                     ? "expected the client to answer what it was asked, found no answer"
                     : fmt::format("expected a client that has declared {}, found one that has not", to_line(missing));
  return call_result(tool, result);
}

Answer Session::ask_for_prompt(const Request& request, const Prompt& prompt, const Json& arguments) {
  if (!request.modern()) {
    return error_of(RpcCode::kInvalidRequest,
                    fmt::format("expected {}, since {} asks its client for something, found an earlier version",
                                kModernVersion, prompt.name));
  }
  const std::variant<Caller, RpcError> caller = caller_of(request);
  if (const RpcError* problem = std::get_if<RpcError>(&caller)) return *problem;
  const auto& [capabilities, responses, state, asked] = std::get<Caller>(caller);
  const std::optional<Json> answers = answers_to(prompt.asks, responses);
  if (!answers) return asking_result(prompt.asks, "", capabilities);
  return Json{{"description", prompt.description}, {"messages", prompt.answered(arguments, *answers)}};
}

}  // namespace amk::mcp
