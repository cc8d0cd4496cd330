// The CUDA VM against the oracle on a GPU: every way to build the kernel, every kind of weights, long runs, and what
// must be caught when it is broken on purpose. Run by ./dev test-gpu; without a GPU it says SKIPPED.
//
// $AMK_GOLDEN may name folders of checkpoints to check too, with ':' between them. A kernel is compiled for each
// combination: the whole program takes minutes.
#include <doctest/doctest.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>

#include "base/files.h"
#include "eval/evaluate.h"
#include "eval/gpu_machine.h"
#include "eval/history.h"
#include "eval/logits.h"
#include "eval/oracle.h"
#include "eval/tolerance.h"
#include "support/expected.h"
#include "support/lowered.h"
#include "support/skipped.h"
#include "support/temp_directory.h"
#include "vm/cuda/cuda_vm.h"

using namespace amk;
using vm::cuda::CudaVm;
using vm::cuda::CudaVmOptions;
using vm::cuda::Device;

namespace {

constexpr uint32_t kContext = 320;  // several blocks of attention's default, the last a part of one
constexpr const char* kShippedModel = "models/shakespeare-llama-3m";

ThreadPool& pool() {
  static ThreadPool threads;
  return threads;
}

/// The GPU and the target it is; nothing where there is none, and then the test case has been skipped.
struct Gpu {
  Device device;
  const abi::TargetInfo* target;
};

Gpu* gpu_or_skip(const char* test_case) {
  static std::string problem;
  static std::optional<Gpu> gpu = []() -> std::optional<Gpu> {
    Result<Device> device = Device::open();
    if (!device) return problem = device.error().text(), std::nullopt;
    for (const abi::TargetInfo& target : abi::kTargets) {
      if (target.sm == device->info().sm && target.sms == device->info().sms) return Gpu{std::move(*device), &target};
    }
    return problem = device->info().name + " is none of the targets", std::nullopt;
  }();
  if (!gpu) test::skip(test_case, problem);
  return gpu ? &*gpu : nullptr;
}

/// A checkpoint, and what the oracle says of it: greedy tokens and their logits.
struct Truth {
  std::vector<uint32_t> tokens;  ///< fed; one more than there are logits
  std::vector<std::vector<float>> logits;
};

struct Model {
  explicit Model(const std::string& source, const std::string& weights = "stored", abi::Dtype kv = abi::Dtype::kF32,
                 uint32_t positions = kContext)
      : checkpoint(open(source, weights)), graph(schedule::build_graph(checkpoint)), kv_dtype(kv) {
    context = std::min(positions, graph.config.context_max);
  }
  static model::Checkpoint open(const std::string& source, const std::string& weights) {
    model::OpenOptions options;
    options.weights = model::parse_weight_format(weights).value();
    auto opened = model::Checkpoint::open(source, options);
    REQUIRE_MESSAGE(opened.ok(), (opened.ok() ? "" : opened.error().text()));
    return std::move(opened).value();
  }

  [[nodiscard]] eval::Oracle oracle() const {
    return eval::Oracle::create(checkpoint, context, pool(), kv_dtype).value();
  }
  [[nodiscard]] Truth truth(uint32_t count) const {
    eval::Oracle judge = oracle();
    Truth out{{1}, {}};
    for (uint32_t i = 0; i < count; ++i) {
      out.logits.push_back(judge.forward_last(std::vector{out.tokens.back()}).value());
      out.tokens.push_back(eval::best_token(out.logits.back()));
    }
    return out;
  }
  [[nodiscard]] validator::ValidatedProgram program(const Gpu& gpu, const schedule::ScheduleConfig& config = {}) const {
    auto lowered = schedule::lower({&graph, gpu.target, config, context, kv_dtype});
    REQUIRE_MESSAGE(lowered.ok(), (lowered.ok() ? "" : lowered.error().text()));
    const validator::Validation validation = validator::validate(std::move(lowered).value());
    REQUIRE(validation.validated.has_value());
    return *validation.validated;
  }
  [[nodiscard]] double tolerance(const std::vector<float>& expected, const validator::ValidatedProgram& program) const {
    return eval::logit_tolerance(checkpoint.config(), eval::largest_magnitude(expected), kv_dtype,
                                 eval::input_rounding(program.program()));
  }

  model::Checkpoint checkpoint;
  schedule::ModelGraph graph;
  abi::Dtype kv_dtype;
  uint32_t context = 0;
};

CudaVm load(Gpu& gpu, const Model& model, const validator::ValidatedProgram& program,
            const CudaVmOptions& options = {}) {
  auto machine = CudaVm::create(program, model.checkpoint, gpu.device, pool(), options);
  REQUIRE_MESSAGE(machine.ok(), (machine.ok() ? "" : machine.error().text()));
  return std::move(machine).value();
}

void require(const Status& status) { REQUIRE_MESSAGE(status.ok(), (status.ok() ? "" : status.error().text())); }

/// Largest share of the tolerance that a difference takes; infinite where one is not finite.
double worst_share(CudaVm& machine, const Model& model, const validator::ValidatedProgram& program,
                   const Truth& truth) {
  require(machine.reset());
  double worst = 0;
  for (size_t i = 0; i < truth.logits.size(); ++i) {
    require(machine.step(truth.tokens[i]));
    const double difference = eval::largest_difference(truth.logits[i], machine.logits().value());
    if (!std::isfinite(difference)) return HUGE_VAL;
    worst = std::max(worst, difference / model.tolerance(truth.logits[i], program));
  }
  return worst;
}

void check_greedy(CudaVm& machine, const Model& model, const validator::ValidatedProgram& program, const Truth& truth) {
  require(machine.reset());
  for (size_t i = 0; i < truth.logits.size(); ++i) {
    require(machine.step(truth.tokens[i]));
    const bool near_tie = eval::top_margin(truth.logits[i]) <= 2 * model.tolerance(truth.logits[i], program);
    CHECK_MESSAGE((near_tie || machine.next_token() == truth.tokens[i + 1]), "position " << i);
  }
}

/// Behind a drawn history: in the middle of the context and at its end.
void check_late(CudaVm& machine, const Model& model, const validator::ValidatedProgram& program) {
  eval::Oracle oracle = model.oracle();
  for (const uint32_t position : {model.context / 2, model.context - 1}) {
    const eval::HistoryDraw draw = eval::history_of(3, model.kv_dtype);
    require(machine.set_history(draw, position));
    require(oracle.set_history(draw, position));
    require(machine.step(1));
    const std::vector<float> expected = oracle.forward_last(std::vector{1U}).value();
    const double difference = eval::largest_difference(expected, machine.logits().value());
    CHECK_MESSAGE(difference <= model.tolerance(expected, program), "position " << position);
  }
}

/// All that is asked of one program; prints how much of the tolerance it took.
void check_program(Gpu& gpu, const Model& model, const Truth& truth, const schedule::ScheduleConfig& config,
                   const std::string& what) {
  CAPTURE(what);
  const validator::ValidatedProgram program = model.program(gpu, config);
  CudaVm machine = load(gpu, model, program);
  const double share = worst_share(machine, model, program, truth);
  CHECK(share <= 1);
  check_late(machine, model, program);
  std::printf("%s: %.3f of the tolerance, %u registers, %u bytes of local memory\n", what.c_str(), share,
              machine.resources().registers, machine.resources().local_bytes);
  std::fflush(stdout);
}

std::vector<std::string> golden_folders() {
  std::vector<std::string> out;
  for (const std::string& name : test::exact_models()) out.push_back("tests/models/" + name);
  const char* more = std::getenv("AMK_GOLDEN");
  for (std::string rest = more == nullptr ? "" : more; !rest.empty();) {
    const size_t colon = std::min(rest.find(':'), rest.size());
    if (colon > 0) out.push_back(rest.substr(0, colon));
    rest.erase(0, colon + 1);
  }
  return out;
}

schedule::ScheduleConfig launches_of(uint32_t tokens) {
  schedule::ScheduleConfig config;
  config.tokens_per_launch = tokens;
  return config;
}

/// The worker of this build, or the one that $AMK_WORKER names: on the GPU's machine it lies elsewhere.
std::string worker_program() {
  const char* named = std::getenv("AMK_WORKER");
  return named == nullptr ? AMK_WORKER_PROGRAM : named;
}

/// A launch that is broken so is reported by task, label, counter and SM, and the next load finds a worker that works.
void check_reported(const Gpu& gpu, const std::shared_ptr<ipc::WorkerClient>& worker, const Model& model,
                    const validator::ValidatedProgram& program, const ipc::Json& sabotage) {
  eval::GpuOptions options;
  options.launch_deadline = std::chrono::milliseconds(1000);
  options.sabotage = sabotage;
  auto broken = eval::load_gpu_machine(worker, program, model.checkpoint, options);
  REQUIRE_MESSAGE(broken.ok(), (broken.ok() ? "" : broken.error().text()));
  const auto begin = std::chrono::steady_clock::now();
  const Status status = (*broken)->step(1);
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(5));
  REQUIRE(!status.ok());
  REQUIRE_MESSAGE((*broken)->fault().has_value(), status.error().text());
  const ipc::Fault& fault = *(*broken)->fault();
  CHECK(fault.task < program->tasks.size());
  CHECK(!fault.label.empty());
  CHECK(fault.sm < gpu.target->sms);
  CHECK(fault.value != fault.threshold);
  CHECK(fault.waited_ms >= 900);
  broken->reset();

  // The device's context is gone with that launch; the client's next worker has another.
  auto works = eval::load_gpu_machine(worker, program, model.checkpoint);
  REQUIRE_MESSAGE(works.ok(), (works.ok() ? "" : works.error().text()));
  CHECK((*works)->step(1).ok());
}

}  // namespace

TEST_CASE("every back end, protocol and way to multiply agrees with the oracle") {
  Gpu* gpu = gpu_or_skip("every back end");
  if (gpu == nullptr) return;
  for (const char* name : {"toy", "toy-2l", kShippedModel}) {
    const Model model(name);
    const Truth truth = model.truth(12);
    for (const auto backend : {abi::StreamBackend::kBulk, abi::StreamBackend::kCpAsync, abi::StreamBackend::kPlain}) {
      if (backend == abi::StreamBackend::kBulk && gpu->target->sm < 90) continue;
      for (const auto protocol : {abi::SyncProtocol::kPackets, abi::SyncProtocol::kCounters}) {
        for (const auto products : {abi::Products::kTensorCores, abi::Products::kFloat32}) {
          schedule::ScheduleConfig config;
          config.stream_backend = backend;
          config.sync_protocol = protocol;
          config.products = products;
          check_program(*gpu, model, truth, config,
                        std::string(name) +
                            (backend == abi::StreamBackend::kBulk      ? " bulk"
                             : backend == abi::StreamBackend::kCpAsync ? " cp_async"
                                                                       : " plain") +
                            (protocol == abi::SyncProtocol::kPackets ? " packets" : " counters") +
                            (products == abi::Products::kTensorCores ? " tensor_cores" : " float32"));
        }
      }
    }
  }
}

TEST_CASE("attention in any number of splits, joined wherever it may be, agrees with the oracle") {
  Gpu* gpu = gpu_or_skip("attention in any number of splits");
  if (gpu == nullptr) return;
  const std::vector<std::pair<const char*, schedule::FusionGrouping>> groupings = {
      {"its last task", schedule::default_fusion()},
      {"the projection", {{"combine", "o", "residual"}}},
      {"a task of its own", {{"o", "residual"}}}};
  for (const char* name : {"toy-2l", kShippedModel, "tests/models/llama-head-dim"}) {
    const Model model(name, "stored", abi::Dtype::kBf16);
    const Truth truth = model.truth(40);
    for (const auto& [joiner, grouping] : groupings) {
      for (const uint32_t splits : {1U, 2U, 5U, 33U}) {
        for (const auto protocol : {abi::SyncProtocol::kPackets, abi::SyncProtocol::kCounters}) {
          schedule::ScheduleConfig config;
          config.fusion_grouping = grouping;
          config.attention_kv_block = 16;
          config.attention_splits = splits;
          config.sync_protocol = protocol;
          const bool packets = protocol == abi::SyncProtocol::kPackets;
          check_program(*gpu, model, truth, config,
                        std::string(name) + ", " + std::to_string(splits) + " splits joined by " + joiner +
                            (packets ? ", packets" : ", counters"));
        }
      }
    }
  }
}

TEST_CASE("golden models agree with the oracle, fused and unfused") {
  Gpu* gpu = gpu_or_skip("golden models");
  if (gpu == nullptr) return;
  for (const std::string& folder : golden_folders()) {
    const Model model(folder);
    const Truth truth = model.truth(12);
    check_program(*gpu, model, truth, {}, folder);
    check_program(*gpu, model, truth, test::unfused(), folder + " unfused");
    schedule::ScheduleConfig config;
    config.products = abi::Products::kTensorCores;
    check_program(*gpu, model, truth, config, folder + " tensor_cores");
  }
}

TEST_CASE("at position 100,000 the program agrees with the oracle: RoPE is exact, attention long") {
  Gpu* gpu = gpu_or_skip("position 100,000");
  if (gpu == nullptr) return;
  const test::TempDirectory directory;
  const std::filesystem::path folder = directory.path() / "long";
  std::filesystem::copy("tests/models/llama3-rope", folder, std::filesystem::copy_options::recursive);
  std::string config = test::slurp(folder / "config.json");
  const std::string given = "\"max_position_embeddings\": 512";
  REQUIRE(config.find(given) != std::string::npos);
  config.replace(config.find(given), given.size(), "\"max_position_embeddings\": 131072");
  require(write_file_atomic(folder / "config.json", config));
  for (const abi::Dtype dtype : {abi::Dtype::kF32, abi::Dtype::kBf16}) {
    const Model model(folder.string(), "stored", dtype, 100'001);
    REQUIRE(model.context == 100'001);
    const validator::ValidatedProgram program = model.program(*gpu);
    CudaVm machine = load(*gpu, model, program);
    check_late(machine, model, program);
  }
}

TEST_CASE("quantised weights and 16-bit caches agree with the oracle") {
  Gpu* gpu = gpu_or_skip("quantised weights");
  if (gpu == nullptr) return;
  for (const char* weights : {"stored", "int8", "int8:64", "int8:row", "int4", "int4:64", "int4:row"}) {
    for (const abi::Dtype dtype : {abi::Dtype::kF32, abi::Dtype::kF16, abi::Dtype::kBf16}) {
      if (std::strcmp(weights, "stored") != 0 && dtype == abi::Dtype::kF16) continue;
      const Model model(kShippedModel, weights, dtype);
      const Truth truth = model.truth(12);
      for (const auto products : {abi::Products::kTensorCores, abi::Products::kFloat32}) {
        schedule::ScheduleConfig config;
        config.products = products;
        check_program(*gpu, model, truth, config,
                      std::string("shipped, ") + weights + ", caches of " + abi::dtype_name(dtype) +
                          (products == abi::Products::kTensorCores ? ", tensor_cores" : ", float32"));
      }
    }
  }
}

TEST_CASE("64 greedy tokens are the oracle's, and launches of 7 passes choose the tokens that launches of 1 do") {
  Gpu* gpu = gpu_or_skip("64 greedy tokens");
  if (gpu == nullptr) return;
  for (const char* name : {"toy", "toy-2l", kShippedModel}) {
    CAPTURE(name);
    const Model model(name);
    const Truth truth = model.truth(64);
    const validator::ValidatedProgram single = model.program(*gpu);
    const validator::ValidatedProgram seven = model.program(*gpu, launches_of(7));
    CudaVm one = load(*gpu, model, single);
    check_greedy(one, model, single, truth);
    std::vector<uint32_t> expected;
    require(one.reset());
    for (uint32_t token = 1; expected.size() < 63;) {
      require(one.step(token));
      expected.push_back(token = one.next_token());
    }
    const std::vector<float> last = one.logits().value();
    CudaVm many = load(*gpu, model, seven);
    std::vector<uint32_t> found;
    for (uint32_t token = 1; found.size() < 63;) {
      const std::vector<uint32_t> tokens = many.decode(token, 7).value();
      found.insert(found.end(), tokens.begin(), tokens.end());
      token = found.back();
    }
    CHECK(found == expected);
    CHECK(many.logits().value() == last);
  }
}

TEST_CASE("ten thousand launches give the same bits") {
  Gpu* gpu = gpu_or_skip("ten thousand launches");
  if (gpu == nullptr) return;
  for (const auto protocol : {abi::SyncProtocol::kPackets, abi::SyncProtocol::kCounters}) {
    const Model model("toy-2l");
    schedule::ScheduleConfig config;
    config.sync_protocol = protocol;
    CudaVm machine = load(*gpu, model, model.program(*gpu, config));
    std::vector<float> first;
    uint32_t different = 0;
    for (uint32_t launch = 0; launch < 10'000; ++launch) {
      require(machine.reset());
      require(machine.step(1));
      const std::vector<float> logits = machine.logits().value();
      if (launch == 0) first = logits;
      if (std::memcmp(first.data(), logits.data(), first.size() * sizeof(float)) != 0) ++different;
    }
    CHECK(different == 0);
  }
}

TEST_CASE("one wrong weight is seen in the logits, and one NaN too") {
  Gpu* gpu = gpu_or_skip("one wrong weight");
  if (gpu == nullptr) return;
  const Model model("toy-2l");
  const Truth truth = model.truth(8);
  const validator::ValidatedProgram program = model.program(*gpu);
  for (const char* name : {"model.layers.0.self_attn.o_proj.weight", "model.layers.1.mlp.down_proj.weight",
                           "model.layers.1.self_attn.q_proj.weight", "model.norm.weight"}) {
    CAPTURE(name);
    CudaVmOptions wrong;
    wrong.sabotage.wrong_weight = name;
    CudaVm off = load(*gpu, model, program, wrong);
    CHECK(worst_share(off, model, program, truth) > 1);
    CudaVmOptions nan;
    nan.sabotage.nan_weight = name;
    CudaVm poisoned = load(*gpu, model, program, nan);
    CHECK(std::isinf(worst_share(poisoned, model, program, truth)));
  }
}

TEST_CASE("a signal that comes late changes no bit: whoever needs it waits") {
  Gpu* gpu = gpu_or_skip("a late signal");
  if (gpu == nullptr) return;
  const Model model("toy-2l");
  for (const auto protocol : {abi::SyncProtocol::kPackets, abi::SyncProtocol::kCounters}) {
    schedule::ScheduleConfig config;
    config.sync_protocol = protocol;
    const validator::ValidatedProgram program = model.program(*gpu, config);
    CudaVm punctual = load(*gpu, model, program);
    const auto count = static_cast<uint32_t>(program->tasks.size());
    for (const uint32_t late : {0U, count / 4, count / 2, count - 2}) {
      CAPTURE(late);
      CudaVmOptions options;
      options.sabotage.defines = {"AMK_LATE_TASK=" + std::to_string(late) + "u", "AMK_LATE_NS=20000000"};
      CudaVm delayed = load(*gpu, model, program, options);
      require(punctual.reset());
      for (uint32_t token = 1, step = 0; step < 4; ++step) {
        require(punctual.step(token));
        require(delayed.step(token));
        CHECK(punctual.logits().value() == delayed.logits().value());
        token = punctual.next_token();
      }
    }
  }
}

// Last: the worker's context dies of it.
TEST_CASE("a task that never signals, or too late, is reported within five seconds and costs one worker") {
  Gpu* gpu = gpu_or_skip("a task that never signals");
  if (gpu == nullptr) return;
  const Model model("toy-2l");
  auto client = ipc::WorkerClient::start({{worker_program(), "--test-hooks"}});
  REQUIRE_MESSAGE(client.ok(), (client.ok() ? "" : client.error().text()));
  const auto worker = std::make_shared<ipc::WorkerClient>(std::move(client).value());
  for (const auto protocol : {abi::SyncProtocol::kPackets, abi::SyncProtocol::kCounters}) {
    schedule::ScheduleConfig config;
    config.sync_protocol = protocol;
    const validator::ValidatedProgram program = model.program(*gpu, config);
    const size_t task = program->tasks.size() / 2;
    const ipc::Json silent = {{"silent_task", task}};
    const ipc::Json late = {{"defines", {"AMK_LATE_TASK=" + std::to_string(task) + "u", "AMK_LATE_NS=3000000000ull"}}};
    for (const ipc::Json& sabotage : {silent, late}) {
      CAPTURE(sabotage.dump());
      check_reported(*gpu, worker, model, program, sabotage);
    }
  }
}

TEST_CASE("a dropped fence does not go unseen, whichever protocol it stood in") {
  Gpu* gpu = gpu_or_skip("a dropped fence");
  if (gpu == nullptr) return;
  const Model model("toy-2l");
  const Truth truth = model.truth(8);
  auto client = ipc::WorkerClient::start({{worker_program(), "--test-hooks"}});
  REQUIRE_MESSAGE(client.ok(), (client.ok() ? "" : client.error().text()));
  const auto worker = std::make_shared<ipc::WorkerClient>(std::move(client).value());
  for (const auto protocol : {abi::SyncProtocol::kPackets, abi::SyncProtocol::kCounters}) {
    schedule::ScheduleConfig config;
    config.sync_protocol = protocol;
    const validator::ValidatedProgram program = model.program(*gpu, config);
    eval::GpuOptions options;
    options.launch_deadline = std::chrono::milliseconds(1000);
    options.sabotage = {{"defines", {"AMK_DROP_FENCE=1"}}};
    auto broken = eval::load_gpu_machine(worker, program, model.checkpoint, options);
    REQUIRE_MESSAGE(broken.ok(), (broken.ok() ? "" : broken.error().text()));
    // A value that comes too late may also wipe out what has its memory by then; then somebody waits in vain.
    bool wrong = false, reported = false;
    for (size_t i = 0; i < truth.logits.size() && !reported; ++i) {
      const Status status = (*broken)->step(truth.tokens[i]);
      reported = !status.ok() && (*broken)->fault().has_value();
      REQUIRE_MESSAGE((status.ok() || reported), status.error().text());
      if (reported) break;
      const double difference = eval::largest_difference(truth.logits[i], (*broken)->logits().value());
      wrong |= !(difference <= model.tolerance(truth.logits[i], program));
    }
    MESSAGE(std::string(reported ? "reported by the deadline" : "seen in the logits"));
    CHECK((wrong || reported));
  }
}

TEST_CASE("a verdict through the worker is correct and measured") {
  Gpu* gpu = gpu_or_skip("a verdict through the worker");
  if (gpu == nullptr) return;
  auto client = ipc::WorkerClient::start({{worker_program()}});
  REQUIRE(client.ok());
  const auto worker = std::make_shared<ipc::WorkerClient>(std::move(client).value());
  const Model model(kShippedModel);
  for (const uint32_t tokens : {1U, 7U}) {
    eval::EvaluateRequest request;
    request.checkpoint = &model.checkpoint;
    request.target = gpu->target;
    request.config = launches_of(tokens);
    request.machine = eval::gpu_machines(worker);
    const auto evaluation = eval::evaluate(request, pool());
    REQUIRE_MESSAGE(evaluation.ok(), (evaluation.ok() ? "" : evaluation.error().text()));
    for (const std::string& note : evaluation->verdict.notes) MESSAGE(note);
    CHECK(evaluation->verdict.correct);
    CHECK(evaluation->verdict.latency_kind == eval::LatencyKind::kMeasuredGpu);
  }
}
