#include "eval/history.h"

#include <doctest/doctest.h>

#include <cmath>
#include <set>

#include "base/float_formats.h"
#include "eval/logits.h"
#include "eval/machine.h"
#include "eval/oracle.h"
#include "eval/tolerance.h"
#include "support/lowered.h"

using namespace amk;

TEST_CASE("a drawn value depends on its arguments alone, lies in [-1, 1) and is exact in the cache's dtype") {
  std::set<float> seen;
  double sum = 0;
  for (uint64_t element = 0; element < 4096; ++element) {
    const float value = eval::history_value(1, abi::Dtype::kF32, 0, false, element);
    CHECK(value >= -1.0F);
    CHECK(value < 1.0F);
    CHECK(value == eval::history_value(1, abi::Dtype::kF32, 0, false, element));
    seen.insert(value);
    sum += value;
  }
  CHECK(seen.size() > 4000);
  CHECK(std::abs(sum / 4096) < 0.05);
  const float value = eval::history_value(1, abi::Dtype::kF32, 0, false, 5);
  CHECK(eval::history_value(2, abi::Dtype::kF32, 0, false, 5) != value);
  CHECK(eval::history_value(1, abi::Dtype::kF32, 1, false, 5) != value);
  CHECK(eval::history_value(1, abi::Dtype::kF32, 0, true, 5) != value);
  CHECK(eval::history_value(1, abi::Dtype::kBf16, 0, false, 5) == doctest::Approx(value).epsilon(0.01));
  CHECK(std::ldexp(eval::history_value(1, abi::Dtype::kF16, 0, false, 5), 24) ==
        std::trunc(std::ldexp(eval::history_value(1, abi::Dtype::kF16, 0, false, 5), 24)));
}

TEST_CASE("behind a drawn history the reference VM's logits are the oracle's, whatever the caches hold") {
  ThreadPool pool(2);
  const test::LoweredModel model = test::open_model("tests/models/llama-gqa-tied");
  for (const abi::Dtype dtype : {abi::Dtype::kF32, abi::Dtype::kF16, abi::Dtype::kBf16}) {
    CAPTURE(abi::dtype_name(dtype));
    schedule::LowerRequest request{&model.graph, *schedule::find_target("h100"), {}, 96, dtype};
    const auto program = *validator::validate(schedule::lower(request).value()).validated;
    auto machine = eval::make_cpu_machine(program, model.checkpoint, pool).value();
    auto oracle = eval::Oracle::create(model.checkpoint, 96, pool, dtype).value();
    std::vector<float> at_fifty;
    for (const uint32_t position : {0U, 50U, 95U}) {
      REQUIRE(machine->set_history(7, position).ok());
      REQUIRE(oracle.set_history(eval::history_of(7, dtype), position).ok());
      CHECK(machine->position() == position);
      REQUIRE(machine->step(5).ok());
      const std::vector<float> expected = oracle.forward_last(std::vector{5U}).value();
      const std::vector<float> found = machine->logits().value();
      const double tolerance = eval::logit_tolerance(model.graph.config, eval::largest_magnitude(expected), dtype);
      CHECK(eval::largest_difference(expected, found) <= tolerance);
      if (position == 50) at_fifty = found;
    }
    REQUIRE(machine->set_history(8, 50).ok());
    REQUIRE(machine->step(5).ok());
    CHECK(machine->logits().value() != at_fifty);  // the history is seen
    CHECK(machine->set_history(7, 97).error().code == ErrorCode::kUsage);
    CHECK(oracle.set_history(eval::history_of(7, dtype), 97).error().code == ErrorCode::kUsage);
  }
}

TEST_CASE(
    "coarse histories are exact in every dtype of a cache, spread over [-1, 1], and depend on all they are given") {
  std::set<float> seen;
  for (uint64_t element = 0; element < 4000; ++element) {
    const float value = eval::coarse_history_value(1, 3, false, element);
    CHECK(value >= -1);
    CHECK(value <= 1);
    CHECK(bf16_to_f32(f32_to_bf16(value)) == value);
    CHECK(f16_to_f32(f32_to_f16(value)) == value);
    seen.insert(value);
  }
  CHECK(seen.size() == 129);
  int same = 0;
  for (uint64_t element = 0; element < 1000; ++element) {
    const float value = eval::coarse_history_value(1, 3, false, element);
    if (value == eval::coarse_history_value(1, 3, true, element)) ++same;
    if (value == eval::coarse_history_value(1, 4, false, element)) ++same;
    if (value == eval::coarse_history_value(2, 3, false, element)) ++same;
  }
  CHECK(same < 100);
}
