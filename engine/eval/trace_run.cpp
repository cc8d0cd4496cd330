#include "eval/trace_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "eval/benchmark.h"
#include "schedule/cost_model.h"
#include "schedule/target.h"
#include "vm/cuda/baselines/bandwidth.h"
#include "vm/cuda/cuda_vm.h"

namespace amk::eval {
namespace {

using vm::cuda::CudaVm;
using vm::cuda::Device;

constexpr uint32_t kWarmUps = 5;

Status measure_floor(const TraceRequest& request, Device& device, TraceRun& out) {
  AMK_ASSIGN_OR_RETURN(vm::cuda::BandwidthProbe probe, vm::cuda::BandwidthProbe::create(device));
  AMK_ASSIGN_OR_RETURN(const vm::cuda::Bandwidth bandwidth, probe.measure());
  const schedule::Program& program = request.program->program();
  AMK_ASSIGN_OR_RETURN(const abi::TargetInfo* target, schedule::find_target(program.target));
  const schedule::Prediction prediction = schedule::predict(program, *target, request.position);
  out.bandwidth_bytes_per_second = bandwidth.bytes_per_second;
  out.floor_us =
      static_cast<double>(prediction.weight_bytes + prediction.history_bytes) / bandwidth.bytes_per_second * 1e6;
  return {};
}

Status trace_runs(const TraceRequest& request, CudaVm& machine, TraceRun& out) {
  AMK_TRY(machine.set_history(
      [&](uint32_t layer, bool value, uint64_t element) { return history_value(request.seed, layer, value, element); },
      request.position));
  std::vector<std::pair<double, std::vector<device::TraceRecord>>> runs;
  for (uint32_t i = 0; i < kWarmUps + request.runs; ++i) {
    AMK_TRY(machine.enqueue(1, request.position));
    AMK_TRY(machine.synchronize());
    if (i < kWarmUps) continue;
    AMK_ASSIGN_OR_RETURN(std::vector<device::TraceRecord> records, machine.trace());
    const TracedPass pass{&request.program->program(), records, machine.traced_tasks(), machine.queue_begin()};
    AMK_ASSIGN_OR_RETURN(const Timeline timeline, timeline_of(pass));
    runs.emplace_back(timeline.span_us, std::move(records));
    if (request.progress) request.progress("tracing", i + 1 - kWarmUps, request.runs);
  }
  std::sort(runs.begin(), runs.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& run : runs) out.spans_us.push_back(run.first);
  out.records = std::move(runs[runs.size() / 2].second);
  out.tasks = machine.traced_tasks();
  out.queue_begin = machine.queue_begin();
  return {};
}

}  // namespace

Result<TraceRun> run_trace(const TraceRequest& request, Device& device, ThreadPool& pool) {
  const uint32_t context = request.program->program().meta.context;
  if (request.position >= context || request.runs == 0 || request.checked == 0) {
    return Error{ErrorCode::kUsage,
                 fmt::format("expected a position below the context, {}, and at least one run, found {} and {}",
                             context, request.position, request.runs),
                 "", "compile with a larger --context"};
  }
  TraceRun out;
  if (request.progress) request.progress("building the kernel, uploading weights", 0, 0);
  vm::cuda::CudaVmOptions options;
  options.trace = true;
  AMK_ASSIGN_OR_RETURN(CudaVm machine, CudaVm::create(*request.program, *request.checkpoint, device, pool, options));
  if (request.progress) request.progress("asking the oracle", 0, 0);
  AMK_ASSIGN_OR_RETURN(const GateResult gate,
                       check_against_oracle(machine, request.program->program(), *request.checkpoint, request.checked,
                                            request.seed, pool));
  out.agreement = gate.agreement;
  out.repeatable = gate.repeatable;
  if (!out.correct()) return out;
  AMK_TRY(measure_floor(request, device, out));
  AMK_TRY(trace_runs(request, machine, out));
  return out;
}

}  // namespace amk::eval
