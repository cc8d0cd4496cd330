#include "mcp/core/subscriptions.h"

#include <fmt/format.h>

#include <set>
#include <utility>

#include "mcp/core/era.h"

namespace amk::mcp {
namespace {

Json updated(const std::string& uri) { return notification("notifications/resources/updated", {{"uri", uri}}); }

Json on_subscription(Json message, const Json& id) {
  message["params"]["_meta"] = {{kSubscriptionKey, id}};
  return message;
}

/// What changes when the resource does.
Watcher::State state_of(const FoundResource& found) {
  return [found] { return found.resource->state(found.variables); };
}

Error too_many(const char* what, size_t most, const char* hint) {
  return {ErrorCode::kUnsupported, fmt::format("expected at most {} {}, found that many", most, what), "", hint};
}

Error watcher_is_full() {
  return too_many("resources that are watched, by all clients together", Watcher::kWatchesMax,
                  "try again when others have ended their subscriptions");
}

/// What one request watches: known URIs, each once, with how they are now.
struct Watched {
  std::string uri;
  Watcher::State state;  ///< empty: it never changes
  std::string before;
};

std::vector<Watched> watched_of(const Resources& resources, const Json& uris) {
  std::vector<Watched> out;
  std::set<std::string> seen;
  for (const Json& uri : uris) {
    if (!uri.is_string() || out.size() >= Subscriptions::kUrisMax) continue;
    const auto& text = uri.get_ref<const std::string&>();
    const std::optional<FoundResource> found = resources.find(text);
    if (!found || !seen.insert(text).second) continue;
    const bool fixed = !found->resource->state;
    out.push_back({text, fixed ? nullptr : state_of(*found), fixed ? "" : found->resource->state(found->variables)});
  }
  return out;
}

}  // namespace

void Subscriptions::set_push(Send push) {
  const std::lock_guard lock(push_mutex_);
  push_ = std::move(push);
}

void Subscriptions::push(const Json& message) {
  const std::lock_guard lock(push_mutex_);
  if (push_) push_(message);
}

Status Subscriptions::subscribe(const std::string& uri) {
  const std::optional<FoundResource> found = server_.resources().find(uri);
  if (!found) {
    return Error{ErrorCode::kUsage, fmt::format("expected the URI of a resource, found {}", shown(uri)), "",
                 "resources/list and resources/templates/list have them"};
  }
  const std::lock_guard lock(mutex_);
  if (by_uri_.contains(uri)) return {};
  if (by_uri_.size() >= kUrisMax) return too_many("URIs that a client subscribes to", kUrisMax, "unsubscribe first");
  if (!found->resource->state) {
    by_uri_[uri] = 0;
    return {};
  }
  const std::optional<uint64_t> watch = server_.watcher().watch(
      state_of(*found), found->resource->state(found->variables), [this, uri] { push(updated(uri)); });
  if (!watch) return watcher_is_full();
  by_uri_[uri] = *watch;
  return {};
}

void Subscriptions::unsubscribe(const std::string& uri) {
  const std::lock_guard lock(mutex_);
  const auto found = by_uri_.find(uri);
  if (found == by_uri_.end()) return;
  server_.watcher().forget(found->second);
  by_uri_.erase(found);
}

Status Subscriptions::listen(const std::shared_ptr<Call>& call, const Json& filter) {
  std::vector<Watched> watched = watched_of(server_.resources(), member(filter, "resourceSubscriptions"));
  const std::lock_guard lock(mutex_);
  if (listeners_.size() >= kListenersMax)
    return too_many("requests subscriptions/listen of a client", kListenersMax, "cancel one first");
  if (server_.watcher().count() + watched.size() > Watcher::kWatchesMax) return watcher_is_full();
  // No list of ours changes while the server runs, so that nothing else is honoured.
  Json honoured = Json::object();
  for (const Watched& one : watched) honoured["resourceSubscriptions"].push_back(one.uri);
  Listener listener{call, {}};
  call->tell(on_subscription(
      notification("notifications/subscriptions/acknowledged", {{"notifications", std::move(honoured)}}), call->id()));
  for (Watched& one : watched) {
    if (!one.state) continue;
    const auto tell = [call, uri = one.uri] { call->tell(on_subscription(updated(uri), call->id())); };
    const std::optional<uint64_t> watch = server_.watcher().watch(std::move(one.state), std::move(one.before), tell);
    if (!watch) {
      forget(listener.watches);
      return watcher_is_full();
    }
    listener.watches.push_back(*watch);
  }
  listeners_.emplace(call.get(), std::move(listener));
  return {};
}

void Subscriptions::end(const Call& call) {
  const std::lock_guard lock(mutex_);
  const auto found = listeners_.find(&call);
  if (found == listeners_.end()) return;
  forget(found->second.watches);
  listeners_.erase(found);
}

void Subscriptions::end_all() {
  const std::lock_guard lock(mutex_);
  for (auto& [key, listener] : listeners_) {
    forget(listener.watches);
    const Json result = {
        {"resultType", "complete"},
        {"_meta", {{kSubscriptionKey, listener.call->id()}, {kServerInfoKey, server_.implementation()}}}};
    listener.call->finish(reply(listener.call->id(), result), [] {});
  }
  listeners_.clear();
  for (const auto& [uri, watch] : by_uri_) server_.watcher().forget(watch);
  by_uri_.clear();
}

void Subscriptions::cancel_all() {
  {
    const std::lock_guard lock(mutex_);
    for (auto& [key, listener] : listeners_) listener.call->cancel();
  }
  end_all();
}

void Subscriptions::forget(const std::vector<uint64_t>& watches) {
  for (const uint64_t watch : watches) server_.watcher().forget(watch);
}

}  // namespace amk::mcp
