// The lanes of the research loop: what each runs on, and the threads it has.
//
// Owns one worker's client, one pool and one gate a lane but the first, whose runner and gate are the verb's. It starts
// no worker: a lane's first trial does, so that nobody waits for the slowest of a cluster.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "cli/job.h"
#include "search/gate.h"

namespace amk::cli {

/// A GPU behind a worker of its own; none where latencies are predicted.
struct LaneDevice {
  std::shared_ptr<ipc::WorkerClient> worker;
  int ordinal = 0;
};

/// kUsage where --worker-launch is no command, or stands beside what uses no GPU.
Status check_launch(const std::string& launch, const RunOptions& run, const ScheduleOptions& schedule);

/// choose_runner(), by workers that `launch` starts. Where there is a launch, a GPU must be found. What was found stays
/// in job.probe.
Result<Runner> choose_lane_runner(const RunOptions& run, const ScheduleOptions& schedule, const std::string& launch,
                                  Job& job);

/// What the lanes after the first run on, `workers` - 1 of them. Without a launch they are further GPUs of this machine
/// that are the job's target: kUnsupported where there are too few, and the message says how many there are.
Result<std::vector<LaneDevice>> more_lane_devices(uint32_t workers, const std::string& launch, const Job& job,
                                                  const Runner& first);

/// Machines that load a program beside others. Empty for a lane without a worker.
[[nodiscard]] eval::MachineFactory lane_machines(const LaneDevice& device);

/// The memory of the GPU that the job was probed for; 0 where that is not known.
[[nodiscard]] uint64_t device_bytes(const Job& job, int ordinal);

/// The lanes after the first, and the threads of all.
class Lanes {
 public:
  /// `threads` of all lanes together, 0 for every core; each has at least one.
  Lanes(std::vector<LaneDevice> more, uint32_t threads);

  [[nodiscard]] ThreadPool& first_pool() { return *pools_.front(); }
  /// Gates of the further lanes, beside the first; they live as long as this.
  std::vector<search::Gate*> beside(const search::Gate& first);

 private:
  std::vector<LaneDevice> more_;
  std::vector<std::unique_ptr<ThreadPool>> pools_;
  std::vector<std::unique_ptr<search::Gate>> gates_;
};

}  // namespace amk::cli
