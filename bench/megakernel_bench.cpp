// The megakernel under several schedules: megakernel_bench MODEL CONTEXT CHECKED POSITIONS SCHEDULE...
//
// For each SCHEDULE (JSON text): runs CHECKED positions against the oracle, then times single launches at each of the
// comma-separated POSITIONS, and prints a line. For trying ideas out on a GPU; `amk bench` is what reports.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "eval/logits.h"
#include "eval/oracle.h"
#include "eval/tolerance.h"
#include "model/quantise.h"
#include "schedule/lowering.h"
#include "schedule/schedule_config_json.h"
#include "schedule/target.h"
#include "vm/cuda/cuda_vm.h"

namespace {

using namespace amk;

struct Arguments {
  std::string model;
  uint32_t context = 0;
  uint32_t checked = 0;
  std::vector<uint32_t> positions;
};

/// The caches' type: $AMK_BENCH_KV, f32 where it is not set.
abi::Dtype kv_dtype() {
  const char* text = std::getenv("AMK_BENCH_KV");
  const std::string name = text == nullptr ? "f32" : text;
  return name == "bf16" ? abi::Dtype::kBf16 : name == "f16" ? abi::Dtype::kF16 : abi::Dtype::kF32;
}

/// What the oracle says of the first positions.
struct Truth {
  std::vector<uint32_t> tokens;
  std::vector<std::vector<float>> logits;
};

Result<Truth> truth_of(const model::Checkpoint& checkpoint, const Arguments& arguments, ThreadPool& pool) {
  Truth truth;
  AMK_ASSIGN_OR_RETURN(eval::Oracle oracle, eval::Oracle::create(checkpoint, arguments.context, pool, kv_dtype()));
  uint32_t token = 1;
  for (uint32_t i = 0; i < arguments.checked; ++i) {
    truth.tokens.push_back(token);
    AMK_ASSIGN_OR_RETURN(std::vector<float> logits, oracle.forward(std::span(&token, 1)));
    token = static_cast<uint32_t>(eval::best_token(logits));
    truth.logits.push_back(std::move(logits));
  }
  truth.tokens.push_back(token);
  return truth;
}

Status check(vm::cuda::CudaVm& machine, const Truth& truth, const model::ModelConfig& config) {
  double worst = 0, largest = 0;
  uint32_t different = 0;
  for (size_t i = 0; i < truth.logits.size(); ++i) {
    AMK_TRY(machine.step(truth.tokens[i]));
    AMK_ASSIGN_OR_RETURN(const std::vector<float> logits, machine.logits());
    const double difference = eval::largest_difference(truth.logits[i], logits);
    if (std::isnan(difference) || difference > worst) worst = difference;
    largest = std::max(largest, eval::largest_magnitude(truth.logits[i]));
    if (machine.next_token() != truth.tokens[i + 1]) ++different;
  }
  fmt::print("  error {:.2e} (largest logit {:.1f}, f32 tolerance {:.1e}), {} of {} tokens differ", worst, largest,
             eval::logit_tolerance(config, largest), different, truth.logits.size());
  return {};
}

Result<double> median_us(vm::cuda::Device& device, vm::cuda::CudaVm& machine, uint32_t position) {
  AMK_ASSIGN_OR_RETURN(const vm::cuda::Event begin, device.create_event());
  AMK_ASSIGN_OR_RETURN(const vm::cuda::Event end, device.create_event());
  std::vector<double> times;
  for (int i = 0; i < 40; ++i) {
    AMK_TRY(device.record(begin));
    AMK_TRY(machine.enqueue(1, position));
    AMK_TRY(device.record(end));
    AMK_TRY(machine.synchronize());
    AMK_ASSIGN_OR_RETURN(const double us, device.elapsed_us(begin, end));
    if (i >= 10) times.push_back(us);
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

/// With the defines of $AMK_BENCH_DEFINES, comma-separated, in the kernel's build.
vm::cuda::CudaVmOptions options(bool trace = false) {
  vm::cuda::CudaVmOptions out;
  out.trace = trace;
  std::string text = std::getenv("AMK_BENCH_DEFINES") == nullptr ? "" : std::getenv("AMK_BENCH_DEFINES");
  for (size_t comma = 0; !text.empty(); text = comma == std::string::npos ? "" : text.substr(comma + 1)) {
    comma = text.find(',');
    out.sabotage.defines.push_back(text.substr(0, comma));
  }
  return out;
}

/// Mean over layers of the microseconds of each phase, by instruction; and of the spread of the finish of a level.
Status print_trace(const schedule::Program& program, vm::cuda::CudaVm& machine) {
  AMK_ASSIGN_OR_RETURN(const std::vector<device::TraceRecord> records, machine.trace());
  struct Level {
    double wait = 0, stage = 0, work = 0, publish = 0, tasks = 0;
    uint64_t first_begin = UINT64_MAX, last_begin = 0, first_end = UINT64_MAX, last_end = 0;
  };
  std::map<std::string, Level> levels;
  uint64_t start = UINT64_MAX, stop = 0;
  for (size_t i = 0; i < records.size(); ++i) {
    const schedule::Task& task = program.task(TaskId(machine.traced_tasks()[i]));
    const device::TraceRecord& r = records[i];
    Level& level = levels[task.label.substr(0, task.label.find('['))];
    const uint64_t staged = std::max(r.staged, r.ready);
    level.wait += static_cast<double>(r.ready - r.begin);
    level.stage += static_cast<double>(staged - r.ready);
    level.work += static_cast<double>(r.done - staged);
    level.publish += static_cast<double>(r.published - r.done);
    level.tasks += 1;
    level.first_begin = std::min(level.first_begin, r.begin);
    level.last_begin = std::max(level.last_begin, r.begin);
    level.first_end = std::min(level.first_end, r.published);
    level.last_end = std::max(level.last_end, r.published);
    start = std::min(start, r.begin);
    stop = std::max(stop, r.published);
  }
  fmt::print("  trace: {:.1f} us\n", static_cast<double>(stop - start) / 1e3);
  for (const char* layer : {"l6.", "head."}) {
    for (const auto& [name, l] : levels) {
      if (name.rfind(layer, 0) != 0) continue;
      const auto at = [&](uint64_t t) { return static_cast<double>(t - start) / 1e3; };
      fmt::print(
          "    {:16} {:4} tasks: wait {:5.2f} stage {:5.2f} work {:5.2f} publish {:5.2f}; begins {:7.2f}..{:7.2f} ends "
          "{:7.2f}..{:7.2f}\n",
          name, l.tasks, l.wait / l.tasks / 1e3, l.stage / l.tasks / 1e3, l.work / l.tasks / 1e3,
          l.publish / l.tasks / 1e3, at(l.first_begin), at(l.last_begin), at(l.first_end), at(l.last_end));
    }
  }
  return {};
}

Status run_schedule(const model::Checkpoint& checkpoint, const Arguments& arguments, const std::string& text,
                    const Truth& truth, vm::cuda::Device& device, ThreadPool& pool) {
  AMK_ASSIGN_OR_RETURN(const schedule::ScheduleConfig config, schedule::config_from_json(text, "argument"));
  const schedule::ModelGraph graph = schedule::build_graph(checkpoint);
  const char* name =
      device.info().sms == 132 ? (device.info().memory_bytes > 100000000000ULL ? "h200" : "h100") : "h100";
  AMK_ASSIGN_OR_RETURN(const abi::TargetInfo* target, schedule::find_target(name));
  AMK_ASSIGN_OR_RETURN(schedule::Program program,
                       schedule::lower({&graph, target, config, arguments.context, kv_dtype()}));
  const validator::Validation validation = validator::validate(std::move(program));
  if (!validation.validated)
    return Error{ErrorCode::kInternal, "expected an accepted program, found a rejected one", "", ""};
  AMK_ASSIGN_OR_RETURN(vm::cuda::CudaVm machine,
                       vm::cuda::CudaVm::create(*validation.validated, checkpoint, device, pool, options()));
  fmt::print("{} {}: {} stages, {} regs, {} local, built {:.1f} s, up {:.1f} s\n", arguments.model, text,
             validation.validated->program().launch.stages, machine.resources().registers,
             machine.resources().local_bytes, machine.build_seconds(), machine.upload_seconds());
  std::fflush(stdout);
  if (const Status status = check(machine, truth, checkpoint.config()); !status.ok()) {
    fmt::print("  FAILED {}\n", status.error().text());
    return status;
  }
  for (const uint32_t position : arguments.positions) {
    AMK_ASSIGN_OR_RETURN(const double us, median_us(device, machine, position));
    fmt::print("; @{} {:.1f} us", position, us);
  }
  fmt::print("\n");
  if (std::getenv("AMK_BENCH_TRACE") != nullptr) {
    AMK_ASSIGN_OR_RETURN(vm::cuda::CudaVm traced,
                         vm::cuda::CudaVm::create(*validation.validated, checkpoint, device, pool, options(true)));
    for (const uint32_t position : {arguments.positions.front()}) {
      for (int i = 0; i < 5; ++i) AMK_TRY(traced.enqueue(1, position));
      AMK_TRY(traced.synchronize());
      AMK_TRY(print_trace(validation.validated->program(), traced));
    }
  }
  std::fflush(stdout);
  return {};
}

Status run(const Arguments& arguments, char** schedules, int count) {
  ThreadPool pool;
  model::OpenOptions options;
  if (const char* weights = std::getenv("AMK_BENCH_WEIGHTS")) {
    AMK_ASSIGN_OR_RETURN(options.weights, model::parse_weight_format(weights));
  }
  AMK_ASSIGN_OR_RETURN(const model::Checkpoint checkpoint, model::Checkpoint::open(arguments.model, options));
  AMK_ASSIGN_OR_RETURN(vm::cuda::Device device, vm::cuda::Device::open());
  AMK_ASSIGN_OR_RETURN(const Truth truth, truth_of(checkpoint, arguments, pool));
  for (int i = 0; i < count; ++i) AMK_TRY(run_schedule(checkpoint, arguments, schedules[i], truth, device, pool));
  return {};
}

}  // namespace

// NOLINTNEXTLINE(bugprone-exception-escape): running out of memory may end a benchmark
int main(int argc, char** argv) {
  if (argc < 6) {
    fmt::print(stderr, "usage: megakernel_bench MODEL CONTEXT CHECKED POSITIONS SCHEDULE...\n");
    return 2;
  }
  Arguments arguments{argv[1],
                      static_cast<uint32_t>(std::strtoul(argv[2], nullptr, 10)),
                      static_cast<uint32_t>(std::strtoul(argv[3], nullptr, 10)),
                      {}};
  for (char* at = argv[4]; *at != 0;) {
    arguments.positions.push_back(static_cast<uint32_t>(std::strtoul(at, &at, 10)));
    if (*at == ',') ++at;
  }
  const Status status = run(arguments, argv + 5, argc - 5);
  if (!status) fmt::print(stderr, "{}\n", status.error().text());
  return status ? 0 : 1;
}
