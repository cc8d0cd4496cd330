#include "mcp/core/asking.h"

#include <string_view>

namespace amk::mcp {

Json missing_capabilities(const Json& requests, const Json& declared) {
  Json out = Json::object();
  for (const auto& [name, request] : requests.items()) {
    const std::string method = request.at("method").get<std::string>();
    const std::string capability = method.substr(0, method.find('/'));
    if (!member(declared, capability.c_str()).is_object()) out[capability] = Json::object();
  }
  return out;
}

std::optional<Json> answers_to(const Json& requests, const Json& responses) {
  Json out = Json::object();
  for (const auto& [name, request] : requests.items()) {
    const Json& response = member(responses, name.c_str());
    if (!response.is_object()) return std::nullopt;
    out[name] = response;
  }
  return out;
}

std::string Asked::open() {
  const std::lock_guard lock(mutex_);
  std::string id = "amk-" + std::to_string(++last_);
  open_.emplace(id, std::nullopt);
  return id;
}

void Asked::answer(const Message& response) {
  if (!response.id.is_string()) return;
  const std::lock_guard lock(mutex_);
  const auto found = open_.find(response.id.get<std::string>());
  if (found == open_.end()) return;
  found->second = response.result;
  answered_.notify_all();
}

std::optional<Json> Asked::wait(const std::string& id, std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  answered_.wait_for(lock, patience, [&] { return open_[id].has_value(); });
  return open_[id];
}

void Asked::close(const std::string& id) {
  const std::lock_guard lock(mutex_);
  open_.erase(id);
}

}  // namespace amk::mcp
