// A product task: stages its input, multiplies its tiles as they come out of the ring, joins the warps' sums, and hands
// each row's sum to an epilogue.
//
// The columns of a product belong to warps: unit u to warp u mod kWarps, in staging as in multiplying, so no barrier
// stands between the arrival of an input and its use. Sums are joined a batch of tiles at a time behind one barrier.
#pragma once

#include "instructions/device/activations.cuh"
#include "instructions/device/formats.cuh"
#include "instructions/device/ring.cuh"

namespace amk::device {

/// Where a warp is in the ring and in the block's double buffers; it goes on from task to task.
struct Progress {
  Cursor<kStages> ring;
  uint32_t parity = 0;         ///< which half of `partial` the next batch of tiles uses
  uint32_t square_parity = 0;  ///< which half of `squares` the next normalised input uses
};

// An input of a product has, for the pair of columns that begins at an even `column`:
//   prepare()  asks for what does not depend on this pass's values
//   fetch()    asks for the pair
//   value()    is the pair, adding to the lane's sum of squares; a column behind the last is 0

/// The input as it stands in memory.
struct VectorInput {
  static constexpr bool kTogether = false;         ///< whether the lanes of a warp must ask together
  static constexpr uint32_t kPairsAheadMax = ~0U;  ///< that there are registers for
  struct Loaded {
    LoadedPair x;
  };
  Activation x;
  uint32_t columns;

  __device__ __forceinline__ void prepare(Loaded&, uint32_t) const {}
  __device__ __forceinline__ void fetch(Loaded& loaded, uint32_t column) const { loaded.x = x.fetch(column); }
  __device__ __forceinline__ float2 value(Loaded& loaded, uint32_t column, float&) const {
    const bool both = column + 1 < columns;
    float2 v = x.arrived(loaded.x, column, both);
    if (!both) v.y = 0.0F;
    return v;
  }
};

/// rmsnorm(x, norm) but for its one scalar, which the epilogue applies: the products need not wait for it.
struct NormInput {
  static constexpr bool kTogether = false;
  static constexpr uint32_t kPairsAheadMax = ~0U;
  struct Loaded {
    LoadedPair x;
    float2 norm;
  };
  VectorInput vector;
  const float* norm;

  __device__ __forceinline__ void prepare(Loaded& loaded, uint32_t column) const {
    if (column + 1 < vector.columns) {
      loaded.norm = __ldg(reinterpret_cast<const float2*>(norm + column));
    } else {
      loaded.norm = make_float2(__ldg(norm + column), 0.0F);
    }
  }
  __device__ __forceinline__ void fetch(Loaded& loaded, uint32_t column) const { loaded.x = vector.x.fetch(column); }
  __device__ __forceinline__ float2 value(Loaded& loaded, uint32_t column, float& squares) const {
    VectorInput::Loaded pair{loaded.x};
    const float2 v = vector.value(pair, column, squares);
    squares += v.x * v.x + v.y * v.y;
    return make_float2(v.x * loaded.norm.x, v.y * loaded.norm.y);
  }
};

/// Stages this warp's units of an input of `columns` columns; returns this lane's sum of squares. A lane has up to
/// `kPairsAhead` pairs under way together.
///
/// A lane asks for several pairs at once and then waits for one after the other. Measured against it and slower: a lane
/// that polls before the others ask, and asking again for all late pairs together (docs/performance-log.md).
template <typename Product, uint32_t kPairsAhead, typename Input>
__device__ __forceinline__ float stage_input(const Block& block, const Input& input, uint32_t columns, uint32_t units) {
  constexpr uint32_t kPairs = Product::kLaneColumns / 2;
  // Units whose loads are under way together.
  constexpr uint32_t kWanted = kPairsAhead < Input::kPairsAheadMax ? kPairsAhead : Input::kPairsAheadMax;
  constexpr uint32_t kAhead = kWanted < kPairs ? 1 : kWanted / kPairs;
  float squares = 0;
  for (uint32_t first = block.warp; first < units; first += kAhead * kWarps) {
    typename Input::Loaded loaded[kAhead][kPairs];
    const auto column_of = [&](uint32_t j, uint32_t p) {
      return (first + j * kWarps) * Product::kColumns + block.lane * Product::kLaneColumns + 2 * p;
    };
    const auto wanted = [&](uint32_t j, uint32_t p) {
      return first + j * kWarps < units && (Input::kTogether || column_of(j, p) < columns);
    };
    // Lanes that must ask together and have no column of their own ask for the last.
    const auto clamped = [&](uint32_t column) { return Input::kTogether ? min(column, columns - 2) : column; };
#pragma unroll
    for (uint32_t j = 0; j < kAhead; ++j) {
#pragma unroll
      for (uint32_t p = 0; p < kPairs; ++p) {
        if (wanted(j, p)) input.prepare(loaded[j][p], clamped(column_of(j, p)));
      }
    }
#pragma unroll
    for (uint32_t j = 0; j < kAhead; ++j) {
#pragma unroll
      for (uint32_t p = 0; p < kPairs; ++p) {
        if (wanted(j, p)) input.fetch(loaded[j][p], clamped(column_of(j, p)));
      }
    }
#pragma unroll
    for (uint32_t j = 0; j < kAhead; ++j) {
      const uint32_t unit = first + j * kWarps;
      if (unit >= units) break;
      float x[Product::kLaneColumns];
#pragma unroll
      for (uint32_t p = 0; p < kPairs; ++p) {
        const uint32_t column = column_of(j, p);
        float2 v = make_float2(0.0F, 0.0F);
        if (wanted(j, p)) {
          v = input.value(loaded[j][p], clamped(column), squares);
          if (Input::kTogether && column >= columns) v = make_float2(0.0F, 0.0F);
        }
        x[2 * p] = v.x;
        x[2 * p + 1] = v.y;
      }
      Product::stage(Block::area(), unit, block.lane, x);
    }
  }
  return squares;
}

/// Multiplies one tile, chunk by chunk, as its stages fill.
template <typename Product>
__device__ __forceinline__ typename Product::Sum multiply_tile(const Block& block, Progress& at, const TaskRecord& task,
                                                               uint32_t bytes_of_unit) {
  const StageSlots slots = stage_slots();
  typename Product::Sum sum;
  // Units before the chunk, modulo kWarps: the first of this warp's units in a chunk follows from it.
  const uint32_t step = task.chunk_units % kWarps;
  uint32_t before = 0;
  for (uint32_t base = 0; base < task.units; base += task.chunk_units) {
    const uint32_t count = min(task.chunk_units, task.units - base);
    slots.wait_full(block, at.ring);
    const unsigned char* data = stage_data(at.ring.slot);
    uint32_t mine = block.warp - before;
    if (block.warp < before) mine += kWarps;
    for (; mine < count; mine += kWarps) {
      Product::multiply(sum, data + mine * bytes_of_unit, Block::area(), base + mine, block.lane);
    }
    slots.release(block, at.ring);
    at.ring.advance();
    before += step;
    if (before >= kWarps) before -= kWarps;
  }
  return sum;
}

/// Leaves a warp's share of the sum of squares where multiply_tiles() finds it.
__device__ __forceinline__ void leave_squares(const Block& block, Progress& at, float lane_share) {
  const float sum = warp_sum(lane_share);
  if (block.lane == 0) Block::squares()[at.square_parity * 32 + block.warp] = sum;
  at.square_parity ^= 1U;
}
/// The sum of squares over all warps.
__device__ __forceinline__ float joined_squares(const Block& block, uint32_t parity) {
  const float* squares = Block::squares() + parity * 32;
  return warp_sum(block.lane < kWarps ? squares[block.lane] : 0.0F);
}

/// Multiplies a task's tiles, joining the sums of `batch_tiles` of them at once (at most kBatchTiles and kWarps: there
/// is a warp to join each), and hands each row's sum to the epilogue, which has prepare(block, task, tile), called by
/// the warp that will finish the tile before its products, and finish(block, task, tile, sum), where lane n < 8 has the
/// sum of row n of the tile (lanes above repeat them). `eps` is the normalised input's, negative where it is not
/// normalised.
template <typename Product, typename Epilogue>
__device__ __forceinline__ void multiply_tiles(Block& block, Progress& at, const TaskRecord& task, Epilogue& epilogue,
                                               uint32_t batch_tiles, float eps, uint32_t square_parity,
                                               uint32_t place) {
  const uint32_t bytes_of_unit = unit_bytes(task.format);
#pragma unroll 1
  for (uint32_t base = 0; base < task.tile_count; base += batch_tiles) {
    const uint32_t batch = min(batch_tiles, task.tile_count - base);
    const uint32_t tile = task.tile_begin + base + block.warp;
    if (block.warp < batch) epilogue.prepare(block, task, tile);
    float* partial = Block::partial() + at.parity * (kBatchTiles * kWarps * kTileRows);
    at.parity ^= 1U;
    for (uint32_t i = 0; i < batch; ++i) {
      const auto sum = multiply_tile<Product>(block, at, task, bytes_of_unit);
      Product::write(sum, partial + (i * kWarps + block.warp) * kTileRows, block.lane);
    }
    consumer_barrier();
    if (base + batch == task.tile_count) stamp(block, &TraceRecord::done, place);
    if (block.warp >= batch) continue;
    float sum = 0;
#pragma unroll
    for (uint32_t w = 0; w < kWarps; w += 4) {
      const uint32_t from = w + block.lane / 8;
      if (from < kWarps) sum += partial[(block.warp * kWarps + from) * kTileRows + block.lane % 8];
    }
    sum += __shfl_xor_sync(kAllLanes, sum, 8);
    sum += __shfl_xor_sync(kAllLanes, sum, 16);
    if (eps >= 0)
      sum *= rsqrtf(__fdividef(joined_squares(block, square_parity), static_cast<float>(task.columns)) + eps);
    epilogue.finish(block, task, tile, sum);
  }
}

}  // namespace amk::device
