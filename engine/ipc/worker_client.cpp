#include "ipc/worker_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <utility>

namespace amk::ipc {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

/// What a worker that closed its end of a pipe has to end by itself.
constexpr milliseconds kEndPatience{2000};
/// What a worker has to start that a cluster's scheduler starts.
constexpr milliseconds kLaunchDeadline = std::chrono::minutes(10);
constexpr size_t kLastLines = 10;
constexpr size_t kShownBytesMax = 300;

std::string seconds_text(milliseconds limit) { return fmt::format("{:g} s", static_cast<double>(limit.count()) / 1e3); }

/// The last lines of a text, without an empty end.
std::string last_lines(std::string_view text) {
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  size_t start = text.size();
  for (size_t lines = 0; lines < kLastLines && start != std::string_view::npos; ++lines) {
    start = start == 0 ? std::string_view::npos : text.rfind('\n', start - 1);
  }
  return std::string(start == std::string_view::npos ? text : text.substr(start + 1));
}

std::string shown(const Json& json) {
  std::string text = json.dump(-1, ' ', true, Json::error_handler_t::replace);
  if (text.size() > kShownBytesMax) text = text.substr(0, kShownBytesMax) + "...";
  return text;
}

bool has_id(const Json& frame, uint64_t id) {
  return frame.is_object() && frame.contains("id") && frame["id"].is_number_unsigned() && frame["id"] == id;
}

}  // namespace

Result<WorkerCommand> installed_worker() {
  if (const char* named = std::getenv("AMK_WORKER"); named != nullptr && *named != '\0') return WorkerCommand{{named}};
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  const fs::path worker = self.parent_path() / "amk-worker";
  if (fs::exists(worker, error)) return WorkerCommand{{worker.string()}};
  return Error{ErrorCode::kIo, "expected the program amk-worker here, found none", self.parent_path().string(),
               "AMK_WORKER names it where it is elsewhere"};
}

Result<std::vector<std::string>> split_words(std::string_view text) {
  std::vector<std::string> out;
  bool in_word = false;
  char quote = '\0';  // the one that is open
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool blank = c == ' ' || c == '\t' || c == '\n';
    if (quote == '\0' && blank) {
      in_word = false;
      continue;
    }
    if (!in_word) out.emplace_back();
    in_word = true;
    if (quote != '\0' && c == quote) {
      quote = '\0';
    } else if (quote == '\0' && (c == '\'' || c == '"')) {
      quote = c;
    } else if (c == '\\' && quote != '\'' && i + 1 < text.size()) {
      out.back() += text[++i];
    } else {
      out.back() += c;
    }
  }
  if (quote == '\0') return out;
  return Error{ErrorCode::kUsage, fmt::format("expected another {} at the end, found none", quote), std::string(text),
               ""};
}

Result<WorkerCommand> launched_worker(const std::string& launch) {
  AMK_ASSIGN_OR_RETURN(WorkerCommand out, installed_worker());
  AMK_ASSIGN_OR_RETURN(const std::vector<std::string> words, split_words(launch));
  if (words.empty()) return out;
  out.arguments.insert(out.arguments.begin(), words.begin(), words.end());
  out.start_deadline = kLaunchDeadline;
  out.ending = Ending::kAsk;
  return out;
}

Result<WorkerClient> WorkerClient::start(WorkerCommand command) {
  WorkerClient client(std::move(command));
  AMK_TRY(client.start_child(std::nullopt));
  return client;
}

Status WorkerClient::start_child(const Deadline& callers) {
  end_ = CallEnd::kNotSent;
  fault_.reset();
  milliseconds limit = command_.start_deadline;
  Deadline deadline = Clock::now() + limit;
  if (callers && *callers < *deadline) {
    deadline = callers;
    limit = std::chrono::ceil<milliseconds>(*callers - Clock::now());
  }
  AMK_ASSIGN_OR_RETURN(child_, ChildProcess::start(command_.arguments, command_.ending));
  ++generation_;
  next_id_ = 1;
  Result<Json> hello = exchange("hello", {{"protocol", kProtocol}}, {limit, deadline}, nullptr);
  if (!hello.ok()) {
    child_.reset();
    return hello.error();
  }
  hello_ = std::move(hello).value();
  if (hello_.is_object() && hello_.contains("protocol") && hello_["protocol"] == kProtocol) return {};
  Error error = failed(CallEnd::kNonsense,
                       fmt::format("expected a worker that speaks protocol {}, found {}", kProtocol, shown(hello_)));
  error.code = ErrorCode::kUnsupported;
  return error;
}

Status WorkerClient::ensure_child(const Deadline& deadline) {
  // One that ended between two calls is not this call's failure.
  if (child_ && child_->wait(Clock::now())) child_.reset();
  if (child_) return {};
  Status started = start_child(deadline);
  if (!started) end_ = CallEnd::kNotSent;
  return started;
}

Result<Json> WorkerClient::call(std::string_view name, const Json& params, milliseconds deadline,
                                const OnProgress& on_progress) {
  const Deadline at = Clock::now() + deadline;
  AMK_TRY(ensure_child(at));
  return exchange(name, params, {deadline, at}, on_progress);
}

Result<Json> WorkerClient::call_attended(std::string_view name, const Json& params, milliseconds first,
                                         const Patience& patience) {
  const Deadline at = Clock::now() + first;
  AMK_TRY(ensure_child(at));
  return exchange(name, params, {first, at, &patience}, nullptr);
}

Result<Json> WorkerClient::exchange(std::string_view name, const Json& params, Limit limit,
                                    const OnProgress& on_progress) {
  fault_.reset();
  end_ = CallEnd::kNotSent;
  const FrameResult sent =
      write_frame(child_->stdin_fd(), {{"id", next_id_}, {"name", name}, {"params", params}}, limit.at);
  if (sent.status == FrameStatus::kTooLarge) {
    return Error{ErrorCode::kUsage, fmt::format("request '{}': {}", name, sent.problem), "", ""};
  }
  if (sent.status != FrameStatus::kDone) return ended(sent, name, limit);
  Result<Json> result = wait_for_reply(name, limit, on_progress);
  ++next_id_;
  return result;
}

bool WorkerClient::renew(Limit& limit, const Json& progress) {
  const std::optional<milliseconds> allowed = (*limit.patience)(progress);
  if (!allowed) return false;
  limit.allowed = *allowed;
  limit.at = Clock::now() + *allowed;
  limit.renewed = true;
  return true;
}

Result<Json> WorkerClient::wait_for_reply(std::string_view name, Limit limit, const OnProgress& on_progress) {
  while (true) {
    FrameResult got = read_frame(child_->stdout_fd(), limit.at);
    if (got.status != FrameStatus::kDone) return ended(got, name, limit);
    if (!has_id(got.json, next_id_)) {
      return nonsense(name, fmt::format("expected a reply to {}, found {}", next_id_, shown(got.json)));
    }
    if (!got.json.contains("progress")) return result_of(std::move(got.json), name);
    if (on_progress) on_progress(got.json["progress"]);
    if (limit.patience != nullptr && !renew(limit, got.json["progress"])) {
      return nonsense(name, fmt::format("expected progress of the request, found {}", shown(got.json["progress"])));
    }
  }
}

Result<Json> WorkerClient::result_of(Json reply, std::string_view name) {
  const bool ok = reply.contains("ok") && reply["ok"] == true;
  if (ok && reply.contains("result")) {
    end_ = CallEnd::kResult;
    return std::move(reply["result"]);
  }
  std::optional<ReplyError> error;
  if (!ok && reply.contains("error")) error = reply_error_from(reply["error"]);
  if (!error) return nonsense(name, fmt::format("expected a result or an error, found {}", shown(reply)));
  end_ = CallEnd::kError;
  fault_ = std::move(error->fault);
  return std::move(error->error);
}

Error WorkerClient::ended(const FrameResult& frame, std::string_view name, const Limit& limit) {
  switch (frame.status) {
    case FrameStatus::kDeadline:
      return failed(CallEnd::kDeadline,
                    fmt::format("request '{}' was not {} within {}: its worker was killed", name,
                                limit.renewed ? "heard of again" : "done", seconds_text(limit.allowed)));
    case FrameStatus::kEnd:
      return crashed(name);
    case FrameStatus::kDone:
    case FrameStatus::kBroken:
    case FrameStatus::kTooLarge:
      break;
  }
  return nonsense(name, frame.problem);
}

Error WorkerClient::crashed(std::string_view name) {
  const auto status = child_->wait(Clock::now() + kEndPatience);
  if (!status) return nonsense(name, "expected a reply, found its output closed");
  return failed(CallEnd::kCrash, fmt::format("the worker ended with {} during request '{}'", status->text(), name));
}

Error WorkerClient::nonsense(std::string_view name, std::string_view problem) {
  // A worker that dies within a frame is a crash, which says more than half a frame does.
  const auto status = child_->wait(Clock::now() + milliseconds(100));
  if (!status) {
    return failed(CallEnd::kNonsense, fmt::format("request '{}': {}: its worker was killed", name, problem));
  }
  return failed(CallEnd::kCrash,
                fmt::format("the worker ended with {} during request '{}': {}", status->text(), name, problem));
}

void WorkerClient::stop() {
  if (!child_) return;
  child_->kill();
  last_stderr_ = child_->stderr_tail();
  child_.reset();
}

Error WorkerClient::failed(CallEnd end, std::string message) {
  if (!child_->kill()) message += "; it is stuck in the kernel and has not died yet";
  end_ = end;
  last_stderr_ = child_->stderr_tail();
  child_.reset();
  Error error{ErrorCode::kInternal, std::move(message), command_.arguments.front(), ""};
  if (const std::string said = last_lines(last_stderr_); !said.empty()) error.hint = "its last words:\n" + said;
  return error;
}

}  // namespace amk::ipc
