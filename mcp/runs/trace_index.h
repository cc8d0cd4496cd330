// The newest trace of each model in a workspace, without reading every run for every question.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>

#include "mcp/runs/run_store.h"

namespace amk::mcp {

/// Thread-safe. Looks at the newest 1,000 runs, whichever server started them.
class TraceIndex {
 public:
  /// `store` outlives it.
  explicit TraceIndex(RunStore& store) : store_(store) {}

  /// Where the time of that model went when it was traced last: run_id, schedule_id, position, span_us, bottleneck,
  /// largest_loss; null where it has not been.
  Json newest(const Json& model);

 private:
  struct Trace {
    Json model;
    Json facts;
  };
  void refresh();
  void look_for_runs();
  void look_at(const std::string& id);

  RunStore& store_;
  std::mutex mutex_;
  int64_t folder_time_ = -1;     ///< of the folder of runs when it was read, nanoseconds
  bool settled_ = false;         ///< it was old enough then that nothing was missed
  std::set<std::string> known_;  ///< runs whose request has been read, or will never be
  std::set<std::string> going_;  ///< traces that had not ended
  std::map<std::string, Trace, std::greater<>> traces_;
};

}  // namespace amk::mcp
