#include "vm/cuda/packing.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/checked.h"

namespace amk::vm::cuda {
namespace {

using device::kTileRows;
using device::WeightFormat;

/// The 8 rows of a tile; null where there is none.
using TileRows = const std::byte* [kTileRows];

const std::byte* row_of(const model::TensorView& matrix, uint64_t row) {
  return row < matrix.shape[0] ? matrix.data.data() + row * abi::row_bytes(matrix.dtype, matrix.shape[1]) : nullptr;
}

/// The low or high row of a rotary pair, counted through all heads of [q; k; v].
const std::byte* row_of_pair(const PackSource& source, uint64_t pair, bool high) {
  const uint64_t half = source.head_dim / 2;
  uint64_t row = pair / half * source.head_dim + pair % half + (high ? half : 0);
  for (const model::TensorView& matrix : source.matrices) {
    if (row < matrix.shape[0]) return row_of(matrix, row);
    row -= matrix.shape[0];
  }
  return nullptr;
}

void find_rows(const PackSource& source, uint64_t tile, TileRows& rows) {
  constexpr uint64_t kHalf = kTileRows / 2;
  for (uint64_t r = 0; r < kTileRows; ++r) {
    const bool second = r >= kHalf;
    switch (source.arrangement) {
      case Arrangement::kRows:
        rows[r] = row_of(source.matrices[0], tile * kTileRows + r);
        break;
      case Arrangement::kPairs:
        rows[r] = row_of(source.matrices[second ? 1 : 0], tile * kHalf + r % kHalf);
        break;
      case Arrangement::kHeads:
        rows[r] = row_of_pair(source, tile * kHalf + r % kHalf, second);
        break;
    }
  }
}

/// Where the elements of a plain row go: pieces of 16 bytes, four of each row to a block of 512.
void pack_plain(const TileRows& rows, uint64_t row_bytes, uint64_t padded_bytes, std::byte* out) {
  for (uint64_t r = 0; r < kTileRows; ++r) {
    for (uint64_t at = 0; at < padded_bytes; at += 16) {
      std::byte* to = out + at / 64 * 512 + r * 64 + at % 64;
      const uint64_t whole = rows[r] == nullptr || at >= row_bytes ? 0 : std::min<uint64_t>(16, row_bytes - at);
      if (whole > 0) std::memcpy(to, rows[r] + at, whole);
      if (whole < 16) std::memset(to + whole, 0, 16 - whole);
    }
  }
}

/// Sixteen bytes of int4: a word's low nibbles are its first four columns, its high nibbles the next four.
void spread_nibbles(const std::byte* from, std::byte* to) {
  for (uint32_t word = 0; word < 4; ++word) {
    uint8_t column[8];
    for (uint32_t i = 0; i < 4; ++i) {
      const auto byte = std::to_integer<uint8_t>(from[word * 4 + i]);
      column[2 * i] = byte & 15U;
      column[2 * i + 1] = static_cast<uint8_t>(byte >> 4);
    }
    for (uint32_t i = 0; i < 4; ++i) to[word * 4 + i] = std::byte(column[i] | (column[i + 4] << 4));
  }
}

void pack_quantised(const TileRows& rows, abi::Dtype dtype, const PackedShape& shape, std::byte* out) {
  const bool int4 = device::is_int4(shape.format);
  const uint64_t element_bytes = abi::row_element_bytes(dtype, shape.columns);
  const uint32_t of_unit = device::unit_bytes(shape.format);
  const uint32_t unit_elements = device::unit_element_bytes(shape.format);
  const uint32_t bytes_in_unit = unit_elements / kTileRows;  // of a row
  const uint32_t groups = 128 / device::group_columns(shape.format);
  const uint64_t scales = abi::row_scales(dtype, shape.columns);
  std::memset(out, 0, shape.tile_bytes);
  for (uint64_t unit = 0; unit < shape.units; ++unit) {
    for (uint64_t r = 0; r < kTileRows; ++r) {
      if (rows[r] == nullptr) continue;
      std::byte* to = out + unit * of_unit;
      for (uint64_t at = 0; at < bytes_in_unit; at += 16) {
        std::byte piece[16] = {};
        const uint64_t from = unit * bytes_in_unit + at;
        if (from < element_bytes) std::memcpy(piece, rows[r] + from, std::min<uint64_t>(16, element_bytes - from));
        std::byte* place = to + at / 64 * 512 + r * 64 + at % 64;
        if (int4) {
          spread_nibbles(piece, place);
        } else {
          std::memcpy(place, piece, 16);
        }
      }
      for (uint32_t group = 0; group < groups; ++group) {
        const uint64_t number = scales == 1 ? 0 : unit * groups + group;
        if (number >= scales) continue;
        std::memcpy(to + unit_elements + (group * kTileRows + r) * 2, rows[r] + element_bytes + number * 2, 2);
      }
    }
  }
}

}  // namespace

Result<PackedShape> packed_shape(const PackSource& source) {
  const model::TensorView& first = source.matrices.front();
  for (const model::TensorView& matrix : source.matrices) {
    if (matrix.dtype == first.dtype) continue;
    return Error{ErrorCode::kUnsupported,
                 fmt::format("expected matrices that are multiplied together to have one dtype, found {} and {}",
                             abi::dtype_name(first.dtype), abi::dtype_name(matrix.dtype)),
                 "", "choose a fusion that multiplies them apart"};
  }
  PackedShape shape;
  shape.format = device::weight_format(first.dtype);
  shape.columns = static_cast<uint32_t>(first.shape[1]);
  shape.units = device::units_of(shape.format, shape.columns);
  const uint64_t tile_bytes = uint64_t{shape.units} * device::unit_bytes(shape.format);
  if (tile_bytes > UINT32_MAX) {
    return Error{ErrorCode::kUnsupported, fmt::format("expected rows of fewer columns, found {}", shape.columns), "",
                 ""};
  }
  shape.tile_bytes = static_cast<uint32_t>(tile_bytes);
  uint64_t rows = 0;
  for (const model::TensorView& matrix : source.matrices) rows += matrix.shape[0];
  shape.tiles = ceil_div(rows, kTileRows);
  if (source.arrangement != Arrangement::kRows) shape.tiles = ceil_div(ceil_div(rows, 2), kTileRows / 2);
  return shape;
}

void pack_tiles(const PackSource& source, const PackedShape& shape, uint64_t begin, uint64_t end,
                std::span<std::byte> out) {
  AMK_ASSERT(out.size() == (end - begin) * shape.tile_bytes, "pack_tiles: room for the tiles, exactly");
  const abi::Dtype dtype = source.matrices.front().dtype;
  for (uint64_t tile = begin; tile < end; ++tile) {
    TileRows rows;
    find_rows(source, tile, rows);
    std::byte* to = out.data() + (tile - begin) * shape.tile_bytes;
    if (device::is_quantised(shape.format)) {
      pack_quantised(rows, dtype, shape, to);
    } else {
      pack_plain(rows, uint64_t{shape.columns} * abi::dtype_bytes(dtype), shape.tile_bytes / kTileRows, to);
    }
  }
}

}  // namespace amk::vm::cuda
