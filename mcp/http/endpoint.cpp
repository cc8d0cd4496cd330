#include "mcp/http/endpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "mcp/core/era.h"
#include "mcp/http/request_checks.h"

namespace amk::mcp {
namespace {

constexpr std::string_view kPath = "/mcp";
constexpr const char* kListen = "subscriptions/listen";
constexpr const char* kSessionHeader = "Mcp-Session-Id";
constexpr const char* kVersionHeader = "MCP-Protocol-Version";

HttpResponse accepted() { return {202, "", "", {}}; }

RpcError error_of(RpcCode code, std::string problem) { return {code, std::move(problem), nullptr}; }

HttpResponse not_allowed(std::string problem, const char* allowed) {
  HttpResponse out = rpc_response(405, RpcCode::kInvalidRequest, std::move(problem));
  out.headers.push_back({"Allow", allowed});
  return out;
}

/// For who may come again in a second.
HttpResponse busy(std::string problem) {
  HttpResponse out = rpc_response(503, RpcCode::kInternal, std::move(problem));
  out.headers.push_back({"Retry-After", "1"});
  return out;
}

bool is_modern(const HttpRequest& request, const Message& message) {
  const std::string* version = request.header(kVersionHeader);
  return (version != nullptr && *version == kModernVersion) ||
         (message.kind == Message::Kind::kRequest && (looks_modern(message) || message.method == "server/discover"));
}

std::optional<RpcError> version_problem(const HttpRequest& request) {
  const std::string* version = request.header(kVersionHeader);
  if (version == nullptr || std::ranges::count(kVersions, *version) > 0) return std::nullopt;
  return RpcError{RpcCode::kUnsupportedVersion,
                  fmt::format("expected the header {} to be a version that this server has, found {}", kVersionHeader,
                              to_line(*version)),
                  {{"supported", kVersions}, {"requested", *version}}};
}

const Json& progress_token(const Message& message) { return member(member(message.params, "_meta"), "progressToken"); }

}  // namespace

Endpoint::Endpoint(const Server& server, CallThreads& threads, HttpServer& http, LogFile& log, Access access,
                   EndpointLimits limits)
    : server_(server),
      threads_(threads),
      http_(http),
      log_(log),
      access_(std::move(access)),
      limits_(limits),
      sessions_(limits.sessions_max, limits.session_idle_time) {}

HttpResponse Endpoint::wording(int status, const std::string& problem) const {
  log_.write("note", fmt::format("http {}: {}", status, problem));
  return rpc_response(status, status == 503 ? RpcCode::kInternal : RpcCode::kInvalidRequest, problem);
}

std::optional<HttpResponse> Endpoint::refusal(const HttpRequest& head) {
  std::optional<HttpResponse> out = refusal_of_stranger(head);
  if (!out) out = refusal_of_kind(head);
  // Only what was refused and why: headers and queries may hold secrets.
  if (out) {
    log_.write("note",
               fmt::format("http {} to {} {}: {}", out->status, head.method, head.path(), reason_of_refusal(*out)));
  }
  return out;
}

void Endpoint::refuse(const ExchangePtr& exchange, const HttpResponse& response) const {
  log_.write("note", fmt::format("http {}: {}", response.status, reason_of_refusal(response)));
  exchange->respond(response);
}

std::optional<HttpResponse> Endpoint::refusal_of_stranger(const HttpRequest& head) const {
  const auto refuse = [](int status, std::string problem) {
    return rpc_response(status, RpcCode::kInvalidRequest, std::move(problem));
  };
  if (const std::string name = repeated_header(head); !name.empty()) {
    return refuse(400, fmt::format("expected one header {}, found more", name));
  }
  const std::string* host = head.header("Host");
  if (host == nullptr) return refuse(400, "expected a header Host, found none");
  if (!access_.knows_host(*host)) {
    return refuse(403, fmt::format("expected the Host to be this server's, found {}", to_line(*host)));
  }
  if (const std::string* origin = head.header("Origin"); origin != nullptr && !access_.knows_origin(*origin)) {
    return refuse(403, fmt::format("expected no Origin, one of loopback, or one of --allowed-origin, found {}",
                                   to_line(*origin)));
  }
  if (head.path() != kPath) return refuse(404, fmt::format("expected the path {}, found another one", kPath));
  if (access_.knows_token(head)) return std::nullopt;
  HttpResponse out = refuse(401, "expected the header Authorization to be Bearer and the server's token");
  out.headers.push_back({"WWW-Authenticate", "Bearer"});
  return out;
}

std::optional<HttpResponse> Endpoint::refusal_of_kind(const HttpRequest& head) const {
  const auto refuse = [](int status, std::string problem) {
    return rpc_response(status, RpcCode::kInvalidRequest, std::move(problem));
  };
  const std::string* version = head.header(kVersionHeader);
  const bool modern = version != nullptr && *version == kModernVersion;
  if (head.method == "POST") {
    if (!says_json(head)) return refuse(415, "expected the header Content-Type to be application/json");
    if (accepts(head, "application/json") && accepts(head, "text/event-stream")) return std::nullopt;
    return refuse(406, "expected the header Accept to have application/json and text/event-stream");
  }
  if (head.method != "GET" && head.method != "DELETE") {
    return not_allowed("expected GET, POST or DELETE, found another method", "GET, POST, DELETE");
  }
  // Some clients look what GET does before they begin a session; since 2026-07-28 it does nothing.
  if (modern || (version == nullptr && head.header(kSessionHeader) == nullptr && head.method == "GET")) {
    return not_allowed("expected POST; GET and DELETE belong to a session of an earlier version", "POST");
  }
  if (head.method == "GET" && !accepts(head, "text/event-stream")) {
    return refuse(406, "expected the header Accept to have text/event-stream");
  }
  return std::nullopt;
}

void Endpoint::handle(HttpRequest request, ExchangePtr exchange) {
  if (request.method == "POST") return handle_post(request, exchange);
  if (const auto problem = version_problem(request)) return refuse(exchange, rpc_response(400, *problem));
  if (request.method == "GET") return handle_get(request, exchange);
  handle_delete(request, exchange);
}

void Endpoint::handle_post(const HttpRequest& request, const ExchangePtr& exchange) {
  log_.write("in", request.body);
  const Message message = parse_message(request.body);
  if (message.kind == Message::Kind::kBad) return refuse(exchange, rpc_response(400, message.error, message.id));
  if (is_modern(request, message)) return handle_modern(request, message, exchange);
  handle_legacy(request, message, exchange);
}

bool Endpoint::too_busy(const ExchangePtr& exchange) const {
  if (std::max(in_flight_, modern_.size()) < limits_.requests_max) return false;
  refuse(exchange, busy("expected fewer requests at a time: try again when some have been answered"));
  return true;
}

/// A request of the modern era belongs to no client that could be told from others.
bool Endpoint::too_many_listen(const Message& message, const ExchangePtr& exchange) const {
  if (message.method != kListen) return false;
  const auto listening =
      std::ranges::count_if(modern_, [](const auto& modern) { return modern->listens && !modern->stream->finished(); });
  if (static_cast<size_t>(listening) < limits_.listeners_max) return false;
  refuse(exchange, busy(fmt::format("expected at most {} requests {} of all clients together: end one first",
                                    limits_.listeners_max, kListen)));
  return true;
}

Send Endpoint::send_to(const std::shared_ptr<ReplyStream>& stream) {
  return [this, stream](const Json& message) {
    Outgoing out = outgoing(message);
    log_.write("out", out.text);
    http_.post([stream, sent = std::move(out)] { stream->deliver(sent); });
  };
}

void Endpoint::await_reply(const Message& message, const std::shared_ptr<ReplyStream>& stream) {
  if (stream->finished()) return;
  if (!progress_token(message).is_null()) stream->open();
  if (!stream->opened()) waiting_.push_back(stream);
}

void Endpoint::handle_modern(const HttpRequest& request, const Message& message, const ExchangePtr& exchange) {
  const auto bad = [&](const RpcError& problem) { refuse(exchange, rpc_response(400, problem, message.id)); };
  if (message.kind == Message::Kind::kResponse) {
    return bad(error_of(RpcCode::kInvalidRequest, "expected a request: this server makes none to be answered"));
  }
  if (message.kind == Message::Kind::kNotification) {
    if (request.header("Mcp-Method") != nullptr) {
      if (const auto problem = header_mismatch(request, message)) return bad(*problem);
    }
    return exchange->respond(accepted());  // a request is cancelled by leaving it
  }
  const std::optional<RpcError> problem = modern_problem(message);
  if (problem && problem->code == RpcCode::kInvalidParams) return bad(*problem);
  if (const auto mismatch = header_mismatch(request, message)) return bad(*mismatch);
  if (problem) return bad(*problem);
  if (too_many_listen(message, exchange)) return;
  if (!too_busy(exchange)) start_modern(message, exchange);
}

void Endpoint::start_modern(const Message& message, const ExchangePtr& exchange) {
  const auto modern = std::make_shared<Modern>(server_, threads_);
  modern->listens = message.method == kListen;
  modern->stream = std::make_shared<ReplyStream>(ReplyStream::Style{0, false, false, true, &in_flight_}, exchange);
  exchange->on_gone([weak = std::weak_ptr(modern)] {
    const std::shared_ptr<Modern> left = weak.lock();
    if (left == nullptr) return;
    left->core.cancel_all();
    left->stream->detach();
    left->stream->finish_without_reply(accepted());
  });
  modern->core.receive(message, send_to(modern->stream));
  if (modern->stream->finished()) return;
  modern_.push_back(modern);
  await_reply(message, modern->stream);
}

void Endpoint::handle_legacy(const HttpRequest& request, const Message& message, const ExchangePtr& exchange) {
  if (const auto problem = version_problem(request)) return refuse(exchange, rpc_response(400, *problem, message.id));
  const bool begins = message.kind == Message::Kind::kRequest && message.method == "initialize";
  if (begins && request.header(kSessionHeader) == nullptr) return begin_session(message, exchange);
  const std::shared_ptr<LegacySession> session = session_of(request, exchange);
  if (session == nullptr) return;
  if (message.kind != Message::Kind::kRequest) {
    notify(*session, message);
    return exchange->respond(accepted());
  }
  if (too_busy(exchange)) return;
  const std::shared_ptr<ReplyStream> stream = session->begin(message.id, exchange);
  session->core().receive(message, send_to(stream));
  await_reply(message, stream);
}

void Endpoint::notify(LegacySession& session, const Message& message) {
  session.core().receive(message, [](const Json&) {});
  if (message.method != "notifications/cancelled") return;
  const std::shared_ptr<ReplyStream> stream = session.unfinished(member(message.params, "requestId"));
  if (stream == nullptr) return;
  // A reply that was faster than the cancel has been posted by now; otherwise none comes.
  http_.post_later([stream] { stream->finish_without_reply(accepted()); });
}

void Endpoint::begin_session(const Message& message, const ExchangePtr& exchange) {
  const Json& wanted = member(message.params, "protocolVersion");
  const std::string version = wanted.is_string() ? agreed_version(wanted.get<std::string>()) : "";
  const auto session = std::make_shared<LegacySession>(server_, threads_, version, in_flight_);
  Outgoing answer;
  session->core().receive(message, [&](const Json& reply) { answer = outgoing(reply); });  // "initialize" is quick
  log_.write("out", answer.text);
  HttpResponse response{200, "application/json", answer.text, {}};
  if (answer.error_code == 0) {
    if (!sessions_.add(session)) {
      return exchange->respond(wording(503, "expected fewer sessions at a time: end one by DELETE, or wait"));
    }
    session->core().set_push(send_to(session->listening()));
    response.headers.push_back({kSessionHeader, session->id()});
  }
  exchange->respond(response);
}

std::shared_ptr<LegacySession> Endpoint::session_of(const HttpRequest& request, const ExchangePtr& exchange) {
  const std::string* id = request.header(kSessionHeader);
  if (id == nullptr) {
    refuse(exchange,
           rpc_response(
               400, RpcCode::kInvalidRequest,
               fmt::format(
                   "expected the header {}, which the answer to \"initialize\" has, or a request of {}, found neither",
                   kSessionHeader, kModernVersion)));
    return nullptr;
  }
  std::shared_ptr<LegacySession> session = sessions_.find(*id);
  if (session == nullptr) {
    refuse(exchange, rpc_response(404, RpcCode::kInvalidRequest,
                                  fmt::format("expected {} to be of a session, found one of none, or of one that has "
                                              "ended: begin another with \"initialize\"",
                                              kSessionHeader)));
  }
  return session;
}

void Endpoint::handle_get(const HttpRequest& request, const ExchangePtr& exchange) {
  const std::shared_ptr<LegacySession> session = session_of(request, exchange);
  if (session == nullptr) return;
  const std::string* last = request.header("Last-Event-ID");
  const auto refused = session->listen(exchange, last == nullptr ? std::nullopt : std::optional(*last));
  if (refused) refuse(exchange, *refused);
}

void Endpoint::handle_delete(const HttpRequest& request, const ExchangePtr& exchange) {
  const std::shared_ptr<LegacySession> session = session_of(request, exchange);
  if (session == nullptr) return;
  sessions_.end(session->id());
  exchange->respond({204, "", "", {}});
}

void Endpoint::tick() {
  sessions_.tick();
  const auto before = ReplyStream::Clock::now() - limits_.moment;
  std::erase_if(waiting_, [&](const std::shared_ptr<ReplyStream>& stream) {
    if (!stream->finished() && stream->changed_at() < before) stream->open();
    return stream->finished() || stream->opened() || !stream->attached();
  });
  if (stopping_) finish_the_silent();
  std::erase_if(modern_, [](const std::shared_ptr<Modern>& modern) {
    return modern->stream->finished() && modern->core.wait_until_idle(std::chrono::milliseconds(0));
  });
}

/// A request that ends without a reply, as one that only listens does, would hold up the end of the server.
void Endpoint::finish_the_silent() {
  for (const std::shared_ptr<Modern>& modern : modern_) {
    if (!modern->core.wait_until_idle(std::chrono::milliseconds(0))) continue;
    http_.post_later([stream = modern->stream] { stream->finish_without_reply(accepted()); });
  }
}

void Endpoint::begin_stop() {
  stopping_ = true;
  sessions_.begin_stop();
  for (const std::shared_ptr<Modern>& modern : modern_) modern->core.begin_shut_down();
}

}  // namespace amk::mcp
