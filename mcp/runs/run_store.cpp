#include "mcp/runs/run_store.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <charconv>
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
#include "mcp/tools/amk_command.h"

namespace amk::mcp {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kResultBytesMax = 64ULL << 20;
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

Json read_json(const fs::path& path) {
  const Result<std::string> text = read_file(path, kResultBytesMax);
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

/// When the process was started, in clock ticks since boot (field 22 of its stat); nullopt where there is none, or only
/// what has not been reaped of it.
std::optional<uint64_t> start_ticks(int pid) {
  const fs::path path = fmt::format("/proc/{}/stat", pid);
  std::ifstream file(path);
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos || name_end + 2 >= text.size() || text[name_end + 2] == 'Z') return std::nullopt;
  size_t at = name_end + 2;
  for (int field = 3; field < 22 && at != std::string::npos; ++field) at = text.find(' ', at + 1);
  if (at == std::string::npos) return std::nullopt;
  uint64_t ticks = 0;
  std::from_chars(text.data() + at + 1, text.data() + text.size(), ticks);
  return ticks;
}

/// The process of a run, where it is alive.
std::optional<int> living_process(const fs::path& folder) {
  const Json process = read_json(folder / "process.json");
  const Json& pid = member(process, "pid");
  const Json& ticks = member(process, "start_ticks");
  if (!pid.is_number_integer() || !ticks.is_number_integer()) return std::nullopt;
  const std::optional<uint64_t> now = start_ticks(pid.get<int>());
  if (!now || *now != ticks.get<uint64_t>()) return std::nullopt;
  return pid.get<int>();
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

  Result<int> run(const std::vector<std::string>& command) {
    std::vector<char*> argv;
    for (const std::string& argument : command) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    pid_t pid = -1;
    const int error = posix_spawn(&pid, argv[0], &actions_, &attributes_, argv.data(), environ);
    if (error == 0) return static_cast<int>(pid);
    return Error{ErrorCode::kIo, fmt::format("cannot start the program: {}", std::strerror(error)), command[0], ""};
  }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

double seconds_of(const fs::path& file, double otherwise) {
  struct stat facts {};
  if (::stat(file.c_str(), &facts) != 0) return otherwise;
  return static_cast<double>(facts.st_mtim.tv_sec) + static_cast<double>(facts.st_mtim.tv_nsec) / 1e9;
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
void judge_ended(Run& run, const std::string& log) {
  std::error_code ignored;
  Json document = read_json(run.folder / "result.json");
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
    if (!fs::create_directory(folder_of(id), problem)) continue;
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
  std::error_code problem;
  const std::string self = fs::read_symlink("/proc/self/exe", problem).string();
  std::vector<std::string> queued = {self, kQueuedArgument, (workspace_ / "runs.lock").string(),
                                     (folder / "running").string()};
  queued.insert(queued.end(), command.begin(), command.end());
  Spawn spawn;
  spawn.open(0, "/dev/null", O_RDONLY);
  spawn.open(1, (folder / "result.json").string(), O_WRONLY | O_CREAT | O_TRUNC);
  spawn.open(2, (folder / "stderr.log").string(), O_WRONLY | O_CREAT | O_APPEND);
  AMK_ASSIGN_OR_RETURN(const int pid, spawn.run(queued));
  {
    const std::lock_guard lock(mutex_);
    children_.push_back(pid);
  }
  const Json process = {{"pid", pid}, {"start_ticks", start_ticks(pid).value_or(0)}};
  return write_file_atomic(folder / "process.json", to_line(process) + "\n");
}

Result<Run> RunStore::look(const std::string& id) {
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
  const double start = member(request, "started_unix").is_number() ? request["started_unix"].get<double>() : now;
  std::error_code ignored;
  const bool starting = now < start + kStartSeconds && !fs::exists(out.folder / "process.json", ignored);
  const bool alive = starting || living_process(out.folder).has_value();
  const std::string log = tail_of(out.folder / "stderr.log");
  out.progress = last_progress(log);
  if (alive) {
    out.state = fs::exists(out.folder / "running", ignored) ? RunState::kRunning : RunState::kQueued;
  } else {
    judge_ended(out, log);
  }
  out.elapsed_s = std::max(0.0, (alive ? now : seconds_of(out.folder / "result.json", now)) - start);
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
  Json request = is_id(id) ? read_json(folder_of(id) / "request.json") : Json(nullptr);
  return request.is_object() ? request : Json(nullptr);
}

std::string RunStore::stamp(const std::string& id) {
  if (request_of(id).is_null()) return "none";
  reap();
  const fs::path folder = folder_of(id);
  std::error_code ignored;
  if (living_process(folder)) {
    const bool running = fs::exists(folder / "running", ignored);
    return (running ? "running: " : "queued: ") + last_progress(tail_of(folder / "stderr.log"));
  }
  const bool cancelled = fs::exists(folder / "cancelled", ignored);
  const auto bytes = fs::file_size(folder / "result.json", ignored);
  return fmt::format("ended: {} {}", cancelled, ignored ? 0 : bytes);
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
