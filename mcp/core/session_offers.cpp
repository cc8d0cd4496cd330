// What a session answers about resources, prompts and their completion, and its subscriptions.
#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/text.h"
#include "mcp/core/session_request.h"

namespace amk::mcp {
namespace {

constexpr int kFixedTtlMs = 3'600'000;
constexpr size_t kCompletionsMax = 100;  // the specification's

/// A resource that is not there, as each era says it.
RpcError no_resource(bool modern, const Json& uri, const std::string& why) {
  return error_of(modern ? RpcCode::kInvalidParams : RpcCode::kResourceNotFound, why, Json{{"uri", uri}});
}

std::string no_uri(const Json& uri) {
  if (!uri.is_string()) return "expected params.uri, the URI of a resource, found " + shown_or_none(uri);
  return fmt::format("expected the URI of a resource (resources/list and resources/templates/list have them), found {}",
                     shown(uri));
}

Json completion_of(std::vector<std::string> values) {
  const size_t total = values.size();
  values.resize(std::min(total, kCompletionsMax));
  return {{"completion", {{"values", std::move(values)}, {"total", total}, {"hasMore", total > kCompletionsMax}}}};
}

std::string nearest(const std::string& name, const std::vector<std::string_view>& known) {
  return fmt::format("expected one of {}, found {}{}", known.empty() ? std::string("none") : join(known), shown(name),
                     did_you_mean(name, known));
}

/// What is wrong with a prompt's arguments; empty: nothing.
std::string prompt_problem(const Prompt& prompt, const Json& arguments) {
  if (!arguments.is_object())
    return fmt::format("expected params.arguments to be an object, found {}", shown(arguments));
  std::vector<std::string_view> known;
  for (const PromptArgument& argument : prompt.arguments) {
    known.push_back(argument.name);
    if (argument.required && !arguments.contains(argument.name))
      return fmt::format("expected the argument {} ({}), found none", argument.name, argument.description);
  }
  for (const auto& [name, value] : arguments.items()) {
    if (std::ranges::count(known, name) == 0) return "params.arguments: " + nearest(name, known);
    if (!value.is_string()) return fmt::format("expected {} to be a text, found {}", name, shown(value));
  }
  return "";
}

/// The completion that a request asks for; null where nothing is known of the argument, or the reason.
Result<const Complete*> wanted_completion(const Server& server, const Json& reference, const std::string& argument) {
  const auto refuse = [&](std::string why) { return Error{ErrorCode::kUsage, std::move(why), "", ""}; };
  const Json& type = member(reference, "type");
  std::vector<std::string_view> known;
  if (type == "ref/prompt" && member(reference, "name").is_string()) {
    const Prompt* prompt = server.find_prompt(reference["name"].get<std::string>());
    if (prompt == nullptr)
      return refuse(fmt::format("expected a prompt of prompts/list, found {}", shown(reference["name"])));
    for (const PromptArgument& one : prompt->arguments) {
      known.push_back(one.name);
      if (one.name == argument) return one.complete ? &one.complete : nullptr;
    }
    return refuse("params.argument.name: " + nearest(argument, known));
  }
  if (type == "ref/resource" && member(reference, "uri").is_string()) {
    const Resource* resource = server.resources().find_template(reference["uri"].get<std::string>());
    if (resource == nullptr)
      return refuse(fmt::format("expected a template of resources/templates/list, found {}", shown(reference["uri"])));
    for (const auto& [name, complete] : resource->completions) {
      known.push_back(name);
      if (name == argument) return &complete;
    }
    return refuse("params.argument.name: " + nearest(argument, known));
  }
  return refuse(
      fmt::format("expected params.ref to be {{\"type\": \"ref/prompt\", \"name\": ...}} or "
                  "{{\"type\": \"ref/resource\", \"uri\": ...}}, found {}",
                  shown(reference)));
}

}  // namespace

Answer Session::list_resources(const Request& request) {
  return list(request, "resources", server_.resources().resource_definitions());
}

Answer Session::list_templates(const Request& request) {
  return list(request, "resourceTemplates", server_.resources().template_definitions());
}

Answer Session::list_prompts(const Request& request) {
  Json definitions = Json::array();
  for (const Prompt& prompt : server_.prompts()) definitions.push_back(definition_of(prompt));
  return list(request, "prompts", std::move(definitions));
}

Answer Session::read_resource(const Request& request) {
  const Json& uri = request.param("uri");
  if (!uri.is_string()) return error_of(RpcCode::kInvalidParams, no_uri(uri));
  const std::optional<FoundResource> found = server_.resources().find(uri.get<std::string>());
  if (!found) return no_resource(request.modern(), uri, no_uri(uri));
  const Resource& resource = *found->resource;
  const Result<Contents> contents = resource.read(found->variables);
  if (!contents && contents.error().code == ErrorCode::kInternal)
    return error_of(RpcCode::kInternal, contents.error().text());
  if (!contents) return no_resource(request.modern(), uri, contents.error().text());
  Json item = {{"uri", uri}, {"mimeType", contents->mime_type.empty() ? resource.mime_type : contents->mime_type}};
  item[contents->is_base64 ? "blob" : "text"] = contents->text;
  Json out = {{"contents", Json::array({std::move(item)})}};
  if (request.modern()) {
    out["ttlMs"] = resource.changes ? 0 : kFixedTtlMs;
    out["cacheScope"] = resource.changes ? "private" : "public";
  }
  return out;
}

Answer Session::subscribe(const Request& request) {
  const Json& uri = request.param("uri");
  if (!uri.is_string()) return error_of(RpcCode::kInvalidParams, no_uri(uri));
  const Status done = subscriptions_.subscribe(uri.get<std::string>());
  if (done) return Json::object();
  if (done.error().code == ErrorCode::kUsage) return no_resource(request.modern(), uri, done.error().text());
  return error_of(RpcCode::kInvalidRequest, done.error().text());
}

Answer Session::unsubscribe(const Request& request) {
  const Json& uri = request.param("uri");
  if (!uri.is_string()) return error_of(RpcCode::kInvalidParams, no_uri(uri));
  subscriptions_.unsubscribe(uri.get<std::string>());
  return Json::object();
}

Answer Session::get_prompt(const Request& request) {
  const Json& name = request.param("name");
  if (!name.is_string()) {
    return error_of(RpcCode::kInvalidParams,
                    "expected params.name, the name of a prompt, found " + shown_or_none(name));
  }
  const Prompt* prompt = server_.find_prompt(name.get<std::string>());
  if (prompt == nullptr) {
    std::vector<std::string_view> known;
    for (const Prompt& one : server_.prompts()) known.push_back(one.name);
    return error_of(RpcCode::kInvalidParams, "unknown prompt: " + nearest(name.get<std::string>(), known));
  }
  const Json& given = request.param("arguments");
  const Json arguments = given.is_null() ? Json::object() : given;
  if (std::string problem = prompt_problem(*prompt, arguments); !problem.empty())
    return error_of(RpcCode::kInvalidParams, std::move(problem));
  if (!prompt->asks.is_null()) return ask_for_prompt(request, *prompt, arguments);
  return Json{{"description", prompt->description}, {"messages", prompt->messages(arguments)}};
}

Answer Session::complete(const Request& request) {
  const Json& argument = request.param("argument");
  if (!member(argument, "name").is_string() || !member(argument, "value").is_string()) {
    return error_of(
        RpcCode::kInvalidParams,
        fmt::format("expected params.argument with the texts \"name\" and \"value\", found {}", shown(argument)));
  }
  const Result<const Complete*> wanted =
      wanted_completion(server_, request.param("ref"), argument["name"].get<std::string>());
  if (!wanted) return error_of(RpcCode::kInvalidParams, wanted.error().text());
  if (*wanted == nullptr) return completion_of({});
  return completion_of((**wanted)(argument["value"].get<std::string>()));
}

void Session::listen(const Request& request, const Send& send) {
  const Message& message = request.message;
  const auto refuse = [&](RpcCode code, std::string problem) {
    send(error_reply(message.id, {code, std::move(problem), nullptr}));
  };
  const Json& filter = request.param("notifications");
  const Json& uris = member(filter, "resourceSubscriptions");
  if (!filter.is_object() || !(uris.is_null() || uris.is_array())) {
    return refuse(RpcCode::kInvalidParams,
                  fmt::format("expected params.notifications, an object such as {{\"resourceSubscriptions\": "
                              "[\"amk://...\"]}}, found {}",
                              shown(filter)));
  }
  if (uris.size() > Subscriptions::kUrisMax) {
    return refuse(RpcCode::kInvalidParams, fmt::format("expected at most {} URIs in a subscription, found {}",
                                                       Subscriptions::kUrisMax, uris.size()));
  }
  const auto call = std::make_shared<Call>(message.id, nullptr, send);
  if (!calls_.add_idle(call))
    return refuse(RpcCode::kInvalidRequest, "expected an id that is not in flight, found one that is");
  RpcError problem;
  try {
    const Status listening = subscriptions_.listen(call, filter);
    if (listening) return;
    problem = error_of(RpcCode::kInvalidRequest, listening.error().text());
  } catch (const std::exception& thrown) {
    problem = ended_unexpectedly(message.method, thrown);
  }
  calls_.release(*call);
  send(error_reply(message.id, problem));
}

}  // namespace amk::mcp
