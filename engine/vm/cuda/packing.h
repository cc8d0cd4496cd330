// Weights as the megakernel reads them: tiles of 8 rows, cut into units in the order in which a warp's lanes read.
//
// The layout is WeightFormat's (instructions/device/records.h). What stands side by side in a tile depends on the
// instruction that multiplies it, as its epilogue joins rows of a tile:
//
//   kRows   8 consecutive rows of one matrix
//   kPairs  4 consecutive rows of one matrix, then the same rows of another: gate and up
//   kHeads  4 rotary pairs through [q; k; v]: their low rows, then their high rows
//
// Rows and columns beyond a matrix are zero.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "instructions/device/records.h"
#include "model/safetensors.h"

namespace amk::vm::cuda {

enum class Arrangement : uint8_t { kRows, kPairs, kHeads };

/// What is packed together. Matrices are [rows, columns], all of one dtype and as many columns.
struct PackSource {
  Arrangement arrangement = Arrangement::kRows;
  std::vector<model::TensorView> matrices;  ///< kRows: 1; kPairs: gate, up; kHeads: q, k, v
  uint32_t head_dim = 0;                    ///< kHeads
};

/// The size and shape of a packed matrix.
struct PackedShape {
  device::WeightFormat format = device::WeightFormat::kF32;
  uint32_t columns = 0;
  uint32_t units = 0;  ///< of a tile
  uint32_t tile_bytes = 0;
  uint64_t tiles = 0;
  [[nodiscard]] uint64_t bytes() const { return tiles * tile_bytes; }
};

/// kUnsupported where the matrices are not of one dtype, or a tile would not fit 32 bits.
Result<PackedShape> packed_shape(const PackSource& source);

/// Packs tiles [begin, end) into `out`, of (end - begin) x tile_bytes bytes. Thread-safe for different tiles.
void pack_tiles(const PackSource& source, const PackedShape& shape, uint64_t begin, uint64_t end,
                std::span<std::byte> out);

}  // namespace amk::vm::cuda
