#include "instructions/cpu_math.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "unit/instructions/bound_task.h"

using namespace amk;
using namespace amk::instructions;

namespace {

struct Product {
  abi::Dtype dtype;
  size_t rows, columns;
  std::vector<std::byte> stored;
  std::vector<float> x;

  Product(abi::Dtype of, size_t row_count, size_t column_count) : dtype(of), rows(row_count), columns(column_count) {
    Random random(rows * 1000 + columns);
    stored.resize(rows * columns * abi::dtype_bytes(dtype));
    for (size_t i = 0; i < rows * columns; ++i) test::set_random(stored.data(), dtype, i, 1, random);
    for (size_t i = 0; i < columns; ++i) x.push_back(static_cast<float>(random.uniform() - 0.5));
  }
  [[nodiscard]] MatrixView matrix() const { return {dtype, stored.data(), columns}; }
  [[nodiscard]] std::vector<float> dot(size_t begin, size_t count, size_t k_chunk) const {
    std::vector<float> out(count);
    dot_rows(matrix(), begin, count, k_chunk, x.data(), out.data());
    return out;
  }
};

constexpr abi::Dtype kFloats[] = {abi::Dtype::kF32, abi::Dtype::kF16, abi::Dtype::kBf16};

}  // namespace

TEST_CASE("dot products agree with double at every length, for every stored type") {
  for (const abi::Dtype dtype : kFloats) {
    for (const size_t columns : {1U, 15U, 16U, 17U, 31U, 64U, 577U, 2048U}) {
      const Product of(dtype, 7, columns);
      std::vector<float> widened(7 * columns);
      widen(dtype, of.stored.data(), widened.size(), widened.data());
      const std::vector<float> found = of.dot(0, 7, columns);
      for (size_t r = 0; r < 7; ++r) {
        double want = 0, magnitude = 0;
        for (size_t i = 0; i < columns; ++i) {
          want += double{widened[r * columns + i]} * of.x[i];
          magnitude += std::abs(double{widened[r * columns + i]} * of.x[i]);
        }
        CHECK(std::abs(found[r] - want) <= std::numeric_limits<float>::epsilon() * magnitude * 4);
      }
    }
  }
}

TEST_CASE("a row's bits do not depend on the rows asked for with it") {
  for (const abi::Dtype dtype : kFloats) {
    const Product of(dtype, 13, 211);
    const std::vector<float> all = of.dot(0, 13, 50);
    for (size_t count = 1; count <= 6; ++count) {
      for (size_t begin = 0; begin + count <= 13; ++begin) {
        const std::vector<float> some = of.dot(begin, count, 50);
        for (size_t r = 0; r < count; ++r) CHECK(some[r] == all[begin + r]);
      }
    }
  }
}

TEST_CASE("each chunk of columns is summed on its own and the sums are added in order") {
  for (const abi::Dtype dtype : kFloats) {
    const Product of(dtype, 4, 300);
    for (const size_t k_chunk : {1U, 7U, 64U, 299U, 300U, 1000U}) {
      const std::vector<float> found = of.dot(0, 4, k_chunk);
      for (size_t r = 0; r < 4; ++r) {
        float want = 0;
        for (size_t begin = 0; begin < 300; begin += k_chunk) {
          const size_t count = std::min<size_t>(k_chunk, 300 - begin);
          const MatrixView chunk = {dtype, of.matrix().row(r) + begin * abi::dtype_bytes(dtype), count};
          float sum = 0;
          dot_rows(chunk, 0, 1, count, of.x.data() + begin, &sum);
          want = begin == 0 ? sum : want + sum;
        }
        CHECK(found[r] == want);
      }
    }
  }
}

namespace {

constexpr abi::Dtype kQuantised[] = {abi::Dtype::kI8G64, abi::Dtype::kI8G128, abi::Dtype::kI8Row,
                                     abi::Dtype::kI4G64, abi::Dtype::kI4G128, abi::Dtype::kI4Row};

/// Quantised rows and an input; widened[r * columns + c] is their value.
struct QuantisedProduct {
  test::Case task;
  test::BoundTask bound;
  std::vector<float> x;

  QuantisedProduct(abi::Dtype dtype, size_t rows, size_t columns, uint64_t seed)
      : task{"",
             abi::Opcode::kGemv,
             abi::GemvParams{},
             {test::shape(dtype, {rows, columns}), test::f32({columns}), test::f32({rows})}},
        bound(task, seed) {
    for (size_t i = 0; i < columns; ++i) x.push_back(static_cast<float>(bound.at(1, i)));
  }
  [[nodiscard]] MatrixView matrix() {
    return {task.shapes[0].dtype, bound.data(0), static_cast<size_t>(task.shapes[0].extent[1])};
  }
};

}  // namespace

TEST_CASE("products with quantised rows of random shapes agree with double") {
  Random random(17);
  for (int round = 0; round < 300; ++round) {
    const abi::Dtype dtype = kQuantised[random.below(std::size(kQuantised))];
    const size_t rows = 1 + random.below(9), columns = 1 + random.below(700);
    const size_t k_chunk = (1 + random.below(6)) * abi::kPackedColumns;
    CAPTURE(abi::dtype_name(dtype));
    CAPTURE(columns);
    QuantisedProduct of(dtype, rows, columns, random.next());
    const size_t begin = random.below(rows);
    std::vector<float> found(rows - begin);
    dot_rows(of.matrix(), begin, rows - begin, k_chunk, of.x.data(), found.data());
    for (size_t r = begin; r < rows; ++r) {
      double want = 0, magnitude = 0;
      for (size_t c = 0; c < columns; ++c) {
        const double term = of.bound.at(0, r * columns + c) * of.x[c];
        want += term;
        magnitude += std::abs(term);
      }
      REQUIRE(std::abs(found[r - begin] - want) <= std::numeric_limits<float>::epsilon() * magnitude * 4);
    }
  }
}

TEST_CASE("a quantised row's bits do not depend on the rows asked for with it, and its values are exact") {
  for (const abi::Dtype dtype : kQuantised) {
    QuantisedProduct of(dtype, 13, 211, 3);
    float all[13], some[13], values[211];
    dot_rows(of.matrix(), 0, 13, 128, of.x.data(), all);
    for (size_t count = 1; count <= 6; ++count) {
      for (size_t begin = 0; begin + count <= 13; ++begin) {
        dot_rows(of.matrix(), begin, count, 128, of.x.data(), some);
        for (size_t r = 0; r < count; ++r) CHECK(some[r] == all[begin + r]);
      }
    }
    for (const size_t begin : {0U, 1U, 63U, 64U, 130U, 210U}) {
      widen_columns(of.matrix(), 7, begin, 211 - begin, values);
      for (size_t c = begin; c < 211; ++c) CHECK(double{values[c - begin]} == of.bound.at(0, 7 * 211 + c));
    }
  }
}

TEST_CASE("each chunk of a quantised row's columns is summed on its own") {
  for (const abi::Dtype dtype : kQuantised) {
    QuantisedProduct of(dtype, 5, 300, 4);
    float chunked[5], masked[5];
    dot_rows(of.matrix(), 0, 5, 128, of.x.data(), chunked);
    float sums[5] = {};
    for (size_t begin = 0; begin < 300; begin += 128) {
      std::vector<float> part(300, 0.0F);
      std::copy(of.x.begin() + begin, of.x.begin() + std::min<size_t>(begin + 128, 300), part.begin() + begin);
      dot_rows(of.matrix(), 0, 5, 384, part.data(), masked);  // zeros add nothing
      for (size_t r = 0; r < 5; ++r) sums[r] = begin == 0 ? masked[r] : sums[r] + masked[r];
    }
    for (size_t r = 0; r < 5; ++r) CHECK(chunked[r] == sums[r]);
  }
}

TEST_CASE("floats are stored rounded to nearest even") {
  const float values[] = {1.0F, 1.0F + 0x1p-9F, 1.0F + 3 * 0x1p-9F, 1.0F + 0x1p-8F, -3.14159F, 70000.0F, 0x1p-25F};
  uint16_t bits[7];
  store_rounded(abi::Dtype::kBf16, values, 7, reinterpret_cast<std::byte*>(bits));
  CHECK(bits[0] == 0x3f80);
  CHECK(bits[1] == 0x3f80);
  CHECK(bits[2] == 0x3f81);
  CHECK(bits[3] == 0x3f80);  // half of the last bit: to even
  CHECK(bits[4] == 0xc049);
  store_rounded(abi::Dtype::kF16, values, 7, reinterpret_cast<std::byte*>(bits));
  CHECK(bits[1] == 0x3c02);
  CHECK(bits[5] == 0x7c00);  // beyond f16
  CHECK(bits[6] == 0x0000);  // half of the smallest: to even
}

TEST_CASE("a NaN or infinity in a matrix reaches the row's sum alone") {
  for (const abi::Dtype dtype : kFloats) {
    Product of(dtype, 5, 33);
    for (const size_t column : {0U, 15U, 32U}) {
      std::vector<std::byte> stored = of.stored;
      const size_t bytes = abi::dtype_bytes(dtype);
      for (size_t b = 0; b < bytes; ++b) stored[(size_t{2} * 33 + column) * bytes + b] = std::byte{0xff};
      float out[5];
      dot_rows({dtype, stored.data(), 33}, 0, 5, 16, of.x.data(), out);
      for (size_t r = 0; r < 5; ++r) CHECK(std::isnan(out[r]) == (r == 2));
    }
  }
}

TEST_CASE("a running softmax gives the same whether positions come at once or in pieces, up to rounding") {
  Random random(3);
  constexpr size_t kPositions = 50, kDim = 9;
  std::vector<float> scores(kPositions), rows(kPositions * kDim);
  for (float& score : scores) score = static_cast<float>(random.uniform() * 20 - 10);
  for (float& value : rows) value = static_cast<float>(random.uniform());
  const auto attend = [&](size_t piece) {
    std::vector<float> partial(kDim + 2), weights = scores;
    const RunningSoftmax running = {partial.data(), kDim};
    running.clear();
    for (size_t at = 0; at < kPositions; at += piece) {
      running.add(weights.data() + at, rows.data() + at * kDim, std::min(piece, kPositions - at));
    }
    return partial;
  };
  const std::vector<float> at_once = attend(kPositions);
  for (const size_t piece : {1U, 3U, 7U, 49U}) {
    const std::vector<float> pieced = attend(piece);
    for (size_t i = 0; i < kDim + 2; ++i) CHECK(pieced[i] == doctest::Approx(at_once[i]).epsilon(2e-6));
  }
}

TEST_CASE("splits that saw nothing do not count, a NaN in one that did shows") {
  constexpr float kNothing = -std::numeric_limits<float>::infinity();
  const float partials[] = {0, 0, kNothing, 0, /**/ 6, 8, -300, 2, /**/ 9, 9, 100, 0};
  float out[2];
  combine_head(partials, 3, 2, out);
  CHECK(out[0] == 3);
  CHECK(out[1] == 4);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float broken[] = {1, 1, 0, 1, /**/ nan, 1, 0, nan};
  combine_head(broken, 2, 2, out);
  CHECK(std::isnan(out[0]));
  CHECK(std::isnan(out[1]));
}

TEST_CASE("silu saturates without a NaN") {
  CHECK(silu(0.0F) == 0.0F);
  CHECK(silu(200.0F) == 200.0F);
  CHECK(silu(-200.0F) == doctest::Approx(0.0F));
  CHECK(std::isnan(silu(std::numeric_limits<float>::quiet_NaN())));
}

TEST_CASE("rotations are correct to float32 at angles where float32's own reduction is not") {
  for (const uint32_t position : {0U, 1U, 4095U, 131'071U, 4'000'000U}) {
    const float angle = 0.7310586F * static_cast<float>(position);
    const Rotation turn = rotation(0.7310586F, position);
    CHECK(turn.cos == static_cast<float>(std::cos(double{angle})));
    CHECK(turn.sin == static_cast<float>(std::sin(double{angle})));
  }
}
