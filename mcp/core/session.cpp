#include "mcp/core/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <exception>
#include <utility>

#include "base/text.h"
#include "mcp/core/schema.h"
#include "mcp/core/session_request.h"
#include "mcp/core/tool_result.h"

namespace amk::mcp {

namespace {

constexpr int kListTtlMs = 3'600'000;  ///< what a server offers does not change while it runs

}  // namespace

/// A method that is answered at once, and the eras that have it.
struct Session::Method {
  std::string_view name;
  bool legacy;
  bool modern;
  Answer (Session::*answer)(const Request&);
};

const Session::Method* Session::method_of(std::string_view name) {
  static constexpr std::array<Method, 13> kMethods = {{
      {"initialize", true, false, &Session::initialize},
      {"ping", true, false, &Session::ping},
      {"server/discover", false, true, &Session::discover},
      {"tools/list", true, true, &Session::list_tools},
      {"resources/list", true, true, &Session::list_resources},
      {"resources/templates/list", true, true, &Session::list_templates},
      {"resources/read", true, true, &Session::read_resource},
      {"resources/subscribe", true, false, &Session::subscribe},
      {"resources/unsubscribe", true, false, &Session::unsubscribe},
      {"prompts/list", true, true, &Session::list_prompts},
      {"prompts/get", true, true, &Session::get_prompt},
      {"completion/complete", true, true, &Session::complete},
      {"logging/setLevel", true, false, &Session::set_level},
  }};
  const auto* found = std::ranges::find(kMethods, name, &Method::name);
  return found == kMethods.end() ? nullptr : found;
}

Session::~Session() { shut_down(); }

void Session::cancel_all() {
  for (const std::shared_ptr<Call>& call : calls_.all()) {
    call->cancel();
    calls_.release(*call);
  }
  subscriptions_.cancel_all();
}

void Session::begin_shut_down() {
  for (const std::shared_ptr<Call>& call : calls_.all()) call->shut_down();
  subscriptions_.end_all();
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
      return asked_.answer(message);
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
  subscriptions_.end(*call);
}

std::optional<RpcError> Session::era_problem(const Message& message, Era era) const {
  if (era == Era::kModern) return modern_problem(message);
  if (!version_.empty() || message.method == "initialize" || message.method == "ping") return std::nullopt;
  return error_of(RpcCode::kInvalidParams,
                  fmt::format("expected \"initialize\" first, or params._meta with \"{}\" (\"{}\") and \"{}\", found "
                              "neither before {}",
                              kVersionKey, kModernVersion, kCapabilitiesKey, shown_name(message.method)));
}

void Session::handle(const Message& message, const Send& send) {
  const Era era = looks_modern(message) || message.method == "server/discover" ? Era::kModern : Era::kLegacy;
  if (const std::optional<RpcError> problem = era_problem(message, era)) return send(error_reply(message.id, *problem));
  const Request request{message, era};
  if (message.method == "tools/call") return call_tool(request, send);
  if (message.method == "subscriptions/listen" && request.modern()) return listen(request, send);
  send(reply(message.id, finished(era, answer(request))));
}

Answer Session::answer(const Request& request) {
  try {
    return answer_of(request);
  } catch (const std::exception& problem) {
    return ended_unexpectedly(request.message.method, problem);
  }
}

Answer Session::answer_of(const Request& request) {
  const Method* method = method_of(request.message.method);
  if (method != nullptr && (request.modern() ? method->modern : method->legacy))
    return (this->*method->answer)(request);
  return error_of(RpcCode::kMethodNotFound,
                  fmt::format("expected a method of MCP {} that this server has, found {}",
                              request.modern() ? kModernVersion : version_, shown(request.message.method)));
}

Answer Session::finished(Era era, Answer answer) const {
  Json* result = std::get_if<Json>(&answer);
  if (era == Era::kModern && result != nullptr) {
    if (!result->contains("resultType")) (*result)["resultType"] = "complete";
    (*result)["_meta"] = {{kServerInfoKey, server_.implementation()}};
  }
  return answer;
}

Json Session::capabilities(Era era) const {
  // Some clients ask for resources and prompts wherever they are; only what is there is promised.
  const auto listed = [&] { return era == Era::kModern ? Json::object() : Json{{"listChanged", false}}; };
  Json out = {{"logging", Json::object()}, {"tools", listed()}};
  if (!server_.resources().empty()) {
    out["resources"] = listed();
    out["resources"]["subscribe"] = true;
  }
  if (!server_.prompts().empty()) out["prompts"] = listed();
  if (!server_.resources().empty() || !server_.prompts().empty()) out["completions"] = Json::object();
  return out;
}

Answer Session::initialize(const Request& request) {
  const Json& wanted = request.param("protocolVersion");
  if (!wanted.is_string()) {
    return error_of(RpcCode::kInvalidParams,
                    fmt::format("expected params.protocolVersion, such as \"{}\", found {}", kLegacyVersion,
                                wanted.is_null() ? "none" : wanted.type_name()));
  }
  version_ = agreed_version(wanted.get<std::string>());
  if (const Json& declared = request.param("capabilities"); declared.is_object()) capabilities_ = declared;
  return Json{{"protocolVersion", version_},
              {"capabilities", capabilities(Era::kLegacy)},
              {"serverInfo", server_.implementation()},
              {"instructions", server_.info().instructions}};
}

Answer Session::ping(const Request&) { return Json::object(); }

Answer Session::discover(const Request&) {
  return Json{{"supportedVersions", kVersions},
              {"capabilities", capabilities(Era::kModern)},
              {"instructions", server_.info().instructions},
              {"ttlMs", kListTtlMs},
              {"cacheScope", "public"}};
}

Answer Session::list(const Request& request, const char* what, Json items) const {
  if (const Json& cursor = request.param("cursor"); !cursor.is_null()) {
    return error_of(RpcCode::kInvalidParams,
                    fmt::format("expected no cursor, since every list is one page, found {}", shown(cursor)));
  }
  Json out = {{what, std::move(items)}};
  if (request.modern()) {
    out["ttlMs"] = kListTtlMs;
    out["cacheScope"] = "public";
  }
  return out;
}

Answer Session::list_tools(const Request& request) { return list(request, "tools", server_.definitions()); }

Answer Session::set_level(const Request& request) {
  const Json& level = request.param("level");
  const std::optional<LogLevel> known = level.is_string() ? log_level_of(level.get<std::string>()) : std::nullopt;
  if (!known) {
    return error_of(RpcCode::kInvalidParams,
                    fmt::format("expected params.level to be one of {}, found {}", join(kLogLevelNames), shown(level)));
  }
  legacy_level_ = *known;
  return Json::object();
}

std::optional<LogLevel> Session::log_level(const Request& request) const {
  if (!request.modern()) return legacy_level_;
  const Json& level = member(request.param("_meta"), kLogLevelKey);
  return level.is_string() ? log_level_of(level.get<std::string>()) : std::nullopt;
}

void Session::call_tool(const Request& request, const Send& send) {
  const Message& message = request.message;
  const auto refuse = [&](RpcCode code, std::string problem) {
    send(error_reply(message.id, {code, std::move(problem), nullptr}));
  };
  const Json& name = request.param("name");
  if (!name.is_string()) {
    return refuse(RpcCode::kInvalidParams,
                  fmt::format("expected params.name, the name of a tool, found {}", shown_or_none(name)));
  }
  const Tool* tool = server_.find(name.get<std::string>());
  if (tool == nullptr) {
    return refuse(RpcCode::kInvalidParams, fmt::format("unknown tool: expected one of tools/list, found {}{}",
                                                       shown(name), server_.suggestion(name.get<std::string>())));
  }
  const Json& token = member(request.param("_meta"), "progressToken");
  if (!token.is_null() && !is_request_id(token)) {
    return refuse(
        RpcCode::kInvalidParams,
        fmt::format("expected params._meta.progressToken to be a string or an integer, found {}", shown(token)));
  }
  const Json& given = request.param("arguments");
  const Json arguments = given.is_null() ? Json::object() : given;
  if (const auto findings = check_schema(tool->input_schema, arguments); !findings.empty()) {
    ToolResult result;
    result.error = argument_problems(*tool, findings);
    return send(reply(message.id, finished(request.era, call_result(*tool, result))));
  }
  std::variant<Caller, RpcError> caller = caller_of(request);
  if (const RpcError* problem = std::get_if<RpcError>(&caller)) return send(error_reply(message.id, *problem));
  const auto call =
      std::make_shared<Call>(message.id, token, send, log_level(request), std::get<Caller>(std::move(caller)));
  if (!calls_.add(call)) {
    return refuse(RpcCode::kInvalidRequest,
                  fmt::format("expected an id that is not in flight, and at most {} calls at a "
                              "time: wait for replies",
                              CallTable::kCallsMax));
  }
  start(*tool, arguments, request.era, call);
}

void Session::start(const Tool& tool, Json arguments, Era era, const std::shared_ptr<Call>& call) {
  const bool taken = threads_.post([this, &tool, arguments = std::move(arguments), era, call] {
    const auto finish = [&](const Json& message) { call->finish(message, [&] { calls_.release(*call); }); };
    const Stop stop = call->stop();
    if (stop == Stop::kNo) finish(reply(call->id(), finished(era, called(tool, arguments, era, *call))));
    if (stop == Stop::kShutdown)
      finish(error_reply(call->id(), error_of(RpcCode::kInternal, "the server is ending: send it again")));
    calls_.release(*call);
    calls_.done(*call);
  });
  if (taken) return;
  const RpcError none = error_of(RpcCode::kInternal,
                                 "expected a thread for the call, found that the system has none left: send it again "
                                 "later");
  call->finish(error_reply(call->id(), none), [&] { calls_.release(*call); });
  calls_.done(*call);
}

}  // namespace amk::mcp
