// What the host hands the megakernel, and what comes back: plain records in memory that both read.
//
// Compiles under NVRTC and on the host. Offsets and sizes are bytes, addresses are the device's.
#pragma once

#include <stdint.h>

#include "abi/tables.h"

namespace amk::device {

// ---- packed weights -------------------------------------------------------------------------------------------------

/// How the elements of a packed matrix are stored. A matrix is packed as tiles of 8 rows; a tile is `units` units, each
/// 8 rows of kUnitColumns columns, zero-padded. Within a unit, elements stand in the order in which the lanes of a warp
/// read them, 16 bytes a lane: lane 4 g + q has row g. Where q's columns begin depends on the format (formats.cuh).
enum class WeightFormat : uint8_t { kF32, kF16, kBf16, kI8G64, kI8G128, kI4G64, kI4G128 };
inline constexpr uint32_t kWeightFormatCount = 7;

inline constexpr uint32_t kTileRows = 8;

/// How a matrix of a dtype is packed; one scale a row is packed as a scale a group of 128.
constexpr WeightFormat weight_format(abi::Dtype dtype) {
  switch (dtype) {
    case abi::Dtype::kF16:
      return WeightFormat::kF16;
    case abi::Dtype::kBf16:
      return WeightFormat::kBf16;
    case abi::Dtype::kI8G64:
      return WeightFormat::kI8G64;
    case abi::Dtype::kI8G128:
    case abi::Dtype::kI8Row:
      return WeightFormat::kI8G128;
    case abi::Dtype::kI4G64:
      return WeightFormat::kI4G64;
    case abi::Dtype::kI4G128:
    case abi::Dtype::kI4Row:
      return WeightFormat::kI4G128;
    case abi::Dtype::kF32:
    case abi::Dtype::kU32:
      break;
  }
  return WeightFormat::kF32;
}

constexpr bool is_quantised(WeightFormat format) { return format >= WeightFormat::kI8G64; }
constexpr bool is_int4(WeightFormat format) { return format >= WeightFormat::kI4G64; }
/// Columns that share a scale.
constexpr uint32_t group_columns(WeightFormat format) {
  return format == WeightFormat::kI8G64 || format == WeightFormat::kI4G64 ? 64 : 128;
}
constexpr uint32_t unit_columns(WeightFormat format) { return is_quantised(format) ? 128 : 64; }
/// Bytes of a unit's elements, without its scales.
constexpr uint32_t unit_element_bytes(WeightFormat format) {
  return format == WeightFormat::kF32 ? 2048 : is_int4(format) ? 512 : 1024;
}
/// Bytes of a unit: its elements, then for each group of its columns 8 bfloat16 scales, one a row.
constexpr uint32_t unit_bytes(WeightFormat format) {
  return unit_element_bytes(format) + (is_quantised(format) ? 128 / group_columns(format) * kTileRows * 2 : 0);
}
constexpr uint32_t units_of(WeightFormat format, uint32_t columns) {
  return (columns + unit_columns(format) - 1) / unit_columns(format);
}

// ---- key-value caches -----------------------------------------------------------------------------------------------

/// Positions whose rows travel through the ring together: so many rows of any length are whole pieces of 16 bytes.
inline constexpr uint32_t kCachePositions = 8;
/// Positions that a cache [heads, positions, head_dim] has room for on the device, so that every head begins at one.
constexpr uint32_t cache_room(uint32_t context) {
  return (context + kCachePositions - 1) / kCachePositions * kCachePositions;
}
/// Bytes of the least stage: keys and values of kCachePositions positions.
constexpr uint32_t cache_stage_bytes(uint32_t head_dim, uint32_t element_bytes) {
  return 2 * kCachePositions * head_dim * element_bytes;
}

// ---- tasks ----------------------------------------------------------------------------------------------------------

/// A counter that must have counted `producers` tasks in this pass.
struct WaitRecord {
  uint32_t counter = 0;
  uint32_t producers = 0;
};

inline constexpr uint32_t kNoSignal = ~0U;
inline constexpr uint32_t kWaitsInRecord = 4;

/// A task as the kernel reads it.
struct alignas(16) TaskRecord {
  uint32_t params[8] = {};  ///< the record of param.def
  /// By operand. An activation: its offset in the scratch memory below, its tag's number above (<< 32). Any other: its
  /// address. Weights that are streamed have none of their own: see `stream`.
  uint64_t operand[abi::kMaxOperands] = {};
  /// Under the packet protocol: where a pass's rows of the key and value caches travel as packets, as an activation.
  uint64_t current_k = 0;
  uint64_t current_v = 0;
  uint64_t stream = 0;       ///< address of the first packed tile that the task multiplies; an embedding's first tile
  uint32_t tile_bytes = 0;   ///< of a packed tile
  uint32_t tile_begin = 0;   ///< index of the first tile in its matrix
  uint32_t tile_count = 0;   ///< 0: nothing is streamed
  uint32_t units = 0;        ///< of a tile
  uint32_t chunk_units = 0;  ///< of a stage of the ring; the last of a tile may be shorter
  uint32_t columns = 0;      ///< of the matrix, without padding
  uint32_t task = 0;         ///< its id in the program
  uint32_t signal = kNoSignal;
  abi::Opcode opcode = abi::Opcode::kEmbed;
  WeightFormat format = WeightFormat::kF32;
  uint8_t wait_count = 0;
  uint8_t plain_output = 0;  ///< the products go to an output, not to an activation
  /// Attention and what combines its partials: positions a block where empty splits write nothing, 0 where they write
  /// their empty partial.
  uint32_t sparse_kv_block = 0;
  uint32_t context = 0;        ///< positions that the KV cache operands have room for: cache_room()
  uint32_t wait_overflow = 0;  ///< waits beyond the first kWaitsInRecord: index into LaunchArguments::waits
  WaitRecord waits[kWaitsInRecord] = {};
};
static_assert(sizeof(TaskRecord) == 224 && sizeof(TaskRecord) % 16 == 0);

// ---- launch ---------------------------------------------------------------------------------------------------------

/// What a wait was for, when its deadline passed.
enum class FaultKind : uint32_t {
  kNone,
  kCounter,     ///< `counter` is the counter
  kPacket,      ///< `counter` is the number of the tag; value and threshold are tags
  kStage,       ///< a copy into the ring that did not land; `counter` is the stage
  kRoom,        ///< a stage that was not given back; `counter` is the stage
  kRecord,      ///< a task's record that did not land or was not given back
  kPassBarrier  ///< the end of the pass before
};

/// Written to host memory by the first wait whose deadline passes.
struct FaultReport {
  FaultKind kind = FaultKind::kNone;
  uint32_t task = 0;  ///< id of the task that waited
  uint32_t sm = 0;    ///< queue
  uint32_t counter = 0;
  uint32_t value = 0;
  uint32_t threshold = 0;
  uint32_t waited_us = 0;
};

/// Times of one task, in nanoseconds of the device's global timer.
struct TraceRecord {
  uint64_t begin = 0;      ///< the task is at the head of its queue
  uint64_t ready = 0;      ///< its counters have been reached
  uint64_t staged = 0;     ///< its input is in shared memory
  uint64_t done = 0;       ///< its products (or its work) are done
  uint64_t published = 0;  ///< its results are written and signalled
};

/// The one argument of the kernel.
struct LaunchArguments {
  const TaskRecord* records = nullptr;    ///< all queues, one after another
  const uint32_t* queue_begin = nullptr;  ///< [queues + 1] into records
  const WaitRecord* waits = nullptr;      ///< of tasks with more than fit their record
  unsigned char* scratch = nullptr;       ///< activations
  uint32_t* counters = nullptr;           ///< one a cache line: kCounterStride apart; never reset: they count epochs
  uint32_t* pass_counter = nullptr;       ///< SMs that have finished a pass
  uint32_t* fault_claim = nullptr;        ///< 0 until a wait's deadline passes
  FaultReport* fault = nullptr;           ///< host memory
  TraceRecord* trace = nullptr;           ///< [passes][tasks], by place in `records`; null: not recorded
  const uint32_t* next_token = nullptr;   ///< what the pass before chose
  uint32_t* tokens = nullptr;             ///< [passes]: what each pass chose
  uint64_t deadline_ns = 0;               ///< of the whole launch
  uint32_t task_count = 0;
  uint32_t passes = 0;
  uint32_t epoch = 0;       ///< passes that ended before this launch; a pass has the number epoch + 1, + 2, ...
  uint32_t tag_stride = 0;  ///< a packet's tag is the pass's number times this, plus the number of its buffer's tag
  uint32_t token = 0;       ///< input of the first pass
  uint32_t position = 0;    ///< of the first pass
};

/// Words between counters: each has its own sector of the L2 cache.
inline constexpr uint32_t kCounterStride = 8;

// ---- shared memory of a block ---------------------------------------------------------------------------------------

inline constexpr uint32_t kRecordSlots = 6;  ///< tasks whose records are in shared memory at once
inline constexpr uint32_t kStagesMax = 32;
inline constexpr uint32_t kBatchTiles = 8;  ///< tiles whose sums are joined at once

/// Consumer warps of a block; the one more is the producer.
constexpr uint32_t consumer_warps(uint32_t threads) { return threads / 32 - 1; }

/// Where things lie in the dynamic shared memory, from its start: the ring, the activation area, then these.
struct ControlLayout {
  uint32_t records = 0;    ///< TaskRecord[kRecordSlots]
  uint32_t barriers = 0;   ///< u64: full[stages], empty[stages], full and empty [kRecordSlots]
  uint32_t partial = 0;    ///< float[2][kBatchTiles][warps][8]: sums of each warp
  uint32_t squares = 0;    ///< float[2][32]: sums of squares of each warp
  uint32_t arguments = 0;  ///< LaunchArguments
  uint32_t start = 0;      ///< u64: when the launch began
  uint32_t bytes = 0;
};
constexpr ControlLayout control_layout(uint32_t warps) {
  ControlLayout layout;
  layout.barriers = kRecordSlots * static_cast<uint32_t>(sizeof(TaskRecord));
  layout.partial = layout.barriers + 8 * (2 * kStagesMax + 2 * kRecordSlots);
  layout.squares = layout.partial + 2 * kBatchTiles * warps * kTileRows * 4;
  layout.arguments = layout.squares + 2 * 32 * 4;
  layout.start = layout.arguments + (static_cast<uint32_t>(sizeof(LaunchArguments)) + 7) / 8 * 8;
  layout.bytes = (layout.start + 8 + 127) / 128 * 128;
  return layout;
}

using abi::Products;

/// Tensor cores serve bfloat16 and quantised weights; float32 and float16 go the other way.
constexpr bool on_tensor_cores(WeightFormat format, Products products) {
  return products == Products::kTensorCores && format != WeightFormat::kF32 && format != WeightFormat::kF16;
}

/// Bytes between the parts of a staged input of at most `columns` columns: 64 modulo 128, so that the parts' rows lie
/// in different banks.
constexpr uint32_t plane_pitch(WeightFormat format, Products products, uint32_t columns) {
  const uint32_t padded = units_of(format, columns) * unit_columns(format);
  if (!on_tensor_cores(format, products)) return padded * 4;
  return (is_quantised(format) ? padded : padded * 2) + 64;
}
/// Bytes of a staged input of at most `columns` columns.
constexpr uint32_t input_bytes(WeightFormat format, Products products, uint32_t columns) {
  const uint32_t pitch = plane_pitch(format, products, columns);
  if (!on_tensor_cores(format, products)) return pitch;
  return is_quantised(format) ? 3 * pitch + units_of(format, columns) * 4 : 2 * pitch;
}
/// Query heads that Attention handles at once, each by warps of its own.
constexpr uint32_t heads_at_once(uint32_t warps, uint32_t group) {
  const uint32_t most = warps < 4 ? warps : 4;
  return group < most ? group : most;
}
/// Bytes that Attention needs: queries and this pass's key and value, a state for each set of warps that has one of
/// every head, one for this pass's row, and two more to join other splits with. Whatever more the activation area has,
/// it uses for states of other splits.
constexpr uint32_t attention_bytes(uint32_t warps, uint32_t group, uint32_t head_dim) {
  const uint32_t heads = heads_at_once(warps, group);
  return 4 * ((heads + 2) * head_dim + (warps / heads + 3) * heads * (head_dim + 2));
}

}  // namespace amk::device
