#include "search/tune.h"

#include <doctest/doctest.h>

#include "eval/gpu_machine.h"
#include "schedule/schedule_config_json.h"
#include "support/gates.h"
#include "vm/cuda/kernel_build.h"
#include "vm/cuda/kernel_cache.h"

namespace {

using namespace amk;
using namespace amk::search;
using test::Environment;

/// Tuning of a small golden model by the fake worker, which goes wrong as $AMK_FAKE says.
struct TuneBench {
  test::LoweredModel model = test::open_model("tests/models/llama-gqa-tied");
  ThreadPool pool{2};

  [[nodiscard]] TuneOptions options() const {
    TuneOptions out;
    out.checkpoint = &model.checkpoint;
    out.target = *schedule::find_target("h100");
    out.context = 64;
    out.compared_positions = 2;
    const auto worker = std::make_shared<ipc::WorkerClient>(ipc::WorkerClient::start({{FAKE_WORKER_PROGRAM}}).value());
    eval::GpuOptions loading;
    loading.beside_others = true;
    loading.launch_deadline = std::chrono::milliseconds(500);
    out.whole_machine = eval::gpu_machines(worker, loading);
    out.bandwidth = 1e15;
    out.part_machine = [worker, loading, this](const validator::ValidatedProgram& part,
                                               const validator::ValidatedProgram& whole) {
      eval::GpuOptions of_part = loading;
      of_part.whole = whole;
      return eval::load_gpu_machine(worker, part, model.checkpoint, of_part);
    };
    return out;
  }

  Result<TuneResult> tune(const char* instruction, const TuneOptions& options,
                          const schedule::ScheduleConfig& start = {}) {
    return search::tune(options, find_instruction(instruction).value(), start, pool);
  }
};

}  // namespace

TEST_CASE("an instruction is found by its name in any case or its folder's; others are refused with the nearest name") {
  CHECK(find_instruction("normgateupsilu")->folder == "gate_up");
  CHECK(find_instruction("gate_up")->knobs.size() == 2);
  CHECK(find_instruction("AttentionCombine")->opcodes == find_instruction("Attention")->opcodes);
  CHECK(find_instruction("GemvResidual")->opcodes == 1U << static_cast<uint32_t>(abi::Opcode::kGemvResidual));
  CHECK(tunable_instructions().size() == 4);
  const auto misspelt = find_instruction("GateUpSil");
  REQUIRE_FALSE(misspelt.ok());
  CHECK(misspelt.error().message.find("did you mean 'GateUpSilu'") != std::string::npos);
  const auto without = find_instruction("Embed");
  REQUIRE_FALSE(without.ok());
  CHECK(without.error().message.find("Embed has none") != std::string::npos);
}

TEST_CASE("what is faster is kept, step by step, and the winner's build is the megakernel's") {
  const Environment fake("AMK_FAKE", "tuned");
  TuneBench bench;
  const Result<TuneResult> result = bench.tune("gate_up", bench.options());
  REQUIRE_MESSAGE(result.ok(), (result.ok() ? "" : result.error().text()));
  // The fake is the faster the higher a knob is.
  CHECK(result->winner.gate_up_pairs_ahead == 8);
  CHECK(result->winner.gate_up_batch_tiles == 8);
  CHECK(result->winner.qkv_pairs_ahead == schedule::ScheduleConfig{}.qkv_pairs_ahead);
  CHECK(result->gain < 0.99);
  CHECK(result->ended_by == "exhausted");
  CHECK(result->verdict.correct);
  CHECK(result->start_trial.measurement->kind == eval::LatencyKind::kMeasuredGpu);
  const TuneTrial* last = nullptr;
  for (const TuneTrial& trial : result->trials) {
    CHECK(trial.correctness.correct);
    CHECK(trial.build.registers > 0);
    if (trial.outcome == Outcome::kKept) last = &trial;
  }
  REQUIRE(last != nullptr);
  const schedule::Program whole =
      schedule::lower({&bench.model.graph, *schedule::find_target("h100"), result->winner, 64}).value();
  CHECK(last->kernel_hash ==
        vm::cuda::kernel_key(vm::cuda::compile_request(vm::cuda::kernel_spec(whole).value(), 90), "any"));
}

TEST_CASE("what is wrong is never kept, however fast") {
  const Environment fake("AMK_FAKE", "off:8");
  TuneBench bench;
  TuneOptions options = bench.options();
  options.position = 40;
  const Result<TuneResult> result = bench.tune("attention", options);
  REQUIRE_MESSAGE(result.ok(), (result.ok() ? "" : result.error().text()));
  CHECK(result->winner.attention_positions_at_once == 7);
  CHECK(result->winner.attention_splits_ahead == 8);
  const auto wrong = std::find_if(result->trials.begin(), result->trials.end(), [](const TuneTrial& trial) {
    return trial.knob == "instruction_knobs.attention.positions_at_once" && trial.value == 8;
  });
  REQUIRE(wrong != result->trials.end());
  CHECK(wrong->outcome == Outcome::kIncorrect);
  CHECK_FALSE(wrong->measurement.has_value());
}

TEST_CASE("without a difference nothing is kept; trials and time end a run; a worker that ends costs a trial") {
  TuneBench bench;
  {
    const Environment fake("AMK_FAKE", "modelled");
    TuneOptions options = bench.options();
    options.trials = 3;
    const Result<TuneResult> result = bench.tune("qkv", options);
    REQUIRE(result.ok());
    CHECK(result->winner == result->start);
    CHECK(result->gain == 1);
    CHECK(result->ended_by == "trials");
    CHECK(result->trials.size() == 3);
  }
  {
    const Environment fake("AMK_FAKE", "modelled");
    TuneOptions options = bench.options();
    options.bandwidth = 1;
    const Result<TuneResult> result = bench.tune("qkv", options);
    REQUIRE(result.ok());
    CHECK(result->trials.front().outcome == Outcome::kArtefact);
    CHECK_FALSE(result->trials.front().measurement.has_value());
  }
  {
    // Two steps verify the start; the third pass is the first candidate's.
    const Environment fake("AMK_FAKE", "crash:3");
    TuneOptions options = bench.options();
    options.trials = 2;
    const Result<TuneResult> result = bench.tune("qkv", options);
    REQUIRE_MESSAGE(result.ok(), (result.ok() ? "" : result.error().text()));
    CHECK(result->trials.front().outcome == Outcome::kBroken);
  }
}

TEST_CASE("every trial is told as soon as it is judged, and a listener that fails ends the run") {
  const Environment fake("AMK_FAKE", "modelled");
  TuneBench bench;
  const TuneOptions options = bench.options();
  size_t told = 0;
  const auto full = [&](const TuneResult& so_far) -> Status {
    CHECK(so_far.trials.size() == ++told);
    CHECK(so_far.start_trial.correctness.device == "Fake H100 80GB HBM3");
    if (told < 2) return {};
    return Error{ErrorCode::kIo, "expected room, found none", "", ""};
  };
  const Result<TuneResult> result = search::tune(options, find_instruction("qkv").value(), {}, bench.pool, full);
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().code == ErrorCode::kIo);
  CHECK(told == 2);
}

TEST_CASE("a start that is wrong, and an instruction that the schedule lacks, are errors") {
  TuneBench bench;
  {
    const Environment fake("AMK_FAKE", "wrong:1");
    const Result<TuneResult> result = bench.tune("qkv", bench.options());
    REQUIRE_FALSE(result.ok());
    CHECK(result.error().code == ErrorCode::kBadInput);
    CHECK(result.error().message.find("correct to start from") != std::string::npos);
  }
  const Result<TuneResult> missing = bench.tune("GateUpSilu", bench.options());
  REQUIRE_FALSE(missing.ok());
  CHECK(missing.error().code == ErrorCode::kUsage);
}
