// The megakernel under several schedules: megakernel_bench MODEL CONTEXT CHECKED POSITIONS SCHEDULE...
//
// For each SCHEDULE (JSON text): runs CHECKED positions against the oracle, then times single launches at each of the
// comma-separated POSITIONS, and prints a line. For trying ideas out on a GPU; `amk bench` is what reports.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "eval/logits.h"
#include "eval/oracle.h"
#include "eval/tolerance.h"
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

/// What the oracle says of the first positions.
struct Truth {
  std::vector<uint32_t> tokens;
  std::vector<std::vector<float>> logits;
};

Result<Truth> truth_of(const model::Checkpoint& checkpoint, const Arguments& arguments, ThreadPool& pool) {
  Truth truth;
  AMK_ASSIGN_OR_RETURN(eval::Oracle oracle, eval::Oracle::create(checkpoint, arguments.context, pool));
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

Status run_schedule(const model::Checkpoint& checkpoint, const Arguments& arguments, const std::string& text,
                    const Truth& truth, vm::cuda::Device& device, ThreadPool& pool) {
  AMK_ASSIGN_OR_RETURN(const schedule::ScheduleConfig config, schedule::config_from_json(text, "argument"));
  const schedule::ModelGraph graph = schedule::build_graph(checkpoint);
  const char* name = device.info().sms == 132 ? (device.info().memory_bytes > 100000000000ULL ? "h200" : "h100") : "h100";
  AMK_ASSIGN_OR_RETURN(const abi::TargetInfo* target, schedule::find_target(name));
  AMK_ASSIGN_OR_RETURN(schedule::Program program, schedule::lower({&graph, target, config, arguments.context}));
  const validator::Validation validation = validator::validate(std::move(program));
  if (!validation.validated) return Error{ErrorCode::kInternal, "expected an accepted program, found a rejected one", "", ""};
  AMK_ASSIGN_OR_RETURN(vm::cuda::CudaVm machine,
                       vm::cuda::CudaVm::create(*validation.validated, checkpoint, device, pool));
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
  std::fflush(stdout);
  return {};
}

Status run(const Arguments& arguments, char** schedules, int count) {
  ThreadPool pool;
  AMK_ASSIGN_OR_RETURN(const model::Checkpoint checkpoint, model::Checkpoint::open(arguments.model));
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
  Arguments arguments{argv[1], static_cast<uint32_t>(std::strtoul(argv[2], nullptr, 10)),
                      static_cast<uint32_t>(std::strtoul(argv[3], nullptr, 10)), {}};
  for (char* at = argv[4]; *at != 0;) {
    arguments.positions.push_back(static_cast<uint32_t>(std::strtoul(at, &at, 10)));
    if (*at == ',') ++at;
  }
  const Status status = run(arguments, argv + 5, argc - 5);
  if (!status) fmt::print(stderr, "{}\n", status.error().text());
  return status ? 0 : 1;
}
