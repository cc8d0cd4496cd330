#include "cli/lanes.h"

#include <fmt/format.h>

#include <algorithm>

#include "eval/gpu_machine.h"

namespace amk::cli {

Status check_launch(const std::string& launch, const RunOptions& run, const ScheduleOptions& schedule) {
  const Result<std::vector<std::string>> words = ipc::split_words(launch);
  if (!words) return Error{words.error().code, words.error().message, "--worker-launch", words.error().hint};
  if (words->empty() || (run.device != "cpu" && schedule.gpu != "none")) return {};
  return Error{ErrorCode::kUsage, "expected a GPU beside --worker-launch, found one that is to be left alone",
               run.device == "cpu" ? "--device" : "--gpu", "without a GPU there is no worker to start"};
}

Result<Runner> choose_lane_runner(const RunOptions& run, const ScheduleOptions& schedule, const std::string& launch,
                                  Job& job) {
  AMK_TRY(check_device(run.device));
  RunOptions wanted = run;
  if (!launch.empty()) wanted.device = "cuda";
  if (!job.probe && wanted.device != "cpu" && schedule.gpu != "none") job.probe = probe_gpus(launch);
  return choose_runner(wanted, schedule, job.target->name, job.probe);
}

Result<std::vector<LaneDevice>> more_lane_devices(uint32_t workers, const std::string& launch, const Job& job,
                                                  const Runner& first) {
  std::vector<LaneDevice> out;
  if (!first.worker) return std::vector<LaneDevice>(workers - 1);
  AMK_ASSIGN_OR_RETURN(const ipc::WorkerCommand command, ipc::launched_worker(launch));
  const auto add = [&](int ordinal) {
    out.push_back({std::make_shared<ipc::WorkerClient>(ipc::WorkerClient::when_called(command)), ordinal});
  };
  if (!launch.empty()) {
    while (out.size() + 1 < workers) add(0);
    return out;
  }
  std::vector<int> fitting;
  for (const Gpu& gpu : job.probe->gpus) {
    if (gpu.target == job.target) fitting.push_back(gpu.ordinal);
  }
  if (fitting.size() < workers) {
    return Error{ErrorCode::kUnsupported,
                 fmt::format("expected {} GPUs that are the target {}, one a worker, found {}", workers,
                             job.target->name, fitting.size()),
                 "--workers", "--worker-launch starts workers elsewhere"};
  }
  for (const int ordinal : fitting) {
    if (ordinal != first.ordinal && out.size() + 1 < workers) add(ordinal);
  }
  return out;
}

eval::MachineFactory lane_machines(const LaneDevice& device) {
  if (!device.worker) return {};
  eval::GpuOptions loading;
  loading.ordinal = device.ordinal;
  loading.beside_others = true;
  return eval::gpu_machines(device.worker, loading);
}

uint64_t device_bytes(const Job& job, int ordinal) {
  if (!job.probe) return 0;
  const auto found = std::ranges::find(job.probe->gpus, ordinal, &Gpu::ordinal);
  return found == job.probe->gpus.end() ? 0 : found->memory_bytes;
}

Lanes::Lanes(std::vector<LaneDevice> more, uint32_t threads) : more_(std::move(more)) {
  const size_t lanes = more_.size() + 1;
  const size_t all = threads == 0 ? available_cores() : threads;
  for (size_t i = 0; i < lanes; ++i) pools_.push_back(std::make_unique<ThreadPool>(std::max<size_t>(all / lanes, 1)));
}

std::vector<search::Gate*> Lanes::beside(const search::Gate& first) {
  std::vector<search::Gate*> out;
  for (size_t i = 0; i < more_.size(); ++i) {
    search::GateOptions options;
    options.machine = lane_machines(more_[i]);
    gates_.push_back(std::make_unique<search::Gate>(first.beside(options, *pools_[i + 1])));
    out.push_back(gates_.back().get());
  }
  return out;
}

}  // namespace amk::cli
