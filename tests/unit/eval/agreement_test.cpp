#include "eval/agreement.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "eval/tolerance.h"
#include "support/lowered.h"

using namespace amk;
using namespace amk::eval;

TEST_CASE("logits agree within the tolerance, with the same best tokens") {
  const LogitRows expected = {{1, 5, 2}, {7, 0, 1}};
  Agreement same = compare_logits(expected, expected, 0.1);
  CHECK(same.agrees());
  CHECK(same.positions == 2);
  CHECK(same.max_abs_err == 0);
  const Agreement near = compare_logits(expected, {{1, 5.05F, 2}, {7, 0, 1}}, 0.1);
  CHECK(near.agrees());
  const Agreement far = compare_logits(expected, {{1, 5.2F, 2}, {7, 0, 1}}, 0.1);
  CHECK_FALSE(far.agrees());
  CHECK(far.text().find("tolerance 0.1") != std::string::npos);
}

TEST_CASE("NaN, nothing at all and another token never agree") {
  const LogitRows expected = {{1, 5, 2}, {7, 0, 1}};
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK_FALSE(compare_logits(expected, {{nan, 5, 2}, {7, 0, 1}}, 10).agrees());
  CHECK_FALSE(compare_logits(expected, {{1, 5, 2}, {7, nan, 1}}, 10).agrees());
  CHECK_FALSE(compare_logits({}, {}, 10).agrees());
  // Beyond twice the tolerance a best token that differs is counted on its own.
  const Agreement other = compare_logits({{0, 3}}, {{4, 3}}, 1);
  CHECK(other.different_tokens == 1);
  CHECK_FALSE(other.agrees());
  CHECK(compare_logits({{2.9F, 3}}, {{3, 2.9F}}, 0.2).agrees());  // a near tie
}

TEST_CASE("tolerances grow with what is rounded, and stay far below the logits") {
  const test::LoweredModel model = test::open_model("synthetic:llama-3.2-1b");
  const model::ModelConfig& config = model.checkpoint.config();
  const double sums = logit_tolerance(config, 10);
  schedule::Program program = test::lower(model, "h100", {}, 64);
  program.launch.products = abi::Products::kTensorCores;
  const double split = megakernel_tolerance(program, config, 10);
  CHECK(split > sums);
  CHECK(split < 0.01);
  program.launch.products = abi::Products::kFloat32;
  CHECK(megakernel_tolerance(program, config, 10) == doctest::Approx(sums));
  CHECK(rival_tolerance(config, abi::Dtype::kF32, 10) < rival_tolerance(config, abi::Dtype::kF16, 10));
  CHECK(rival_tolerance(config, abi::Dtype::kF16, 10) < rival_tolerance(config, abi::Dtype::kBf16, 10));
  CHECK(rival_tolerance(config, abi::Dtype::kBf16, 10) < 2);
}
