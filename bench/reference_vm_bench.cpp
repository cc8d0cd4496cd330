// Tokens a second of the reference VM: reference_vm_bench [MODEL [TOKENS [CONTEXT]]].
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <vector>

#include "schedule/lowering.h"
#include "schedule/target.h"
#include "vm/reference/reference_vm.h"

namespace {

using namespace amk;
using Clock = std::chrono::steady_clock;

Result<vm::ReferenceVm> make(const model::Checkpoint& checkpoint, uint32_t context, ThreadPool& pool) {
  const schedule::ModelGraph graph = schedule::build_graph(checkpoint);
  AMK_ASSIGN_OR_RETURN(const abi::TargetInfo* target, schedule::find_target("h100"));
  AMK_ASSIGN_OR_RETURN(schedule::Program program, schedule::lower({&graph, target, {}, context}));
  const validator::Validation validation = validator::validate(std::move(program));
  if (!validation.validated) {
    return Error{ErrorCode::kInternal, "expected an accepted program, found a rejected one", "", ""};
  }
  return vm::ReferenceVm::create(*validation.validated, checkpoint, pool);
}

Status measure(const char* model, size_t tokens, uint32_t context) {
  AMK_ASSIGN_OR_RETURN(const model::Checkpoint checkpoint, model::Checkpoint::open(model));
  ThreadPool pool;
  AMK_ASSIGN_OR_RETURN(vm::ReferenceVm machine, make(checkpoint, context, pool));
  AMK_TRY(machine.step(1));  // brings the weights in
  std::vector<double> seconds;
  for (size_t i = 0; i < tokens; ++i) {
    const auto start = Clock::now();
    AMK_TRY(machine.step(machine.next_token()));
    seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
  }
  std::sort(seconds.begin(), seconds.end());
  const double median = seconds[seconds.size() / 2];
  fmt::print(
      "{}: {:.1f} tokens/s, {:.2f} GB/s of weights, on {} threads; ms a token: best {:.1f}, median {:.1f}, worst "
      "{:.1f}\n",
      model, 1 / median, static_cast<double>(checkpoint.weight_bytes()) / median * 1e-9, pool.size(),
      seconds.front() * 1e3, median * 1e3, seconds.back() * 1e3);
  return {};
}

}  // namespace

// NOLINTNEXTLINE(bugprone-exception-escape): running out of memory may end a benchmark
int main(int argc, char** argv) {
  const char* model = argc > 1 ? argv[1] : "synthetic:smollm2-135m";
  const size_t tokens = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 32;
  const auto context = static_cast<uint32_t>(argc > 3 ? std::strtoul(argv[3], nullptr, 10) : 2048);
  const Status status = measure(model, std::max<size_t>(1, tokens), context);
  if (!status) fmt::print(stderr, "{}\n", status.error().text());
  return status ? 0 : 1;
}
