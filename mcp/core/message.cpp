#include "mcp/core/message.h"

#include <fmt/format.h>

#include <utility>

namespace amk::mcp {
namespace {

Message bad(RpcCode code, std::string problem, Json id = nullptr) {
  Message out;
  out.kind = Message::Kind::kBad;
  out.id = is_request_id(id) ? std::move(id) : Json(nullptr);
  out.error = {code, std::move(problem), nullptr};
  return out;
}

Message bad_params(const Json& json, bool has_id) {
  Message out =
      bad(RpcCode::kInvalidParams,
          fmt::format("expected \"params\" to be an object, found {}", json["params"].type_name()), member(json, "id"));
  if (has_id) return out;
  out.kind = Message::Kind::kNotification;  // which is never answered; without a method, it is no known one
  return out;
}

/// What has a method.
Message call_of(Json json) {
  const bool has_id = json.contains("id");
  if (!json["method"].is_string()) {
    return bad(RpcCode::kInvalidRequest,
               fmt::format("expected \"method\" to be a string, found {}", json["method"].type_name()),
               json.value("id", Json()));
  }
  if (has_id && !is_request_id(json["id"])) {
    return bad(RpcCode::kInvalidRequest,
               fmt::format("expected \"id\" to be a string or an integer, found {}",
                           json["id"].is_number() ? "another number" : json["id"].type_name()));
  }
  if (json.contains("params") && !json["params"].is_object()) return bad_params(json, has_id);
  Message out;
  out.kind = has_id ? Message::Kind::kRequest : Message::Kind::kNotification;
  if (has_id) out.id = std::move(json["id"]);
  out.method = std::move(json["method"].get_ref<std::string&>());
  if (json.contains("params")) out.params = std::move(json["params"]);
  return out;
}

}  // namespace

bool is_request_id(const Json& id) { return id.is_string() || id.is_number_integer(); }

Message parse_message(std::string_view text) {
  Result<Json> parsed = parse_json(text);
  if (!parsed) {
    const bool nested = parsed.error().code == ErrorCode::kUnsupported;
    return bad(nested ? RpcCode::kInvalidRequest : RpcCode::kParse, parsed.error().message);
  }
  Json json = std::move(*parsed);
  if (json.is_array()) {
    return bad(RpcCode::kInvalidRequest,
               "expected one message, found a batch, which MCP does not have: send each by itself");
  }
  if (!json.is_object()) {
    return bad(RpcCode::kInvalidRequest,
               fmt::format("expected a message, which is an object, found {}", json.type_name()));
  }
  if (const Json& version = member(json, "jsonrpc"); version != "2.0") {
    return bad(RpcCode::kInvalidRequest,
               fmt::format("expected \"jsonrpc\": \"2.0\", found {}", version.is_null() ? "none" : shown(version)),
               json.value("id", Json()));
  }
  if (json.contains("method")) return call_of(std::move(json));
  if (json.contains("result") || json.contains("error")) {
    Message out;
    out.kind = Message::Kind::kResponse;
    out.id = json.value("id", Json());
    out.result = json.value("result", Json());
    return out;
  }
  return bad(RpcCode::kInvalidRequest, "expected a \"method\", found none", json.value("id", Json()));
}

Json reply(const Json& id, Answer answer) {
  if (const RpcError* error = std::get_if<RpcError>(&answer)) return error_reply(id, *error);
  return {{"jsonrpc", "2.0"}, {"id", id}, {"result", std::get<Json>(std::move(answer))}};
}

Json error_reply(const Json& id, const RpcError& error) {
  Json body = {{"code", static_cast<int>(error.code)}, {"message", error.message}};
  if (!error.data.is_null()) body["data"] = error.data;
  return {{"jsonrpc", "2.0"}, {"id", id}, {"error", std::move(body)}};
}

Json notification(const char* method, Json params) {
  return {{"jsonrpc", "2.0"}, {"method", method}, {"params", std::move(params)}};
}

}  // namespace amk::mcp
