#include "eval/quantisation_report.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "model/quantise.h"

using namespace amk;
using namespace amk::eval;
using model::TensorView;

namespace {

TensorView view_of(const std::vector<float>& values, uint64_t rows) {
  return {abi::Dtype::kF32, {rows, values.size() / rows}, std::as_bytes(std::span(values))};
}

model::Checkpoint open_toy(model::WeightFormat weights) {
  model::OpenOptions options;
  options.weights = weights;
  return std::move(model::Checkpoint::open("toy", options)).value();
}

}  // namespace

TEST_CASE("the error of a matrix is that of its elements, whichever row they are in") {
  // int8, one scale a row: the largest magnitude 127 makes it 1, and elements are rounded to integers, half to even.
  const std::vector<float> weights = {127.0F, 0.25F, -0.5F, 0.0F, -127.0F, 3.0F, 1.5F, 10.0F};
  std::vector<std::byte> bytes(2 * abi::row_bytes(abi::Dtype::kI8Row, 4));
  model::quantise_matrix(view_of(weights, 2), abi::Dtype::kI8Row, bytes.data());
  ThreadPool pool(2);
  const WeightError error = weight_error(view_of(weights, 2), {abi::Dtype::kI8Row, {2, 4}, bytes}, pool);
  CHECK(error.max_abs_error == 0.5);  // -0.5 and 1.5
  CHECK(error.error_squared == 0.25 * 0.25 + 0.5 * 0.5 + 0.5 * 0.5);
  CHECK(error.norm_squared == 2 * 127.0 * 127.0 + 0.0625 + 0.25 + 9 + 2.25 + 100);
  CHECK(error.relative() == std::sqrt(error.error_squared / error.norm_squared));
}

TEST_CASE("a matrix against itself has no error, a matrix of zeros no relative one") {
  const std::vector<float> weights = {1.0F, -2.0F, 3.0F, 4.0F};
  const std::vector<float> zeros(4);
  ThreadPool pool(1);
  const WeightError same = weight_error(view_of(weights, 1), view_of(weights, 1), pool);
  CHECK(same.relative() == 0);
  CHECK(same.norm_squared == 30);
  CHECK(weight_error(view_of(zeros, 2), view_of(zeros, 2), pool).relative() == 0);
}

TEST_CASE("the divergence of two distributions is the sum of p log(p / q), and none from itself") {
  const std::vector<float> even = {0.0F, 0.0F};
  const std::vector<float> skewed = {static_cast<float>(std::log(3.0)), 0.0F};  // 3/4 and 1/4
  CHECK(kl_divergence(even, skewed) ==
        doctest::Approx(0.5 * std::log(0.5 / 0.75) + 0.5 * std::log(0.5 / 0.25)).epsilon(1e-6));
  CHECK(kl_divergence(skewed, even) ==
        doctest::Approx(0.75 * std::log(0.75 / 0.5) + 0.25 * std::log(0.25 / 0.5)).epsilon(1e-6));
  CHECK(kl_divergence(skewed, skewed) == 0);
  // Logits that are all moved by the same are the same distribution.
  const std::vector<float> moved = {1000.0F, 1000.0F};
  CHECK(kl_divergence(even, moved) == doctest::Approx(0).epsilon(1e-12));
}

TEST_CASE("differences of logits add up over positions, and a NaN is not lost") {
  LogitDifference sum;
  sum.add(std::vector<float>{1.0F, 2.0F}, std::vector<float>{1.0F, 2.5F});
  sum.add(std::vector<float>{-4.0F, 0.0F}, std::vector<float>{1.0F, 0.0F});
  CHECK(sum.positions == 2);
  CHECK(sum.max_abs == 5);
  CHECK(sum.largest_logit == 4);
  CHECK(sum.same_best_share() == 0.5);
  CHECK(sum.relative() == std::sqrt((0.25 + 25.0) / (5.0 + 16.0)));
  CHECK(sum.kl_max > sum.kl_mean());
  sum.add(std::vector<float>{0.0F, 0.0F}, std::vector<float>{std::numeric_limits<float>::quiet_NaN(), 0.0F});
  sum.add(std::vector<float>{0.0F, 0.0F}, std::vector<float>{9.0F, 0.0F});
  CHECK(std::isnan(sum.max_abs));
}

TEST_CASE("a weight's role is what reads it") {
  CHECK(weight_role("model.embed_tokens.weight", false) == "embed");
  CHECK(weight_role("model.embed_tokens.weight", true) == "lm_head");
  CHECK(weight_role("lm_head.weight", false) == "lm_head");
  CHECK(weight_role("model.layers.3.self_attn.k_proj.weight", false) == "qkv");
  CHECK(weight_role("model.layers.3.self_attn.o_proj.weight", false) == "o");
  CHECK(weight_role("model.layers.3.mlp.up_proj.weight", false) == "gate_up");
  CHECK(weight_role("model.layers.3.mlp.down_proj.weight", false) == "down");
  CHECK(weight_role("model.layers.3.input_layernorm.weight", false) == "norm");
}

TEST_CASE("what is quantised already, or not at all, is refused") {
  const model::Checkpoint stored = open_toy({}), quantised = open_toy(abi::Dtype::kI8G128);
  ThreadPool pool(1);
  QuantisationRequest request;
  request.ids = {1};
  request.stored = request.quantised = &quantised;
  const auto twice = report_quantisation(request, pool);
  REQUIRE_FALSE(twice.ok());
  CHECK(twice.error().code == ErrorCode::kUsage);
  CHECK(twice.error().message.find("quantised to int8:128 already") != std::string::npos);
  request.stored = request.quantised = &stored;
  CHECK_FALSE(report_quantisation(request, pool).ok());
  request.quantised = &quantised;
  CHECK(report_quantisation(request, pool).ok());
  request.ids.clear();
  CHECK_FALSE(report_quantisation(request, pool).ok());
}
