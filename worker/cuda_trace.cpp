#include "worker/cuda_trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "eval/history.h"
#include "schedule/cost_model.h"
#include "schedule/target.h"
#include "vm/cuda/baselines/bandwidth.h"
#include "vm/cuda/cuda_vm.h"

namespace amk::worker {
namespace {

using eval::Stage;
using eval::TraceRequest;
using eval::TraceRun;
using vm::cuda::CudaVm;
using vm::cuda::Device;

constexpr uint32_t kWarmUps = 5;

Status measure_floor(const Subject& subject, uint32_t position, Device& device, TraceRun& out) {
  AMK_ASSIGN_OR_RETURN(vm::cuda::BandwidthProbe probe, vm::cuda::BandwidthProbe::create(device));
  AMK_ASSIGN_OR_RETURN(const vm::cuda::Bandwidth bandwidth, probe.measure());
  const schedule::Program& program = subject.program.program();
  AMK_ASSIGN_OR_RETURN(const abi::TargetInfo* target, schedule::find_target(program.target));
  const schedule::Prediction prediction = schedule::predict(program, *target, position);
  out.bandwidth_bytes_per_second = bandwidth.bytes_per_second;
  out.floor_us =
      static_cast<double>(prediction.weight_bytes + prediction.history_bytes) / bandwidth.bytes_per_second * 1e6;
  return {};
}

Status trace_runs(const Subject& subject, const TraceRequest& request, CudaVm& machine, TraceRun& out) {
  subject.on_stage({Stage::kHistory, request.position});
  AMK_TRY(machine.set_history(eval::coarse_history_of(request.seed), request.position));
  std::vector<std::pair<double, std::vector<device::TraceRecord>>> runs;
  for (uint32_t i = 0; i < kWarmUps + request.runs; ++i) {
    AMK_TRY(machine.enqueue(1, request.position));
    AMK_TRY(machine.synchronize());
    if (i < kWarmUps) continue;
    AMK_ASSIGN_OR_RETURN(std::vector<device::TraceRecord> records, machine.trace());
    const eval::TracedPass pass{&subject.program.program(), records, machine.traced_tasks(), machine.queue_begin()};
    AMK_ASSIGN_OR_RETURN(const eval::Timeline timeline, eval::timeline_of(pass));
    runs.emplace_back(timeline.span_us, std::move(records));
    subject.on_stage({Stage::kTracing, request.position, i + 1 - kWarmUps, request.runs});
  }
  std::sort(runs.begin(), runs.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& run : runs) out.spans_us.push_back(run.first);
  out.records = std::move(runs[runs.size() / 2].second);
  out.tasks = machine.traced_tasks();
  out.queue_begin = machine.queue_begin();
  return {};
}

}  // namespace

Result<TraceRun> measure_trace(const Subject& subject, const TraceRequest& request) {
  const uint32_t context = subject.program.program().meta.context;
  if (request.position >= context || request.runs == 0 || request.checked == 0) {
    return Error{ErrorCode::kUsage,
                 fmt::format("expected a position below the context, {}, and at least one run, found {} and {}",
                             context, request.position, request.runs),
                 "", "compile with a larger --context"};
  }
  TraceRun out;
  AMK_ASSIGN_OR_RETURN(Device device, Device::open(subject.ordinal));
  out.device = device.info().name;
  subject.on_stage({Stage::kLoad});
  vm::cuda::CudaVmOptions options;
  options.trace = true;
  AMK_ASSIGN_OR_RETURN(CudaVm machine,
                       CudaVm::create(subject.program, subject.checkpoint, device, subject.pool, options));
  AMK_ASSIGN_OR_RETURN(const GateResult gate, check_against_oracle(machine, subject, request.checked, request.seed));
  out.agreement = gate.agreement;
  out.repeatable = gate.repeatable;
  if (!out.correct()) return out;
  subject.on_stage({Stage::kBandwidth});
  AMK_TRY(measure_floor(subject, request.position, device, out));
  AMK_TRY(trace_runs(subject, request, machine, out));
  return out;
}

}  // namespace amk::worker
