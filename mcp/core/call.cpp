#include "mcp/core/call.h"

#include <utility>

namespace amk::mcp {
namespace {

constexpr double kProgressEverySeconds = 0.2;
constexpr std::chrono::minutes kAnswerPatience{5};    ///< a person may have to read
constexpr std::chrono::milliseconds kEveryLook{100};  ///< whether the call is to end

}  // namespace

Call::Call(Json id, Json progress_token, Send send, std::optional<LogLevel> log_from, Caller caller)
    : id_(std::move(id)),
      progress_token_(std::move(progress_token)),
      log_from_(log_from),
      caller_(std::move(caller)),
      send_(std::move(send)) {}

void Call::finish(const Json& reply, const std::function<void()>& ending) {
  const std::lock_guard lock(mutex_);
  if (std::exchange(ended_, true)) return;
  ending();
  send_(reply);
}

void Call::cancel() {
  const std::lock_guard lock(mutex_);
  ended_ = true;
  stop_ = Stop::kCancelled;
  stopped_.notify_all();
}

void Call::tell(const Json& message) {
  const std::lock_guard lock(mutex_);
  if (!ended_) send_(message);
}

void Call::shut_down() {
  const std::lock_guard lock(mutex_);
  if (stop_ == Stop::kNo) stop_ = Stop::kShutdown;
  stopped_.notify_all();
}

Stop Call::stop() const {
  const std::lock_guard lock(mutex_);
  return stop_;
}

void Call::pause(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  stopped_.wait_for(lock, time, [&] { return stop_ != Stop::kNo; });
}

void Call::progress(const std::string& what) {
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start_;
  const std::lock_guard lock(mutex_);
  if (ended_ || progress_token_.is_null() || elapsed.count() < told_ + kProgressEverySeconds) return;
  told_ = elapsed.count();
  send_(notification("notifications/progress",
                     {{"progressToken", progress_token_}, {"progress", told_}, {"message", what}}));
}

void Call::progress_of(double done, double total) {
  const std::lock_guard lock(mutex_);
  if (ended_ || progress_token_.is_null() || done <= counted_) return;
  counted_ = done;
  send_(notification("notifications/progress",
                     {{"progressToken", progress_token_}, {"progress", done}, {"total", total}}));
}

std::optional<Json> Call::ask(const Json& requests) {
  if (!missing_capabilities(requests, caller_.capabilities).empty()) return std::nullopt;
  if (caller_.asked == nullptr) return answers_to(requests, caller_.responses);
  Json out = Json::object();
  for (const auto& [name, request] : requests.items()) {
    std::optional<Json> answer = ask_now(request);
    if (!answer) return std::nullopt;
    out[name] = std::move(*answer);
  }
  return out;
}

std::optional<Json> Call::ask_now(const Json& request) {
  const std::string id = caller_.asked->open();
  tell({{"jsonrpc", "2.0"}, {"id", id}, {"method", request.at("method")}, {"params", request.at("params")}});
  const auto end = std::chrono::steady_clock::now() + kAnswerPatience;
  std::optional<Json> answer;
  while (!answer && stop() == Stop::kNo && std::chrono::steady_clock::now() < end)
    answer = caller_.asked->wait(id, kEveryLook);
  caller_.asked->close(id);
  return answer && answer->is_object() ? answer : std::nullopt;
}

void Call::log(LogLevel level, const std::string& text) {
  if (!log_from_ || level < *log_from_) return;
  tell(notification("notifications/message", {{"level", log_level_name(level)}, {"logger", "amk"}, {"data", text}}));
}

bool CallTable::add(const std::shared_ptr<Call>& call) {
  const std::lock_guard lock(mutex_);
  if (running_.size() >= kCallsMax || !in_flight_.emplace(to_line(call->id()), call).second) return false;
  running_.emplace(call.get(), call);
  return true;
}

bool CallTable::add_idle(const std::shared_ptr<Call>& call) {
  const std::lock_guard lock(mutex_);
  return in_flight_.emplace(to_line(call->id()), call).second;
}

void CallTable::release(const Call& call) {
  const std::lock_guard lock(mutex_);
  const auto found = in_flight_.find(to_line(call.id()));
  if (found != in_flight_.end() && found->second.get() == &call) in_flight_.erase(found);
}

void CallTable::done(const Call& call) {
  const std::lock_guard lock(mutex_);
  running_.erase(&call);
  if (running_.empty()) gone_.notify_all();
}

std::shared_ptr<Call> CallTable::find(const Json& id) const {
  const std::lock_guard lock(mutex_);
  const auto found = in_flight_.find(to_line(id));
  return found == in_flight_.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<Call>> CallTable::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Call>> out;
  for (const auto& [key, call] : running_) out.push_back(call);
  return out;
}

bool CallTable::wait_until_empty(std::chrono::milliseconds patience) const {
  std::unique_lock lock(mutex_);
  return gone_.wait_for(lock, patience, [&] { return running_.empty(); });
}

}  // namespace amk::mcp
