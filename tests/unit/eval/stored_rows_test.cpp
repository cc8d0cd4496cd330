#include "eval/stored_rows.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

#include "base/float_formats.h"
#include "base/random.h"

using namespace amk;
using eval::StoredRows;

namespace {

constexpr abi::Dtype kStored[] = {abi::Dtype::kF32, abi::Dtype::kF16, abi::Dtype::kBf16};

/// Random rows and what each element is worth.
struct Matrix {
  Matrix(abi::Dtype dtype, size_t rows, size_t columns) {
    Random random(columns * 3 + static_cast<size_t>(dtype));
    for (size_t i = 0; i < rows * columns; ++i) {
      const auto value = static_cast<float>(random.uniform() * 2.0 - 1.0);
      // Any half bits of a small exponent are a small finite f16.
      const auto half = static_cast<uint16_t>(random.below(0x4000) | (random.below(2) << 15));
      wide.push_back(dtype == abi::Dtype::kF32    ? value
                     : dtype == abi::Dtype::kBf16 ? bf16_to_f32(f32_to_bf16(value))
                                                  : f16_to_f32(half));
      narrow.push_back(dtype == abi::Dtype::kBf16 ? f32_to_bf16(value) : half);
    }
    const void* data = dtype == abi::Dtype::kF32 ? static_cast<const void*>(wide.data()) : narrow.data();
    view = {dtype, static_cast<const std::byte*>(data), columns, columns};
  }
  std::vector<float> wide;
  std::vector<uint16_t> narrow;
  StoredRows view;
};

std::vector<float> random_floats(size_t count) {
  Random random(count);
  std::vector<float> out;
  for (size_t i = 0; i < count; ++i) out.push_back(static_cast<float>(random.uniform() * 2.0 - 1.0));
  return out;
}

}  // namespace

TEST_CASE("dot products of every stored type and any row length are within the rounding of their lanes") {
  constexpr size_t kRows = 3;
  constexpr size_t kVectors = 7;
  for (const abi::Dtype dtype : kStored) {
    for (const size_t columns : {1, 5, 31, 32, 33, 64, 144, 491, 688, 2048}) {
      const Matrix matrix(dtype, kRows, columns);
      const std::vector<float> vectors = random_floats(kVectors * columns);
      std::vector<float> scratch(columns);
      std::vector<float> out(kVectors * kRows, NAN);
      eval::row_dots(matrix.view, 0, kRows, {vectors.data(), columns, kVectors}, scratch, out.data(), kRows);
      for (size_t v = 0; v < kVectors; ++v) {
        for (size_t r = 0; r < kRows; ++r) {
          double exact = 0.0;
          double magnitude = 0.0;
          for (size_t c = 0; c < columns; ++c) {
            const double term = static_cast<double>(matrix.wide[r * columns + c]) * vectors[v * columns + c];
            exact += term;
            magnitude += std::abs(term);
          }
          // A lane rounds each product and each sum once, the result is rounded once more.
          const double tolerance = 0x1p-24 * (static_cast<double>(columns) / 32.0 + 3.0) * magnitude;
          CHECK(std::abs(out[v * kRows + r] - exact) <= tolerance);
        }
      }
    }
  }
}

TEST_CASE("a vector's products are the same bits alone and among others, by parts of the rows or at once") {
  constexpr size_t kRows = 5;
  for (const abi::Dtype dtype : kStored) {
    for (const size_t columns : {7, 96, 491}) {
      const Matrix matrix(dtype, kRows, columns);
      const std::vector<float> vectors = random_floats(16 * columns);
      std::vector<float> scratch(columns);
      std::vector<float> alone(16 * kRows);
      for (size_t v = 0; v < 16; ++v) {
        for (size_t r = 0; r < kRows; ++r) {
          eval::row_dots(matrix.view, r, r + 1, {&vectors[v * columns], columns, 1}, {}, &alone[v * kRows], kRows);
        }
      }
      for (const size_t count : {2, 4, 5, 9, 16}) {
        std::vector<float> together(count * kRows);
        eval::row_dots(matrix.view, 0, kRows, {vectors.data(), columns, count}, scratch, together.data(), kRows);
        CHECK(together == std::vector<float>(alone.begin(), alone.begin() + static_cast<ptrdiff_t>(count * kRows)));
      }
    }
  }
}

TEST_CASE("a product is rounded before it is added, also on a processor that could fuse the two") {
  // 1 + 2^-12 squared is 1 + 2^-11 + 2^-24, which rounds to 1 + 2^-11; a fused sum would keep the 2^-24.
  std::vector<float> row(64, 0.0F);
  std::vector<float> vector(64, 0.0F);
  row[0] = -(1.0F + 0x1p-11F);
  vector[0] = 1.0F;
  row[32] = vector[32] = 1.0F + 0x1p-12F;
  float out = NAN;
  const StoredRows rows = {abi::Dtype::kF32, reinterpret_cast<const std::byte*>(row.data()), 64, 64};
  eval::row_dots(rows, 0, 1, {vector.data(), 64, 1}, {}, &out, 1);
  CHECK(out == 0.0F);
}

TEST_CASE("a row is widened exactly") {
  for (const abi::Dtype dtype : kStored) {
    const Matrix matrix(dtype, 2, 45);
    std::vector<float> out(45);
    eval::widen_row(matrix.view, 1, out.data());
    CHECK(out == std::vector<float>(matrix.wide.begin() + 45, matrix.wide.end()));
  }
}

TEST_CASE("a quantised row is widened exactly, and its products are those of the widened row") {
  for (const abi::Dtype dtype : {abi::Dtype::kI8G64, abi::Dtype::kI8G128, abi::Dtype::kI8Row, abi::Dtype::kI4G64,
                                 abi::Dtype::kI4G128, abi::Dtype::kI4Row}) {
    for (const size_t columns : {1, 63, 64, 65, 128, 129, 300}) {
      CAPTURE(abi::dtype_name(dtype));
      CAPTURE(columns);
      const bool bytes = abi::dtype_bits(dtype) == 8;
      const size_t row_bytes = abi::row_bytes(dtype, columns), elements = abi::row_element_bytes(dtype, columns);
      std::vector<uint8_t> data(3 * row_bytes);
      Random random(columns);
      for (uint8_t& byte : data) byte = static_cast<uint8_t>(random.below(256));
      for (size_t row = 0; row < 3; ++row) {  // scales from 2 to 4, 2 + 2^-6 x the group
        for (size_t s = 0; s < abi::row_scales(dtype, columns); ++s) {
          data[row * row_bytes + elements + 2 * s] = static_cast<uint8_t>(s);
          data[row * row_bytes + elements + 2 * s + 1] = 0x40;
        }
      }
      const size_t group = abi::dtype_group(dtype) == abi::kWholeRow ? columns : abi::dtype_group(dtype);
      const StoredRows rows = {dtype, reinterpret_cast<const std::byte*>(data.data()), columns, columns};
      std::vector<float> wide(3 * columns);
      for (size_t row = 0; row < 3; ++row) {
        eval::widen_row(rows, row, &wide[row * columns]);
        for (size_t c = 0; c < columns; ++c) {
          const uint8_t byte = data[row * row_bytes + (bytes ? c : c / 2)];
          const int nibble = c % 2 == 1 ? byte / 16 : byte % 16;
          const int element = bytes ? (byte < 128 ? byte : byte - 256) : (nibble < 8 ? nibble : nibble - 16);
          REQUIRE(wide[row * columns + c] ==
                  static_cast<float>(element) * (2.0F + 0x1p-6F * static_cast<float>(c / group)));
        }
      }
      const StoredRows floats = {abi::Dtype::kF32, reinterpret_cast<const std::byte*>(wide.data()), columns, columns};
      const std::vector<float> vectors = random_floats(5 * columns);
      std::vector<float> scratch(columns), found(5 * 3), expected(5 * 3);
      eval::row_dots(rows, 0, 3, {vectors.data(), columns, 5}, scratch, found.data(), 3);
      eval::row_dots(floats, 0, 3, {vectors.data(), columns, 5}, {}, expected.data(), 3);
      CHECK(found == expected);
      eval::row_dots(rows, 1, 2, {vectors.data(), columns, 1}, scratch, found.data(), 3);
      CHECK(found[1] == expected[1]);
    }
  }
}

TEST_CASE("values are rounded to the nearest number of a 16-bit type, the even one of two") {
  Random random(9);
  std::vector<float> values = {0.0F,     -0.0F,    65504.0F,  65519.9F,    65520.0F,    -70000.0F, 0x1p-24F,
                               0x1p-25F, 0x3p-25F, 0x1p-133F, 0x1.ffp127F, 0x1.fep127F, INFINITY,  1.0F + 0x1p-8F};
  for (int i = 0; i < 100000; ++i) {
    const float value = std::bit_cast<float>(static_cast<uint32_t>(random.next()));
    if (std::isfinite(value)) values.push_back(value);
  }
  std::vector<float> f16 = values, bf16 = values;
  eval::round_all(abi::Dtype::kF16, f16);
  eval::round_all(abi::Dtype::kBf16, bf16);
  for (size_t i = 0; i < values.size(); ++i) {
    REQUIRE(f16[i] == f16_to_f32(f32_to_f16(values[i])));
    REQUIRE(bf16[i] == bf16_to_f32(f32_to_bf16(values[i])));
  }
  std::vector<float> f32 = values;
  eval::round_all(abi::Dtype::kF32, f32);
  CHECK(f32 == values);
}

TEST_CASE("weighted rows are added in double") {
  const std::vector<float> rows = {1.0F, 2.0F, -1.0F, 0x1p-30F, 4.0F, -1.0F};  // stride 3, of which 2 are used
  const std::vector<float> weights = {1.0F, 0.5F};
  std::vector<double> sums = {1.0, 0.0};
  eval::add_weighted_rows(rows.data(), 3, weights.data(), 2, sums);
  CHECK(sums[0] == 2.0 + 0x1p-31);
  CHECK(sums[1] == 4.0);
}
