#include "vm/cuda/packing.h"

#include <doctest/doctest.h>

#include <cstring>

namespace {

using namespace amk;
using namespace amk::vm::cuda;

/// Where element (row, column) of a tile is, counted anew from the words of records.h: a lane reads 16 bytes, lane
/// 4 g + q has row g, and 32 lanes stand side by side.
uint64_t byte_of(device::WeightFormat format, uint32_t row, uint32_t column) {
  const uint32_t bits = format == device::WeightFormat::kF32 ? 32
                        : device::is_int4(format)            ? 4
                        : device::is_quantised(format)       ? 8
                                                             : 16;
  const uint32_t in_lane = 128 / bits;    // columns of 16 bytes
  const uint32_t in_block = 4 * in_lane;  // columns of 512 bytes
  const uint32_t unit = column / device::unit_columns(format), c = column % device::unit_columns(format);
  const uint32_t lane = row * 4 + c % in_block / in_lane;
  return uint64_t{unit} * device::unit_bytes(format) + c / in_block * 512 + lane * 16 + c % in_lane * bits / 8;
}

struct Matrix {
  std::vector<std::byte> data;
  model::TensorView view;

  Matrix(abi::Dtype dtype, uint64_t rows, uint64_t columns, uint64_t seed) {
    data.resize(rows * abi::row_bytes(dtype, columns));
    uint64_t state = seed;
    for (std::byte& byte : data) byte = static_cast<std::byte>((state = state * 6364136223846793005U + 1) >> 56);
    view = {dtype, {rows, columns}, data};
  }
};

std::vector<std::byte> packed(const PackSource& source, const PackedShape& shape) {
  std::vector<std::byte> out(shape.bytes(), std::byte{0xaa});
  pack_tiles(source, shape, 0, shape.tiles, out);
  return out;
}

}  // namespace

TEST_CASE("every element of a plain matrix is where a lane reads it, and padding is zero") {
  for (const auto dtype : {abi::Dtype::kF32, abi::Dtype::kF16, abi::Dtype::kBf16}) {
    for (const uint32_t columns : {1U, 24U, 64U, 100U}) {
      const Matrix matrix(dtype, 11, columns, columns);
      const PackSource source{Arrangement::kRows, {matrix.view}, 0};
      const PackedShape shape = packed_shape(source).value();
      CHECK(shape.tiles == 2);
      const std::vector<std::byte> out = packed(source, shape);
      const uint32_t bytes = abi::dtype_bytes(dtype);
      for (uint32_t row = 0; row < 16; ++row) {
        for (uint32_t column = 0; column < shape.units * device::unit_columns(shape.format); ++column) {
          const std::byte* found = out.data() + row / 8 * shape.tile_bytes + byte_of(shape.format, row % 8, column);
          const std::vector<std::byte> zero(bytes);
          const bool inside = row < 11 && column < columns;
          const std::byte* expected = inside ? matrix.data.data() + (row * columns + column) * bytes : zero.data();
          REQUIRE(std::memcmp(found, expected, bytes) == 0);
        }
      }
    }
  }
}

TEST_CASE("quantised elements and their scales are packed by 128 columns; a scale of a whole row is repeated") {
  for (const auto dtype : {abi::Dtype::kI8G64, abi::Dtype::kI8G128, abi::Dtype::kI8Row}) {
    const uint32_t columns = 200;
    const Matrix matrix(dtype, 8, columns, 7);
    const PackSource source{Arrangement::kRows, {matrix.view}, 0};
    const PackedShape shape = packed_shape(source).value();
    const std::vector<std::byte> out = packed(source, shape);
    const uint64_t pitch = abi::row_bytes(dtype, columns), elements = abi::row_element_bytes(dtype, columns);
    const uint32_t group = device::group_columns(shape.format);
    for (uint32_t row = 0; row < 8; ++row) {
      for (uint32_t column = 0; column < columns; ++column) {
        REQUIRE(out[byte_of(shape.format, row, column)] == matrix.data[row * pitch + column]);
        const uint64_t scale = elements + (abi::row_scales(dtype, columns) == 1 ? 0 : column / group) * 2;
        const uint64_t at = uint64_t{column / 128} * device::unit_bytes(shape.format) +
                            device::unit_element_bytes(shape.format) + (column % 128 / group * 8 + row) * 2;
        REQUIRE(std::memcmp(&out[at], &matrix.data[row * pitch + scale], 2) == 0);
      }
    }
  }
}

TEST_CASE("gate and up rows share tiles, and so do the halves of rotary pairs through queries, keys and values") {
  const Matrix gate(abi::Dtype::kBf16, 6, 64, 1), up(abi::Dtype::kBf16, 6, 64, 2);
  const PackSource pairs{Arrangement::kPairs, {gate.view, up.view}, 0};
  const PackedShape shape = packed_shape(pairs).value();
  CHECK(shape.tiles == 2);
  std::vector<std::byte> out = packed(pairs, shape);
  const auto row_is = [&](uint64_t tile, uint32_t row, const Matrix& from, uint64_t from_row) {
    return std::memcmp(&out[tile * shape.tile_bytes + byte_of(shape.format, row, 0)], &from.data[from_row * 128], 16) ==
           0;
  };
  CHECK(row_is(0, 0, gate, 0));
  CHECK(row_is(0, 4, up, 0));
  CHECK(row_is(1, 1, gate, 5));
  CHECK(row_is(1, 5, up, 5));

  const Matrix q(abi::Dtype::kBf16, 16, 64, 3), k(abi::Dtype::kBf16, 8, 64, 4), v(abi::Dtype::kBf16, 8, 64, 5);
  const PackSource heads{Arrangement::kHeads, {q.view, k.view, v.view}, 8};
  REQUIRE(packed_shape(heads).value().tiles == 4);
  out = packed(heads, packed_shape(heads).value());
  CHECK(row_is(1, 2, q, 10));  // head 1 of q, pair 2: its low row
  CHECK(row_is(1, 6, q, 14));  // and its high row
  CHECK(row_is(2, 3, k, 3));
  CHECK(row_is(3, 4, v, 4));
}

TEST_CASE("matrices of different dtypes are not packed together") {
  const Matrix gate(abi::Dtype::kBf16, 4, 64, 1), up(abi::Dtype::kF32, 4, 64, 2);
  CHECK(packed_shape({Arrangement::kPairs, {gate.view, up.view}, 0}).error().code == ErrorCode::kUnsupported);
}
