// Quantised weights: the VM and the oracle, which share no code, agree on what they mean.
#include <doctest/doctest.h>

#include <algorithm>

#include "differential/fixture.h"
#include "eval/evaluate.h"
#include "eval/logits.h"
#include "eval/tolerance.h"
#include "support/expected.h"

using namespace amk;

namespace {

constexpr abi::Dtype kQuantised[] = {abi::Dtype::kI8G64, abi::Dtype::kI8G128, abi::Dtype::kI8Row,
                                     abi::Dtype::kI4G64, abi::Dtype::kI4G128, abi::Dtype::kI4Row};

test::LoweredModel open_quantised(const std::string& name, abi::Dtype dtype) {
  model::OpenOptions options;
  options.weights = dtype;
  auto checkpoint = model::Checkpoint::open(name, options);
  REQUIRE_MESSAGE(checkpoint.ok(), (checkpoint.ok() ? "" : checkpoint.error().text()));
  schedule::ModelGraph graph = schedule::build_graph(*checkpoint);
  return {std::move(checkpoint).value(), std::move(graph)};
}

/// Built-in, tied, untied, and of sizes that no group divides.
const std::string kModels[] = {"toy",
                               "toy-2l",
                               "tests/models/llama-gqa-tied",
                               "tests/models/llama-mha",
                               "tests/models/llama-odd-sizes",
                               "tests/models/llama-bf16-sharded",
                               "tests/models/llama-f16"};

}  // namespace

TEST_CASE("the VM's logits of quantised models are the oracle's, and so are 16 greedy tokens, in every grouping") {
  for (const std::string& name : kModels) {
    for (const abi::Dtype dtype : kQuantised) {
      CAPTURE(name);
      CAPTURE(std::string(abi::dtype_name(dtype)));
      const test::LoweredModel model = open_quantised(name, dtype);
      const std::vector<uint32_t> prompt = test::some_tokens(model.graph.config, 8);
      for (const test::NamedConfig& grouping : test::groupings()) {
        CAPTURE(grouping.name);
        vm::ReferenceVm machine = test::bind(test::accepted(model, "h100", grouping.config), model.checkpoint);
        std::vector<uint32_t> ids = prompt;
        std::vector<float> found = test::logits_of(machine, ids);
        for (int i = 0; i < 16; ++i) {
          ids.push_back(machine.next_token());
          REQUIRE(machine.step(ids.back()).ok());
          found.insert(found.end(), machine.logits().begin(), machine.logits().end());
        }
        const std::vector<float> expected = test::oracle_logits(model.checkpoint, ids);
        const double tolerance = eval::logit_tolerance(model.graph.config, eval::largest_magnitude(expected));
        CHECK(eval::largest_difference(expected, found) <= tolerance);
        const size_t vocab = model.graph.config.vocab_size;
        for (size_t i = prompt.size(); i < ids.size(); ++i) {
          const std::span<const float> row(expected.data() + (i - 1) * vocab, vocab);
          const bool near_tie = eval::top_margin(row) <= 2 * tolerance;
          CHECK((near_tie || eval::best_token(row) == ids[i]));
        }
      }
    }
  }
}

TEST_CASE("more bits and smaller groups are nearer to the stored weights, and none is the stored weights") {
  const test::LoweredModel stored = test::open_model("models/shakespeare-llama-3m");
  const std::vector<uint32_t> ids = test::some_tokens(stored.graph.config, 24);
  const std::vector<float> expected = test::oracle_logits(stored.checkpoint, ids);
  const auto distance = [&](abi::Dtype dtype) {
    const model::OpenOptions options{model::RopePrecision::kFloat32, dtype};
    auto checkpoint = model::Checkpoint::open("models/shakespeare-llama-3m", options);
    REQUIRE(checkpoint.ok());
    const std::vector<float> found = test::oracle_logits(*checkpoint, ids);
    double sum = 0;
    for (size_t i = 0; i < found.size(); ++i) sum += std::abs(double{found[i]} - expected[i]);
    return sum / static_cast<double>(found.size());
  };
  const double int8 = distance(abi::Dtype::kI8G64), int8_row = distance(abi::Dtype::kI8Row);
  const double int4 = distance(abi::Dtype::kI4G64), int4_row = distance(abi::Dtype::kI4Row);
  CHECK(int8 > 0);
  CHECK(int8 < int8_row);
  CHECK(int4 < int4_row);
  CHECK(8 * int8 < int4);
  MESSAGE("mean difference of a logit: int8:64 " << int8 << ", int8:row " << int8_row << ", int4:64 " << int4
                                                 << ", int4:row " << int4_row);
}

TEST_CASE("quantised weights and a 16-bit cache together are valid and correct, and the bytes are what they take") {
  const test::LoweredModel model = open_quantised("toy-2l", abi::Dtype::kI4G64);
  eval::EvaluateRequest request;
  request.checkpoint = &model.checkpoint;
  request.target = *schedule::find_target("h100");
  request.kv_dtype = abi::Dtype::kBf16;
  const auto evaluation = eval::evaluate(request, test::pool());
  REQUIRE(evaluation.ok());
  CHECK(evaluation->verdict.correct);
  CHECK(evaluation->verdict.model == "toy-2l-i4g64");
  CHECK(schedule::kv_dtype(evaluation->program->program()) == abi::Dtype::kBf16);
  for (const schedule::Buffer& buffer : evaluation->program->program().buffers) {
    if (buffer.kind != abi::BufferKind::kWeight) continue;
    CHECK(abi::size_bytes(buffer.shape) == model.checkpoint.tensor(buffer.source).data.size());
  }
}

TEST_CASE("a program of quantised weights is refused beside a checkpoint of others") {
  const test::LoweredModel model = open_quantised("toy", abi::Dtype::kI8G64);
  const validator::ValidatedProgram program = test::accepted(model, "h100", {});
  for (const abi::Dtype other : {abi::Dtype::kI8G128, abi::Dtype::kI4G64}) {
    const auto machine = vm::ReferenceVm::create(program, open_quantised("toy", other).checkpoint, test::pool());
    REQUIRE_FALSE(machine.ok());
    CHECK(machine.error().code == ErrorCode::kBadInput);
    CHECK(machine.error().text().find("i8g64") != std::string::npos);
  }
  CHECK_FALSE(vm::ReferenceVm::create(program, test::open_model("toy").checkpoint, test::pool()).ok());
}

TEST_CASE("a chunk that cuts a pack is refused with the nearest one that does not, for quantised weights alone") {
  const test::LoweredModel stored = test::open_model("toy");
  const test::LoweredModel model = open_quantised("toy", abi::Dtype::kI8G128);
  const abi::TargetInfo* target = *schedule::find_target("h100");
  for (const auto& [chunk, nearest] : {std::pair(64U, "128"), std::pair(192U, "128"), std::pair(832U, "768")}) {
    schedule::ScheduleConfig config;
    config.gemv_k_chunk = chunk;
    CHECK(schedule::lower({&stored.graph, target, config, 64}).ok());
    const auto refused = schedule::lower({&model.graph, target, config, 64});
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == ErrorCode::kUsage);
    CHECK(refused.error().location == "knob tiling.gemv.k_chunk");
    CHECK(refused.error().message.ends_with(std::string("the nearest is ") + nearest));
  }
  schedule::ScheduleConfig config;
  config.gemv_k_chunk = 128;
  CHECK(schedule::lower({&model.graph, target, config, 64}).ok());
}

TEST_CASE("the automatic chunk fills about 16 KiB, and schedules of other weights or caches have other ids") {
  const abi::TargetInfo* target = *schedule::find_target("h100");
  std::vector<std::string> ids;
  for (const abi::Dtype dtype : kQuantised) {
    const test::LoweredModel model = open_quantised("synthetic:smollm2-135m", dtype);
    const auto program = schedule::lower({&model.graph, target, {}, 64});
    REQUIRE(program.ok());
    for (const schedule::Task& task : program->tasks) {
      if (const auto* gemv = std::get_if<abi::GemvParams>(&task.params)) {
        CHECK(gemv->k_chunk == (abi::dtype_bits(dtype) == 8 ? 2048 : 4096));
      }
    }
    // The longest reduction, 1536 columns, decides: 12 packs; stages are aligned to 128 bytes.
    const uint64_t packed = abi::packed_bytes(dtype, schedule::kRowsPerStage, 1536);
    CHECK(program->launch.stage_bytes == (packed + 127) / 128 * 128);
    ids.push_back(program->meta.schedule_id);
    for (const abi::Dtype kv_dtype : {abi::Dtype::kF16, abi::Dtype::kBf16}) {
      ids.push_back(schedule::schedule_id({&model.graph, target, {}, 64, kv_dtype}));
    }
  }
  std::ranges::sort(ids);
  CHECK(std::ranges::adjacent_find(ids) == ids.end());
}

TEST_CASE("a cache of anything but floats is refused") {
  const test::LoweredModel model = test::open_model("toy");
  for (const abi::Dtype wrong : {abi::Dtype::kU32, abi::Dtype::kI8G64}) {
    const auto refused = schedule::lower({&model.graph, *schedule::find_target("h100"), {}, 64, wrong});
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == ErrorCode::kUsage);
  }
}
