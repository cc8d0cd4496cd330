// Gates of a small golden model, for tests of the search: with predictions, or with a worker that makes up times.
#pragma once

#include <memory>

#include "eval/gpu_machine.h"
#include "schedule/target.h"
#include "search/gate.h"
#include "support/environment.h"
#include "support/lowered.h"

namespace amk::test {

struct GateBench {
  LoweredModel model = open_model("tests/models/llama-gqa-tied");
  ThreadPool pool{2};

  [[nodiscard]] search::GateOptions predicted() const {
    search::GateOptions out;
    out.checkpoint = &model.checkpoint;
    out.target = *schedule::find_target("h100");
    out.context = 64;
    out.compared_positions = 3;
    return out;
  }
  /// Measured by the fake worker, which goes wrong as $AMK_FAKE says.
  [[nodiscard]] search::GateOptions measured() const {
    search::GateOptions out = predicted();
    auto worker = std::make_shared<ipc::WorkerClient>(ipc::WorkerClient::start({{FAKE_WORKER_PROGRAM}}).value());
    out.bandwidth = eval::measure_bandwidth(*worker, 0).value();
    out.machine = machines(std::move(worker));
    return out;
  }
  /// For Gate::beside(): a worker that is started by these words, with the first trial.
  [[nodiscard]] static search::GateOptions lane(std::vector<std::string> arguments) {
    search::GateOptions out;
    out.machine = machines(std::make_shared<ipc::WorkerClient>(ipc::WorkerClient::when_called({std::move(arguments)})));
    return out;
  }
  static eval::MachineFactory machines(std::shared_ptr<ipc::WorkerClient> worker) {
    eval::GpuOptions loading;
    loading.beside_others = true;
    loading.launch_deadline = std::chrono::milliseconds(500);
    return eval::gpu_machines(std::move(worker), loading);
  }
};

/// Where the tests begin: the default, but attention's splits are joined by tasks of their own.
inline schedule::ScheduleConfig first_config() {
  schedule::ScheduleConfig out;
  std::erase(out.fusion_grouping, std::vector<std::string>{"attention", "combine"});
  return out;
}
/// A level a layer fewer.
inline schedule::ScheduleConfig faster_config() { return {}; }
/// Levels more.
inline schedule::ScheduleConfig slower_config() {
  schedule::ScheduleConfig out = first_config();
  out.fusion_grouping.erase(out.fusion_grouping.begin());
  return out;
}

inline search::Proposal propose(const schedule::ScheduleConfig& config) { return {config, "a change", "", "test", ""}; }

}  // namespace amk::test
