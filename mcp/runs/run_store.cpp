#include "mcp/runs/run_store.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <optional>
#include <random>
#include <system_error>
#include <thread>
#include <utility>

#include "base/files.h"
#include "mcp/runs/queued.h"
#include "mcp/runs/run_process.h"
#include "mcp/tools/amk_command.h"

namespace amk::mcp {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kRequestBytesMax = 64ULL << 20;
constexpr size_t kLogTailBytes = 16384;
constexpr size_t kErrorWordsBytes = 2000;
constexpr size_t kIdBytesMax = 64;
constexpr std::string_view kProgressStart = "{\"progress\":";
constexpr double kStartSeconds = 5;  ///< between a run's folder and its process

double unix_now() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

std::string utc(const char* format, double unix_seconds) {
  return fmt::format(fmt::runtime(format), fmt::gmtime(static_cast<std::time_t>(unix_seconds)));
}

/// "20261122-233250123-eval-5f3c": the time to a millisecond, so that names sort by it, and no two alike.
std::string new_id(std::string_view tool) {
  std::random_device random;
  if (tool.starts_with("amk_")) tool.remove_prefix(4);
  const double now = unix_now();
  const auto milliseconds = static_cast<unsigned>((now - std::floor(now)) * 1000);
  return fmt::format("{}{:03}-{}-{:04x}", utc("{:%Y%m%d-%H%M%S}", now), milliseconds, tool, random() & 0xFFFFU);
}

/// Nothing that could leave the folder of runs.
bool is_id(const std::string& id) {
  return !id.empty() && id.size() <= kIdBytesMax && std::ranges::all_of(id, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

Json read_json(const fs::path& path, uint64_t bytes_max) {
  const Result<std::string> text = read_file(path, bytes_max);
  if (!text) return nullptr;
  const Result<Json> json = parse_json(*text);
  return json ? *json : Json(nullptr);
}

std::string tail_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return "";
  const auto size = static_cast<size_t>(file.tellg());
  file.seekg(static_cast<std::streamoff>(size > kLogTailBytes ? size - kLogTailBytes : 0));
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// Streams to files, a session of its own, no signal blocked or ignored.
class Spawn {
 public:
  Spawn() {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
    sigset_t none;
    sigset_t defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    for (const int signal : {SIGPIPE, SIGTERM, SIGINT, SIGHUP}) sigaddset(&defaults, signal);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &defaults);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~Spawn() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  Spawn(const Spawn&) = delete;
  Spawn& operator=(const Spawn&) = delete;

  void open(int stream, const std::string& path, int flags) {
    posix_spawn_file_actions_addopen(&actions_, stream, path.c_str(), flags, 0600);
  }

  /// `command` has the program's name as others see it; `program` is what is started.
  Result<int> run(const char* program, const std::vector<std::string>& command) {
    std::vector<char*> argv;
    for (const std::string& argument : command) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    pid_t pid = -1;
    const int error = posix_spawn(&pid, program, &actions_, &attributes_, argv.data(), environ);
    if (error == 0) return static_cast<int>(pid);
    return Error{ErrorCode::kIo, fmt::format("cannot start the program: {}", std::strerror(error)), program, ""};
  }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

/// When a run that has ended did something for the last time, in seconds since 1970; `start` where nobody can tell.
double last_sign(const fs::path& folder, double start) {
  double out = start;
  for (const char* name : {"result.json", "cancelled", "stderr.log"}) {
    struct stat facts {};
    if (::stat((folder / name).c_str(), &facts) != 0) continue;
    out = std::max(out, static_cast<double>(facts.st_mtim.tv_sec) + static_cast<double>(facts.st_mtim.tv_nsec) / 1e9);
  }
  return out;
}

uint64_t bytes_of(const fs::path& path) {
  std::error_code problem;
  const uint64_t bytes = fs::file_size(path, problem);
  return problem ? 0 : bytes;
}

double start_of(const Json& request, double otherwise) {
  const Json& start = member(request, "started_unix");
  return start.is_number() ? start.get<double>() : otherwise;
}

/// Between its folder and its process. What has a result already could not be started.
bool is_starting(const fs::path& folder, const Json& request) {
  std::error_code ignored;
  const double now = unix_now();
  return now < start_of(request, now) + kStartSeconds && !fs::exists(folder / "process.json", ignored) &&
         bytes_of(folder / "result.json") == 0;
}

/// Whether a document of any size has been written to its end.
bool is_whole(const fs::path& path) {
  const std::string end = tail_of(path);
  const size_t last = end.find_last_not_of(" \n");
  return last != std::string::npos && (end[last] == '}' || end[last] == ']');
}

/// What of stderr is no progress, and its end only.
std::string words_of(const std::string& log) {
  std::string out;
  size_t begin = 0;
  while (begin < log.size()) {
    const size_t end = std::min(log.find('\n', begin), log.size() - 1);
    const std::string line = log.substr(begin, end - begin + 1);
    if (!line.starts_with(kProgressStart)) out += line;
    begin = end + 1;
  }
  return out.size() <= kErrorWordsBytes ? out : out.substr(out.size() - kErrorWordsBytes);
}

/// Of a process that is gone.
void judge_ended(Run& run, const std::string& log, uint64_t result_bytes_max) {
  std::error_code ignored;
  const fs::path result = run.folder / "result.json";
  if (bytes_of(result) > result_bytes_max && is_whole(result)) {
    // No error is that long.
    run.state = RunState::kDone;
    run.result_left_out = true;
    return;
  }
  Json document = read_json(result, result_bytes_max);
  if (const std::optional<Error> error = error_in(document)) {
    run.state = RunState::kFailed;
    run.error = error->text();
  } else if (!document.is_null()) {
    run.state = RunState::kDone;
    run.result = std::move(document);
  } else if (fs::exists(run.folder / "cancelled", ignored)) {
    run.state = RunState::kCancelled;
  } else {
    run.state = RunState::kFailed;
    const std::string words = words_of(log);
    run.error =
        "the process ended without a result: it was killed, or crashed" + (words.empty() ? "" : "; it said: " + words);
  }
}

}  // namespace

const char* run_state_name(RunState state) {
  switch (state) {
    case RunState::kQueued:
      return "queued";
    case RunState::kRunning:
      return "running";
    case RunState::kDone:
      return "done";
    case RunState::kFailed:
      return "failed";
    case RunState::kCancelled:
      return "cancelled";
  }
  return "failed";
}

Result<std::string> RunStore::make(const std::string& tool, const Json& arguments) {
  std::error_code problem;
  fs::create_directories(workspace_ / "runs", problem);
  if (problem) {
    return Error{ErrorCode::kIo, fmt::format("cannot make the folder: {}", problem.message()),
                 (workspace_ / "runs").string(), "start amk-mcp with --workspace and a folder that can be written"};
  }
  for (int attempt = 0; attempt < 100; ++attempt) {
    const std::string id = new_id(tool);
    if (!fs::create_directory(folder_of(id), problem)) {
      if (!problem) continue;
      return Error{ErrorCode::kIo, fmt::format("cannot make the run's folder: {}", problem.message()),
                   folder_of(id).string(), "start amk-mcp with --workspace and a folder that can be written"};
    }
    const double now = unix_now();
    const Json request = {{"tool", tool},
                          {"arguments", arguments},
                          {"started", utc("{:%Y-%m-%dT%H:%M:%SZ}", now)},
                          {"started_unix", now}};
    AMK_TRY(write_file_atomic(folder_of(id) / "request.json", to_line(request) + "\n"));
    return id;
  }
  return Error{ErrorCode::kIo, "expected a run id that is free, found a hundred taken", (workspace_ / "runs").string(),
               "try again"};
}

Status RunStore::start(const std::string& id, const std::vector<std::string>& command) {
  reap();
  const fs::path folder = folder_of(id);
  std::vector<std::string> queued = {"amk-mcp", kQueuedArgument, (workspace_ / "runs.lock").string(),
                                     (folder / "running").string()};
  queued.insert(queued.end(), command.begin(), command.end());
  Spawn spawn;
  spawn.open(0, "/dev/null", O_RDONLY);
  spawn.open(1, (folder / "result.json").string(), O_WRONLY | O_CREAT | O_TRUNC);
  spawn.open(2, (folder / "stderr.log").string(), O_WRONLY | O_CREAT | O_APPEND);
  // The link, not the path that it says: a program that has been built anew has none any more.
  AMK_ASSIGN_OR_RETURN(const int pid, spawn.run("/proc/self/exe", queued));
  {
    const std::lock_guard lock(mutex_);
    children_.push_back(pid);
  }
  // The process says the same of itself, and before it does anything; until then it can be ended by this.
  [[maybe_unused]] const Status written = write_process(folder, pid);
  return {};
}

void RunStore::fail(const std::string& id, const Error& error) const {
  const Json document = {{"error",
                          {{"code", error_code_name(error.code)},
                           {"message", error.message},
                           {"location", error.location},
                           {"hint", error.hint}}}};
  // Where this cannot be written either, the run has failed without a word.
  [[maybe_unused]] const Status written = write_file_atomic(folder_of(id) / "result.json", to_line(document) + "\n");
}

Result<Run> RunStore::look(const std::string& id, uint64_t result_bytes_max) {
  reap();
  Run out;
  out.id = id;
  out.folder = folder_of(id);
  const Json request = request_of(id);
  if (request.is_null()) {
    return Error{ErrorCode::kUsage, fmt::format("expected the id of a run of this workspace, found '{}'", id), "run_id",
                 "amk_runs lists them"};
  }
  const auto text = [&](const char* key) {
    return member(request, key).is_string() ? request[key].get<std::string>() : std::string();
  };
  out.tool = text("tool");
  out.arguments = member(request, "arguments");
  out.started = text("started");
  const double now = unix_now();
  const double start = start_of(request, now);
  std::error_code ignored;
  const bool alive = is_starting(out.folder, request) || living_process(out.folder).has_value();
  const std::string log = tail_of(out.folder / "stderr.log");
  out.progress = last_progress(log);
  if (alive) {
    out.state = fs::exists(out.folder / "running", ignored) ? RunState::kRunning : RunState::kQueued;
  } else {
    judge_ended(out, log, result_bytes_max);
  }
  out.elapsed_s = std::max(0.0, (alive ? now : last_sign(out.folder, start)) - start);
  return out;
}

Result<Run> RunStore::cancel(const std::string& id) {
  AMK_ASSIGN_OR_RETURN(Run run, look(id));
  if (run.ended()) return run;
  AMK_TRY(write_file_atomic(run.folder / "cancelled", "\n"));
  if (const std::optional<int> pid = living_process(run.folder)) ::kill(-*pid, SIGKILL);
  for (int attempt = 0; attempt < 100 && living_process(run.folder); ++attempt) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return look(id);
}

std::vector<Run> RunStore::list(size_t count) {
  std::vector<Run> out;
  for (const std::string& id : ids(std::numeric_limits<size_t>::max())) {
    if (out.size() >= count) break;
    if (Result<Run> run = look(id)) out.push_back(std::move(*run));
  }
  return out;
}

std::vector<std::string> RunStore::ids(size_t count) const {
  std::vector<std::string> out;
  std::error_code problem;
  for (const fs::directory_entry& entry : fs::directory_iterator(workspace_ / "runs", problem)) {
    std::string name = entry.path().filename().string();
    if (is_id(name)) out.push_back(std::move(name));
  }
  std::ranges::sort(out, std::greater<>());
  if (out.size() > count) out.resize(count);
  return out;
}

Json RunStore::request_of(const std::string& id) const {
  Json request = is_id(id) ? read_json(folder_of(id) / "request.json", kRequestBytesMax) : Json(nullptr);
  return request.is_object() ? request : Json(nullptr);
}

std::string RunStore::stamp(const std::string& id) {
  const Json request = request_of(id);
  if (request.is_null()) return "none";
  reap();
  const fs::path folder = folder_of(id);
  std::error_code ignored;
  if (is_starting(folder, request) || living_process(folder)) {
    const bool running = fs::exists(folder / "running", ignored);
    return (running ? "running: " : "queued: ") + last_progress(tail_of(folder / "stderr.log"));
  }
  const bool cancelled = fs::exists(folder / "cancelled", ignored);
  return fmt::format("ended: {} {}", cancelled, bytes_of(folder / "result.json"));
}

uint64_t RunStore::log_end(const std::string& id) const {
  if (!is_id(id)) return 0;
  const fs::path log = folder_of(id) / "stderr.log";
  const uint64_t bytes = bytes_of(log);
  const std::string tail = tail_of(log);
  const size_t line = tail.rfind('\n');
  return bytes - std::min<uint64_t>(bytes, tail.size() - (line == std::string::npos ? 0 : line + 1));
}

std::vector<std::string> RunStore::notes(const std::string& id, uint64_t& from) const {
  std::ifstream file(folder_of(id) / "stderr.log", std::ios::binary);
  file.seekg(static_cast<std::streamoff>(from));
  std::string text(kLogTailBytes, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(std::max<std::streamsize>(0, file.gcount())));
  std::vector<std::string> out;
  size_t begin = 0;
  for (size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
    if (end > begin && !text.substr(begin).starts_with(kProgressStart)) out.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  if (begin == 0 && text.size() == kLogTailBytes) begin = text.size();  // a line without an end is no note
  from += begin;
  return out;
}

void RunStore::reap() {
  const std::lock_guard lock(mutex_);
  std::erase_if(children_, [](int pid) { return ::waitpid(pid, nullptr, WNOHANG) != 0; });
}

}  // namespace amk::mcp
