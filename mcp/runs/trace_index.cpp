#include "mcp/runs/trace_index.h"

#include <sys/stat.h>

#include <chrono>
#include <vector>

namespace amk::mcp {
namespace {

constexpr size_t kRunsMax = 1000;
constexpr int64_t kSettledNs = 5'000'000'000;  ///< a run's folder is there for a moment before what it holds

int64_t changed_ns(const std::filesystem::path& path) {
  struct stat facts {};
  if (::stat(path.c_str(), &facts) != 0) return 0;
  return facts.st_mtim.tv_sec * 1'000'000'000 + facts.st_mtim.tv_nsec;
}

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Json TraceIndex::newest(const Json& model) {
  const std::lock_guard lock(mutex_);
  refresh();
  for (const auto& [id, trace] : traces_) {
    if (trace.model == model) return trace.facts;
  }
  return nullptr;
}

void TraceIndex::refresh() {
  const int64_t changed = changed_ns(store_.workspace() / "runs");
  if (changed != folder_time_ || !settled_) {
    settled_ = now_ns() - changed > kSettledNs;
    folder_time_ = changed;
    look_for_runs();
  }
  for (const std::string& id : std::vector<std::string>(going_.begin(), going_.end())) look_at(id);
}

void TraceIndex::look_for_runs() {
  for (const std::string& id : store_.ids(kRunsMax)) {
    if (known_.contains(id)) continue;
    const Json request = store_.request_of(id);
    if (request.is_null() && !settled_) continue;  // it may be on its way
    known_.insert(id);
    if (member(request, "tool") == "amk_trace") going_.insert(id);
  }
}

void TraceIndex::look_at(const std::string& id) {
  const Result<Run> run = store_.look(id);
  if (run && !run->ended()) return;
  going_.erase(id);
  if (!run) return;
  const Json& trace = member(run->result, "trace");
  if (!trace.is_object()) return;
  traces_[id] = {member(run->arguments, "model"),
                 {{"run_id", run->id},
                  {"schedule_id", member(run->result, "schedule_id")},
                  {"position", member(run->result, "position")},
                  {"span_us", member(trace, "span_us")},
                  {"bottleneck", member(trace, "bottleneck")},
                  {"largest_loss", member(trace, "largest_loss")}}};
}

}  // namespace amk::mcp
