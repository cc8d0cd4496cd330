// KV caches of 16 bits: the VM rounds what the oracle rounds, and the tolerance knows what a flipped rounding costs.
#include <doctest/doctest.h>

#include <algorithm>

#include "differential/fixture.h"
#include "eval/logits.h"
#include "eval/oracle.h"
#include "eval/tolerance.h"
#include "support/expected.h"

using namespace amk;

namespace {

constexpr abi::Dtype kHalves[] = {abi::Dtype::kF16, abi::Dtype::kBf16};

std::vector<std::string> models() {
  std::vector<std::string> names = {"toy", "toy-2l"};
  for (const std::string& name : test::exact_models()) names.push_back("tests/models/" + name);
  return names;
}

std::vector<float> oracle_logits(const model::Checkpoint& checkpoint, const std::vector<uint32_t>& ids,
                                 abi::Dtype kv_dtype) {
  auto oracle = eval::Oracle::create(checkpoint, 64, test::pool(), kv_dtype);
  REQUIRE(oracle.ok());
  return oracle->forward(ids).value();
}

vm::ReferenceVm machine_of(const test::LoweredModel& model, const schedule::ScheduleConfig& config,
                           abi::Dtype kv_dtype) {
  auto program = schedule::lower({&model.graph, *schedule::find_target("h100"), config, 64, kv_dtype});
  REQUIRE_MESSAGE(program.ok(), (program.ok() ? "" : program.error().text()));
  CHECK(schedule::kv_dtype(*program) == kv_dtype);
  const validator::Validation validation = validator::validate(std::move(*program));
  REQUIRE(validation.validated.has_value());
  return test::bind(*validation.validated, model.checkpoint);
}

}  // namespace

TEST_CASE("with a 16-bit cache the VM's logits are those of an oracle with the same cache, in every grouping") {
  for (const std::string& name : models()) {
    const test::LoweredModel model = test::open_model(name);
    const std::vector<uint32_t> ids = test::some_tokens(model.graph.config, 48);
    const std::vector<float> unrounded = oracle_logits(model.checkpoint, ids, abi::Dtype::kF32);
    for (const abi::Dtype kv_dtype : kHalves) {
      CAPTURE(name);
      CAPTURE(abi::dtype_name(kv_dtype));
      const std::vector<float> expected = oracle_logits(model.checkpoint, ids, kv_dtype);
      const double tolerance = eval::logit_tolerance(model.graph.config, eval::largest_magnitude(expected), kv_dtype);
      double worst = 0;
      for (const test::NamedConfig& grouping : test::groupings()) {
        vm::ReferenceVm machine = machine_of(model, grouping.config, kv_dtype);
        worst = std::max(worst, eval::largest_difference(expected, test::logits_of(machine, ids)));
      }
      CHECK(worst <= tolerance);
      const double rounding = eval::largest_difference(expected, unrounded);
      MESSAGE(name << ", " << std::string(abi::dtype_name(kv_dtype)) << ": error " << worst / tolerance
                   << " of the tolerance, what rounding changes " << rounding / tolerance << " of it");
      if (name.starts_with("tests/")) CHECK(rounding > tolerance);  // leaving it out would be seen
    }
  }
}

TEST_CASE("a program whose cache is of another type than it was asked for is not correct") {
  const test::LoweredModel model = test::open_model("tests/models/llama-mha");
  const std::vector<uint32_t> ids = test::some_tokens(model.graph.config, 48);
  for (const abi::Dtype program_dtype : {abi::Dtype::kF32, abi::Dtype::kF16, abi::Dtype::kBf16}) {
    vm::ReferenceVm machine = machine_of(model, {}, program_dtype);
    const std::vector<float> found = test::logits_of(machine, ids);
    for (const abi::Dtype asked : {abi::Dtype::kF32, abi::Dtype::kF16, abi::Dtype::kBf16}) {
      CAPTURE(std::string(abi::dtype_name(program_dtype)));
      CAPTURE(std::string(abi::dtype_name(asked)));
      const std::vector<float> expected = oracle_logits(model.checkpoint, ids, asked);
      const double tolerance = eval::logit_tolerance(model.graph.config, eval::largest_magnitude(expected), asked);
      const bool close = eval::largest_difference(expected, found) <= tolerance;
      CHECK(close == (asked == program_dtype));
    }
  }
}

TEST_CASE("a wrong weight is seen through the tolerance of a 16-bit cache") {
  const test::LoweredModel right = test::open_model("toy-2l");
  model::OpenOptions options;
  options.weights = abi::Dtype::kI8Row;  // every weight off by half a percent at most
  auto wrong = model::Checkpoint::open("toy-2l", options);
  REQUIRE(wrong.ok());
  const std::vector<uint32_t> ids = test::some_tokens(right.graph.config, 32);
  for (const abi::Dtype kv_dtype : kHalves) {
    const std::vector<float> expected = oracle_logits(right.checkpoint, ids, kv_dtype);
    const std::vector<float> found = oracle_logits(*wrong, ids, kv_dtype);
    const double tolerance = eval::logit_tolerance(right.graph.config, eval::largest_magnitude(expected), kv_dtype);
    CHECK(eval::largest_difference(expected, found) > tolerance);
    MESSAGE(std::string(abi::dtype_name(kv_dtype))
            << ": " << eval::largest_difference(expected, found) / tolerance << " of the tolerance");
  }
}
