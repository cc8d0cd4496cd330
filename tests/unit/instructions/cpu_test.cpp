// Bodies against the formulas of their headers, evaluated in double.
#include "instructions/cpu.h"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "instructions/attention/attention.h"
#include "unit/instructions/bound_task.h"

using namespace amk;
using namespace amk::instructions;
using abi::Opcode;
using test::BoundTask;
using test::Case;
using test::f32;
using test::u32;
using Vector = std::vector<double>;

namespace {

/// What float32 sums of `length` products of numbers up to `magnitude` may be off by.
double sum_tolerance(double magnitude, size_t length) {
  return std::numeric_limits<float>::epsilon() * magnitude * std::sqrt(static_cast<double>(length)) * 4.0;
}

Vector whole(BoundTask& bound, const Case& task, size_t operand) {
  Vector out(abi::element_count(task.shapes[operand]));
  for (size_t i = 0; i < out.size(); ++i) out[i] = bound.at(operand, i);
  return out;
}

Vector normalise(const Vector& x, const Vector& norm, double eps) {
  double squares = 0;
  for (const double value : x) squares += value * value;
  Vector out(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    out[i] = x[i] / std::sqrt(squares / static_cast<double>(x.size()) + eps) * norm[i];
  }
  return out;
}

double dot(BoundTask& bound, size_t matrix, size_t row, const Vector& x) {
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) sum += bound.at(matrix, row * x.size() + i) * x[i];
  return sum;
}

double silu(double x) { return x / (1 + std::exp(-x)); }

std::vector<Case> cases_of(Opcode opcode) {
  std::vector<Case> out;
  for (Case& task : test::accepted_cases()) {
    if (task.opcode == opcode) out.push_back(std::move(task));
  }
  REQUIRE(!out.empty());
  return out;
}

/// Runs every case of `opcode` and compares rows [row_begin, row_begin + row_count) of its last operand.
template <typename Record>
void check_rows(Opcode opcode,
                const std::function<double(const Case&, BoundTask&, const Record&, size_t row)>& expected) {
  for (const Case& task : cases_of(opcode)) {
    CAPTURE(task.name);
    const Record& params = std::get<Record>(task.params);
    BoundTask bound(task, 11);
    CpuWorkspace workspace;
    bound.run(workspace);
    const size_t y = task.shapes.size() - 1;
    const size_t columns = task.shapes[0].extent[1];
    for (size_t row = params.row_begin; row < params.row_begin + params.row_count; ++row) {
      const double want = expected(task, bound, params, row);
      CHECK(std::abs(bound.at(y, row) - want) <= sum_tolerance(10, columns));
    }
  }
}

}  // namespace

TEST_CASE("embed widens its slice exactly") {
  for (const Case& task : cases_of(Opcode::kEmbed)) {
    CAPTURE(task.name);
    const auto& params = std::get<abi::EmbedParams>(task.params);
    BoundTask bound(task, 1);
    CpuWorkspace workspace;
    bound.run(workspace);
    uint32_t token = 0;
    std::memcpy(&token, bound.data(0), 4);
    for (size_t c = params.col_begin; c < params.col_begin + params.col_count; ++c) {
      CHECK(bound.at(2, c) == bound.at(1, token * task.shapes[1].extent[1] + c));
    }
  }
}

TEST_CASE("rms_norm divides by the root mean square") {
  for (const Case& task : cases_of(Opcode::kRmsNorm)) {
    CAPTURE(task.name);
    BoundTask bound(task, 2);
    CpuWorkspace workspace;
    bound.run(workspace);
    const Vector want =
        normalise(whole(bound, task, 0), whole(bound, task, 1), std::get<abi::RmsNormParams>(task.params).eps);
    for (size_t i = 0; i < want.size(); ++i) CHECK(bound.at(2, i) == doctest::Approx(want[i]).epsilon(1e-6));
  }
}

TEST_CASE("products are dot products of rows") {
  check_rows<abi::GemvParams>(Opcode::kGemv, [](const Case& task, BoundTask& bound, const auto&, size_t row) {
    return dot(bound, 0, row, whole(bound, task, 1));
  });
  check_rows<abi::GemvParams>(Opcode::kGemvResidual, [](const Case& task, BoundTask& bound, const auto&, size_t row) {
    return bound.at(2, row) + dot(bound, 0, row, whole(bound, task, 1));
  });
  check_rows<abi::NormGemvParams>(Opcode::kNormGemv, [](const Case& task, BoundTask& bound, const auto& p, size_t row) {
    return dot(bound, 0, row, normalise(whole(bound, task, 1), whole(bound, task, 2), p.eps));
  });
  check_rows<abi::GemvParams>(Opcode::kGateUpSilu, [](const Case& task, BoundTask& bound, const auto&, size_t row) {
    const Vector x = whole(bound, task, 2);
    return silu(dot(bound, 0, row, x)) * dot(bound, 1, row, x);
  });
  check_rows<abi::NormGemvParams>(Opcode::kNormGateUpSilu,
                                  [](const Case& task, BoundTask& bound, const auto& p, size_t row) {
                                    const Vector x = normalise(whole(bound, task, 2), whole(bound, task, 3), p.eps);
                                    return silu(dot(bound, 0, row, x)) * dot(bound, 1, row, x);
                                  });
}

namespace {
/// Largest relative error of rounding to a dtype; float32's is left to the caller.
double rounding(abi::Dtype dtype) {
  return dtype == abi::Dtype::kF16 ? 0x1p-11 : dtype == abi::Dtype::kBf16 ? 0x1p-8 : 0;
}

/// Query, key and value rows of a QKV task over x, rotated, by the formulas of qkv.h; row r of [q; k; v].
double qkv_row(const Case& task, BoundTask& bound, const Vector& x, const abi::QkvParams& p, size_t row,
               size_t inv_freq) {
  const size_t q_rows = size_t{p.q_heads} * p.head_dim, kv_rows = size_t{p.kv_heads} * p.head_dim;
  const size_t matrix = row < q_rows ? 1 : row < q_rows + kv_rows ? 2 : 3;
  const size_t within = matrix == 1 ? row : matrix == 2 ? row - q_rows : row - q_rows - kv_rows;
  if (matrix == 3) return dot(bound, 3, within, x);
  const size_t half = p.head_dim / 2;
  const size_t i = within % p.head_dim;
  const float angle = static_cast<float>(bound.at(inv_freq, i % half)) * static_cast<float>(task.position);
  const double mine = dot(bound, matrix, within, x);
  const double other = dot(bound, matrix, i < half ? within + half : within - half, x);
  return mine * std::cos(double{angle}) + (i < half ? -other : other) * std::sin(double{angle});
}

template <typename Record>
void check_qkv(Opcode opcode) {
  const size_t inv_freq = opcode == Opcode::kQkvRopeAppend ? 5 : 6;
  for (const Case& task : cases_of(opcode)) {
    CAPTURE(task.name);
    const auto& p = std::get<Record>(task.params);
    BoundTask bound(task, 4);
    CpuWorkspace workspace;
    bound.run(workspace);
    Vector x = whole(bound, task, 4);
    if constexpr (std::is_same_v<Record, abi::NormQkvParams>) x = normalise(x, whole(bound, task, 5), p.eps);
    const size_t half = p.head_dim / 2;
    const abi::QkvParams plain{p.pair_begin, p.pair_count, p.k, p.k_chunk, p.head_dim, p.q_heads, p.kv_heads};
    for (size_t pair = p.pair_begin; pair < p.pair_begin + p.pair_count; ++pair) {
      for (const size_t row : {pair / half * p.head_dim + pair % half, pair / half * p.head_dim + pair % half + half}) {
        const size_t head = row / p.head_dim;
        const size_t i = row % p.head_dim;
        const auto cached = [&](size_t kv_head) { return (kv_head * 9 + task.position) * p.head_dim + i; };
        const double found = head < p.q_heads ? bound.at(inv_freq + 1, row)
                             : head < p.q_heads + p.kv_heads
                                 ? bound.at(inv_freq + 2, cached(head - p.q_heads))
                                 : bound.at(inv_freq + 3, cached(head - p.q_heads - p.kv_heads));
        const double want = qkv_row(task, bound, x, plain, row, inv_freq);
        const bool in_cache = head >= p.q_heads;
        const double half_ulp = in_cache ? rounding(task.shapes[inv_freq + 2].dtype) : 0;
        CHECK(std::abs(found - want) <= 2e-5 + half_ulp * std::abs(want) * 1.001);
      }
    }
  }
}
}  // namespace

TEST_CASE("QKV rotates queries and keys and appends keys and values") {
  check_qkv<abi::QkvParams>(Opcode::kQkvRopeAppend);
  check_qkv<abi::NormQkvParams>(Opcode::kNormQkvRopeAppend);
}

TEST_CASE("rope rotates by the float32 angle, at far positions too") {
  for (const Case& task : cases_of(Opcode::kRope)) {
    CAPTURE(task.name);
    BoundTask bound(task, 6);
    CpuWorkspace workspace;
    bound.run(workspace);
    for (size_t i = 0; i < 12; ++i) {
      const float angle = static_cast<float>(bound.at(2, i)) * static_cast<float>(task.position);
      const double a = bound.at(1, 24 + i), b = bound.at(1, 36 + i);
      const double cos = std::cos(double{angle}), sin = std::sin(double{angle});
      CHECK(bound.at(3, 24 + i) == doctest::Approx(a * cos - b * sin).epsilon(5e-7).scale(1));
      CHECK(bound.at(3, 36 + i) == doctest::Approx(b * cos + a * sin).epsilon(5e-7).scale(1));
    }
  }
}

namespace {
/// The nearest number of a cache's dtype, which is even of two; `value` is a float32.
double rounded_to(abi::Dtype dtype, double value) {
  if (dtype == abi::Dtype::kF32) return value;
  int exponent = 0;
  std::frexp(value, &exponent);
  const int bits = dtype == abi::Dtype::kF16 ? std::max(exponent - 11, -24) : exponent - 8;
  return std::ldexp(std::nearbyint(std::ldexp(value, -bits)), bits);
}
}  // namespace

TEST_CASE("kv_append writes one head to the current position, rounded to what the cache holds") {
  for (const Case& task : cases_of(Opcode::kKvAppend)) {
    const auto& p = std::get<abi::KvAppendParams>(task.params);
    BoundTask bound(task, 6);
    CpuWorkspace workspace;
    bound.run(workspace);
    const size_t from = size_t{p.kv_head} * p.head_dim;
    for (size_t i = 0; i < p.head_dim; ++i) {
      const size_t at = (size_t{p.kv_head} * task.shapes[3].extent[1] + task.position) * p.head_dim + i;
      const abi::Dtype kv = task.shapes[3].dtype;
      CHECK(bound.at(3, at) == rounded_to(kv, bound.at(1, from + i)));
      CHECK(bound.at(4, at) == rounded_to(kv, bound.at(2, from + i)));
    }
  }
}

namespace {
/// softmax(scale * q . k) v of one head over all positions, in double.
Vector attend(BoundTask& bound, const abi::AttentionParams& p, size_t head, size_t context, size_t positions) {
  Vector out(p.head_dim), scores(positions);
  double top = -std::numeric_limits<double>::infinity(), sum = 0;
  for (size_t t = 0; t < positions; ++t) {
    for (size_t i = 0; i < p.head_dim; ++i) {
      scores[t] +=
          p.scale * bound.at(1, head * p.head_dim + i) * bound.at(2, (head / p.group * context + t) * p.head_dim + i);
    }
    top = std::max(top, scores[t]);
  }
  for (size_t t = 0; t < positions; ++t) {
    const double weight = std::exp(scores[t] - top);
    sum += weight;
    for (size_t i = 0; i < p.head_dim; ++i) {
      out[i] += weight * bound.at(3, (head / p.group * context + t) * p.head_dim + i);
    }
  }
  for (double& value : out) value /= sum;
  return out;
}
}  // namespace

namespace {
void check_attention(abi::Dtype kv) {
  constexpr uint32_t kContext = 150, kHeadDim = 20, kKvHeads = 2, kGroup = 3;
  constexpr uint64_t kHeads = uint64_t{kKvHeads} * kGroup;
  for (const uint32_t splits : {1U, 2U, 5U, 12U}) {
    for (const uint32_t position : {0U, 3U, 63U, 64U, 100U, 149U}) {
      CAPTURE(splits);
      CAPTURE(position);
      const abi::Shape cache = test::shape(kv, {kKvHeads, kContext, kHeadDim});
      const abi::Shape partials = f32({kHeads, splits, kHeadDim + 2});
      const abi::Shape output = f32({kHeads * kHeadDim});
      Case task{"attention",
                Opcode::kAttention,
                abi::AttentionParams{0, kGroup, kHeadDim, 0, splits, 16, 1.7F},
                {u32({1}), output, cache, cache, partials},
                position};
      BoundTask bound(task, 8);
      CpuWorkspace workspace;
      auto& params = std::get<abi::AttentionParams>(task.params);
      for (params.kv_head = 0; params.kv_head < kKvHeads; ++params.kv_head) {
        for (params.split = 0; params.split < splits; ++params.split) bound.run(workspace);
      }
      std::vector<float> joined(kHeads * kHeadDim);
      const CpuOperand combine_operands[] = {{bound.data(4), &partials},
                                             {reinterpret_cast<std::byte*>(joined.data()), &output}};
      for (uint32_t head = 0; head < kHeads; ++head) {
        run_cpu(Opcode::kCombine, abi::CombineParams{head, kHeadDim, splits}, combine_operands, workspace);
        const Vector want = attend(bound, params, head, kContext, position + 1);
        for (size_t i = 0; i < kHeadDim; ++i) {
          CHECK(joined[size_t{head} * kHeadDim + i] == doctest::Approx(want[i]).epsilon(3e-6).scale(1));
        }
      }
    }
  }
}
}  // namespace

TEST_CASE("attention in any number of splits, combined, is softmax attention over what the cache holds") {
  for (const abi::Dtype kv : {abi::Dtype::kF32, abi::Dtype::kF16, abi::Dtype::kBf16}) {
    CAPTURE(abi::dtype_name(kv));
    check_attention(kv);
  }
}

TEST_CASE("attention that joins equals its split and the others, combined, to the last bit") {
  for (const Case& task : cases_of(Opcode::kAttentionCombine)) {
    CAPTURE(task.name);
    const auto& p = std::get<abi::AttentionParams>(task.params);
    BoundTask joined(task, 12);
    Case apart_case{task.name, Opcode::kAttention, p, {task.shapes.begin(), task.shapes.end() - 1}, task.position};
    BoundTask apart(apart_case, 12);
    for (size_t operand = 0; operand < apart.operand_count(); ++operand) apart.buffer(operand) = joined.buffer(operand);
    CpuWorkspace workspace;
    joined.run(workspace);
    apart.run(workspace);
    std::vector<float> want(task.shapes[5].extent[0]);
    const CpuOperand combine[] = {{apart.data(4), &task.shapes[4]},
                                  {reinterpret_cast<std::byte*>(want.data()), &task.shapes[5]}};
    for (uint32_t head = p.kv_head * p.group; head < (p.kv_head + 1) * p.group; ++head) {
      run_cpu(Opcode::kCombine, abi::CombineParams{head, p.head_dim, p.splits}, combine, workspace);
      for (size_t i = head * p.head_dim; i < size_t{head + 1} * p.head_dim; ++i) {
        CHECK(joined.at(5, i) == double{want[i]});
      }
    }
  }
}

TEST_CASE("a split without positions writes no values, maximum -inf and sum 0") {
  const abi::Shape cache = f32({1, 40, 4});
  const Case task{"empty",
                  Opcode::kAttention,
                  abi::AttentionParams{0, 2, 4, 0, 3, 16, 0.5F},
                  {u32({1}), f32({8}), cache, cache, f32({2, 3, 6})},
                  10};
  BoundTask bound(task, 9);
  CpuWorkspace workspace;
  bound.run(workspace);
  for (const size_t row : {0U, 3U}) {
    for (size_t i = 0; i < 4; ++i) CHECK(bound.at(4, row * 6 + i) == 0.0);
    CHECK(bound.at(4, row * 6 + 4) == -std::numeric_limits<double>::infinity());
    CHECK(bound.at(4, row * 6 + 5) == 0.0);
  }
}

TEST_CASE("the combining product equals combine, then the product") {
  for (const Case& task : cases_of(Opcode::kCombineGemvResidual)) {
    CAPTURE(task.name);
    const auto& p = std::get<abi::CombineGemvParams>(task.params);
    BoundTask bound(task, 10);
    CpuWorkspace workspace;
    bound.run(workspace);
    const uint32_t k = p.q_heads * p.head_dim;
    const abi::Shape x = f32({k});
    std::vector<float> joined(k), y(task.shapes[3].extent[0]);
    const CpuOperand combine[] = {{bound.data(1), &task.shapes[1]}, {reinterpret_cast<std::byte*>(joined.data()), &x}};
    for (uint32_t head = 0; head < p.q_heads; ++head) {
      run_cpu(Opcode::kCombine, abi::CombineParams{head, p.head_dim, p.splits}, combine, workspace);
    }
    const CpuOperand product[] = {{bound.data(0), &task.shapes[0]},
                                  {reinterpret_cast<std::byte*>(joined.data()), &x},
                                  {bound.data(2), &task.shapes[2]},
                                  {reinterpret_cast<std::byte*>(y.data()), &task.shapes[3]}};
    run_cpu(Opcode::kGemvResidual, abi::GemvParams{p.row_begin, p.row_count, k, p.k_chunk}, product, workspace);
    for (size_t r = p.row_begin; r < p.row_begin + p.row_count; ++r) CHECK(bound.at(3, r) == double{y[r]});
  }
}

TEST_CASE("residual_add adds and silu_mul gates") {
  for (const Case& task : cases_of(Opcode::kResidualAdd)) {
    const auto& p = std::get<abi::ElementwiseParams>(task.params);
    BoundTask bound(task, 12);
    CpuWorkspace workspace;
    bound.run(workspace);
    for (size_t i = p.begin; i < p.begin + p.count; ++i) {
      CHECK(bound.at(2, i) == double{static_cast<float>(bound.at(0, i) + bound.at(1, i))});
    }
  }
  for (const Case& task : cases_of(Opcode::kSiluMul)) {
    const auto& p = std::get<abi::ElementwiseParams>(task.params);
    BoundTask bound(task, 13);
    CpuWorkspace workspace;
    bound.run(workspace);
    for (size_t i = p.begin; i < p.begin + p.count; ++i) {
      CHECK(bound.at(2, i) == doctest::Approx(silu(bound.at(0, i)) * bound.at(1, i)).epsilon(1e-6).scale(0.01));
    }
  }
}

namespace {
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Value and index of logits[1 ..), by Argmax into slot 1 of 2.
std::pair<float, uint32_t> argmax_after_first(std::vector<float> logits) {
  const abi::Shape shape = f32({logits.size()}), value_shape = f32({2}), index_shape = u32({2});
  float value[2] = {};
  uint32_t index[2] = {};
  const CpuOperand operands[] = {{reinterpret_cast<std::byte*>(logits.data()), &shape},
                                 {reinterpret_cast<std::byte*>(value), &value_shape},
                                 {reinterpret_cast<std::byte*>(index), &index_shape}};
  CpuWorkspace workspace;
  run_cpu(Opcode::kArgmax, abi::ArgmaxParams{1, static_cast<uint32_t>(logits.size()) - 1, 1}, operands, workspace);
  return {value[1], index[1]};
}

uint32_t best_candidate(std::vector<float> values, std::vector<uint32_t> indices) {
  const abi::Shape value_shape = f32({values.size()}), index_shape = u32({indices.size()}), token_shape = u32({1});
  uint32_t token = 0;
  const CpuOperand operands[] = {{reinterpret_cast<std::byte*>(values.data()), &value_shape},
                                 {reinterpret_cast<std::byte*>(indices.data()), &index_shape},
                                 {reinterpret_cast<std::byte*>(&token), &token_shape}};
  CpuWorkspace workspace;
  run_cpu(Opcode::kArgmaxCombine, abi::ArgmaxCombineParams{static_cast<uint32_t>(values.size())}, operands, workspace);
  return token;
}
}  // namespace

TEST_CASE("argmax takes the lowest index of a tie and never a NaN") {
  CHECK(argmax_after_first({9, 1, 3, 2, 3}) == std::pair(3.0F, 2U));
  CHECK(argmax_after_first({9, kNan, 3, kNan}) == std::pair(3.0F, 2U));
  CHECK(argmax_after_first({9, kNan, kNan}) == std::pair(-kInfinity, 1U));
  CHECK(argmax_after_first({9, -kInfinity, -kInfinity, -5}) == std::pair(-5.0F, 3U));
  CHECK(argmax_after_first({9, kInfinity, kInfinity}) == std::pair(kInfinity, 1U));
}

TEST_CASE("argmax_combine takes the lowest index of a tie in whatever slot it stands") {
  CHECK(best_candidate({1, 4, 4}, {10, 30, 20}) == 20);
  CHECK(best_candidate({4, 4, 1}, {20, 30, 10}) == 20);
  CHECK(best_candidate({-kInfinity, -kInfinity}, {40, 30}) == 30);
  CHECK(best_candidate({kNan, 2}, {1, 7}) == 7);
}
