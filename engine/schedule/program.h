// The schedule IR: a forward pass as tasks, counters, buffers, placement and pages.
//
// Plain records, freely built and edited: nothing here is trusted. Only the validator turns a Program into something
// that may run. Ids are indices into the vectors below. The JSON form and the semantics are in docs/ir-spec.md.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "abi/tables.h"
#include "base/ids.h"
#include "instructions/device/records.h"
#include "instructions/params.h"
#include "schedule/schedule_config.h"

namespace amk::schedule {

inline constexpr uint32_t kIrVersion = 1;

enum class Space : uint8_t { kGlobal, kScratch };

/// A named piece of memory. Activations lie in scratch, at the place their page gives; everything else is global.
struct Buffer {
  std::string name;
  abi::BufferKind kind = abi::BufferKind::kActivation;
  abi::Shape shape;
  Space space = Space::kScratch;
  std::string source;  ///< weights: the checkpoint's tensor; constants: "rope.inv_freq"; otherwise empty

  bool operator==(const Buffer&) const = default;
};

/// Counts finished tasks. Monotonic within a pass, 0 at its start.
struct Counter {
  uint32_t initial = 0;
  std::string note;

  bool operator==(const Counter&) const = default;
};

/// Blocks the task until `counter` has reached `threshold`.
struct Wait {
  CounterId counter;
  uint32_t threshold = 0;

  bool operator==(const Wait&) const = default;
};

struct Task {
  abi::Opcode opcode = abi::Opcode::kEmbed;
  instructions::Params params;
  std::vector<BufferId> operands;  ///< one an operand of the opcode, in the order of opcode.def
  std::vector<abi::Range> ranges;  ///< what it reads and writes, in normal form (instructions/contract.h)
  std::vector<Wait> waits;
  CounterId signal;    ///< the one counter it increments, by 1, when its writes are visible
  uint64_t bytes = 0;  ///< moved to and from global memory, KV history excluded; for cost, not for safety
  uint64_t flops = 0;
  std::string label;

  bool operator==(const Task&) const = default;
};

/// For each SM the tasks it runs, in order.
struct Placement {
  std::vector<std::vector<TaskId>> queues;

  bool operator==(const Placement&) const = default;
};

/// Where an activation lies in the scratch memory, and the tasks (by id) between which it is alive.
struct Page {
  BufferId buffer;
  uint64_t offset = 0;  ///< bytes, a multiple of kPageAlignment
  uint64_t size = 0;    ///< bytes: the activation's, rounded up to kPageAlignment
  TaskId first;         ///< lowest id that accesses it
  TaskId last;          ///< highest id that accesses it

  bool operator==(const Page&) const = default;
};

inline constexpr uint64_t kPageAlignment = 128;

/// How the kernel is launched.
struct Launch {
  uint32_t threads_per_block = 0;
  uint32_t stages = 0;  ///< of the weight ring
  uint32_t stage_bytes = 0;
  uint32_t activation_bytes = 0;  ///< shared memory for the input vector of a product
  uint32_t smem_bytes = 0;        ///< stages x stage_bytes + activation_bytes + control_bytes(threads_per_block)
  uint32_t copies_in_flight = 0;
  uint32_t tokens_per_launch = 1;
  abi::StreamBackend stream_backend = abi::StreamBackend::kPlain;
  abi::SyncProtocol sync_protocol = abi::SyncProtocol::kPackets;
  abi::Products products = abi::Products::kFloat32;

  bool operator==(const Launch&) const = default;
};

/// Shared memory of a block for barriers, joined sums and the tasks at hand; `threads` is at least 64.
[[nodiscard]] constexpr uint32_t control_bytes(uint32_t threads) {
  return device::control_layout(device::consumer_warps(threads)).bytes;
}

/// Matrix rows side by side in a stage: those of one tensor-core operand.
inline constexpr uint32_t kRowsPerStage = 8;

struct ProgramMeta {
  std::string model;     ///< the checkpoint's name
  uint32_t context = 0;  ///< positions the KV caches hold
  std::string schedule_id;

  bool operator==(const ProgramMeta&) const = default;
};

struct Program {
  uint32_t ir_version = kIrVersion;
  ProgramMeta meta;
  std::string target;
  ScheduleConfig config;
  Launch launch;
  std::vector<Buffer> buffers;
  std::vector<Counter> counters;
  std::vector<Task> tasks;
  Placement placement;
  std::vector<Page> pages;
  uint64_t scratch_bytes = 0;

  bool operator==(const Program&) const = default;

  [[nodiscard]] const Buffer& buffer(BufferId id) const { return buffers[id.index()]; }
  [[nodiscard]] const Task& task(TaskId id) const { return tasks[id.index()]; }
};

/// What the KV caches of a lowered program hold: the first one's type, or f32 where it has none.
[[nodiscard]] inline abi::Dtype kv_dtype(const Program& program) {
  for (const Buffer& buffer : program.buffers) {
    if (buffer.kind == abi::BufferKind::kKvCache) return buffer.shape.dtype;
  }
  return abi::Dtype::kF32;
}

}  // namespace amk::schedule
