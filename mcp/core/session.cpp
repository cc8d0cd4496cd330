#include "mcp/core/session.h"

#include <fmt/format.h>

#include <array>
#include <exception>
#include <utility>

#include "mcp/core/schema.h"

namespace amk::mcp {

/// A request whose era is known.
struct Session::Request {
  const Message& message;
  Era era;
};

namespace {

constexpr int kToolsTtlMs = 3'600'000;  ///< what a server offers does not change while it runs
constexpr size_t kFindingsShownMax = 20;

RpcError error_of(RpcCode code, std::string message) { return {code, std::move(message), nullptr}; }

/// The text in front of a list of what is wrong with the arguments.
std::string argument_problems(const Tool& tool, const std::vector<SchemaFinding>& findings) {
  std::string out = fmt::format("the arguments of {} do not fit its schema:", tool.name);
  for (size_t i = 0; i < findings.size() && i < kFindingsShownMax; ++i) out += "\n- " + findings[i].text();
  if (findings.size() > kFindingsShownMax) out += fmt::format("\n- and {} more", findings.size() - kFindingsShownMax);
  if (const Json& examples = member(tool.input_schema, "examples"); !examples.empty()) {
    out += "\nTo mend it, follow this example: " + to_line(examples[0]);
  }
  return out;
}

Json text_content(std::string text) { return Json::array({{{"type", "text"}, {"text", std::move(text)}}}); }

/// As tools/call answers. A result that does not fit the tool's own schema is our bug.
Answer call_result(const Tool& tool, const ToolResult& result) {
  if (result.failed()) return Json{{"content", text_content(result.error)}, {"isError", true}};
  // What goes out is what is checked: text that is no UTF-8 has been mended, and NaN has become null.
  const std::string text = to_line(result.structured);
  Json structured = Json::parse(text);
  if (const auto findings = check_schema(tool.output_schema, structured); !findings.empty()) {
    return error_of(RpcCode::kInternal, fmt::format("the result of {} does not fit its own schema: {}", tool.name,
                                                    findings.front().text()));
  }
  return Json{{"content", text_content(text)}, {"structuredContent", std::move(structured)}, {"isError", false}};
}

/// No exception of a tool's ends the server.
Answer run_guarded(const Tool& tool, const Json& arguments, CallContext& context) {
  try {
    return call_result(tool, tool.call(arguments, context));
  } catch (const std::exception& problem) {
    return error_of(RpcCode::kInternal, fmt::format("{} ended unexpectedly: {}", tool.name, problem.what()));
  }
}

}  // namespace

Session::~Session() { shut_down(); }

void Session::cancel_all() {
  for (const std::shared_ptr<Call>& call : calls_.all()) {
    call->cancel();
    calls_.release(*call);
  }
}

void Session::begin_shut_down() {
  for (const std::shared_ptr<Call>& call : calls_.all()) call->shut_down();
}

void Session::shut_down() {
  do {
    begin_shut_down();
  } while (!calls_.wait_until_empty(std::chrono::milliseconds(50)));
}

void Session::refuse_oversized(size_t bytes_max, const Send& send) {
  send(error_reply(nullptr,
                   {RpcCode::kInvalidRequest,
                    fmt::format("expected a message of at most {} bytes, found a longer one", bytes_max), nullptr}));
}

void Session::receive(std::string_view text, const Send& send) { receive(parse_message(text), send); }

void Session::receive(const Message& message, const Send& send) {
  switch (message.kind) {
    case Message::Kind::kRequest:
      return handle(message, send);
    case Message::Kind::kNotification:
      return handle_notification(message);
    case Message::Kind::kResponse:
      return;
    case Message::Kind::kBad:
      return send(error_reply(message.id, message.error));
  }
}

void Session::handle_notification(const Message& message) {
  if (message.method != "notifications/cancelled") return;
  const Json& id = member(message.params, "requestId");
  if (!is_request_id(id)) return;
  const std::shared_ptr<Call> call = calls_.find(id);
  if (call == nullptr) return;
  call->cancel();
  calls_.release(*call);
}

std::optional<RpcError> Session::era_problem(const Message& message, Era era) const {
  if (era == Era::kModern) return modern_problem(message);
  if (!version_.empty() || message.method == "initialize" || message.method == "ping") return std::nullopt;
  return RpcError{RpcCode::kInvalidParams,
                  fmt::format("expected \"initialize\" first, or params._meta with \"{}\" (\"{}\") and \"{}\", found "
                              "neither before {}",
                              kVersionKey, kModernVersion, kCapabilitiesKey, message.method),
                  nullptr};
}

void Session::handle(const Message& message, const Send& send) {
  const Era era = looks_modern(message) || message.method == "server/discover" ? Era::kModern : Era::kLegacy;
  if (const std::optional<RpcError> problem = era_problem(message, era)) return send(error_reply(message.id, *problem));
  const Request request{message, era};
  if (message.method == "tools/call") return call_tool(request, send);
  send(reply(message.id, finished(era, answer(request))));
}

Answer Session::answer(const Request& request) {
  const std::string& method = request.message.method;
  const bool modern = request.era == Era::kModern;
  if (method == "initialize" && !modern) return initialize(request);
  if (method == "ping" && !modern) return Json::object();
  if (method == "server/discover") return discover();
  if (method == "tools/list") return list(request, "tools", server_.definitions());
  // Some clients ask for these wherever they are.
  if (method == "resources/list") return list(request, "resources", Json::array());
  if (method == "resources/templates/list") return list(request, "resourceTemplates", Json::array());
  if (method == "prompts/list") return list(request, "prompts", Json::array());
  if (method == "resources/read") {
    return error_of(modern ? RpcCode::kInvalidParams : RpcCode::kResourceNotFound,
                    "expected the URI of a resource, found one of none: this server has tools only");
  }
  return error_of(RpcCode::kMethodNotFound, fmt::format("expected a method of MCP {} that this server has, found {}",
                                                        modern ? kModernVersion : version_, to_line(method)));
}

Answer Session::initialize(const Request& request) {
  const Json& wanted = member(request.message.params, "protocolVersion");
  if (!wanted.is_string()) {
    return error_of(RpcCode::kInvalidParams,
                    fmt::format("expected params.protocolVersion, such as \"{}\", found {}", kLegacyVersion,
                                wanted.is_null() ? "none" : wanted.type_name()));
  }
  version_ = agreed_version(wanted.get<std::string>());
  return Json{{"protocolVersion", version_},
              {"capabilities", {{"tools", {{"listChanged", false}}}}},
              {"serverInfo", server_.implementation()},
              {"instructions", server_.info().instructions}};
}

Json Session::discover() const {
  return {{"supportedVersions", kVersions},
          {"capabilities", {{"tools", Json::object()}}},
          {"instructions", server_.info().instructions},
          {"ttlMs", kToolsTtlMs},
          {"cacheScope", "public"}};
}

Answer Session::list(const Request& request, const char* what, Json items) const {
  if (const Json& cursor = member(request.message.params, "cursor"); !cursor.is_null()) {
    return error_of(RpcCode::kInvalidParams,
                    fmt::format("expected no cursor, since every list is one page, found {}", to_line(cursor)));
  }
  Json out = {{what, std::move(items)}};
  if (request.era == Era::kModern) {
    out["ttlMs"] = kToolsTtlMs;
    out["cacheScope"] = "public";
  }
  return out;
}

Answer Session::finished(Era era, Answer answer) const {
  Json* result = std::get_if<Json>(&answer);
  if (era == Era::kModern && result != nullptr) {
    (*result)["resultType"] = "complete";
    (*result)["_meta"] = {{kServerInfoKey, server_.implementation()}};
  }
  return answer;
}

void Session::call_tool(const Request& request, const Send& send) {
  const Message& message = request.message;
  const auto refuse = [&](RpcCode code, std::string problem) {
    send(error_reply(message.id, {code, std::move(problem), nullptr}));
  };
  const Json& name = member(message.params, "name");
  if (!name.is_string()) return refuse(RpcCode::kInvalidParams, "expected params.name, the name of a tool, found none");
  const Tool* tool = server_.find(name.get<std::string>());
  if (tool == nullptr) {
    return refuse(RpcCode::kInvalidParams, fmt::format("unknown tool: expected one of tools/list, found {}{}",
                                                       to_line(name), server_.suggestion(name.get<std::string>())));
  }
  const Json& token = member(member(message.params, "_meta"), "progressToken");
  if (!token.is_null() && !is_request_id(token)) {
    return refuse(
        RpcCode::kInvalidParams,
        fmt::format("expected params._meta.progressToken to be a string or an integer, found {}", to_line(token)));
  }
  const Json& given = member(message.params, "arguments");
  const Json arguments = given.is_null() ? Json::object() : given;
  if (const auto findings = check_schema(tool->input_schema, arguments); !findings.empty()) {
    ToolResult result;
    result.error = argument_problems(*tool, findings);
    return send(reply(message.id, finished(request.era, call_result(*tool, result))));
  }
  const auto call = std::make_shared<Call>(message.id, token, send);
  if (!calls_.add(call)) {
    return refuse(RpcCode::kInvalidRequest,
                  fmt::format("expected an id that is not in flight, and at most {} calls at a "
                              "time: wait for replies",
                              CallTable::kCallsMax));
  }
  start(*tool, arguments, request.era, call);
}

void Session::start(const Tool& tool, Json arguments, Era era, const std::shared_ptr<Call>& call) {
  threads_.post([this, &tool, arguments = std::move(arguments), era, call] {
    if (call->stop() == Stop::kNo) {
      const Json message = reply(call->id(), finished(era, run_guarded(tool, arguments, *call)));
      call->finish(message, [&] { calls_.release(*call); });
    }
    calls_.release(*call);
    calls_.done(*call);
  });
}

}  // namespace amk::mcp
