// A program as the kernel reads it, without addresses' values decided yet: what to pack, what to allocate, which waits
// packets make needless.
//
// Nothing is scheduled here: tasks, queues, waits and pages are the program's, translated one to one.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "instructions/device/records.h"
#include "validator/validator.h"
#include "vm/cuda/packing.h"

namespace amk::vm::cuda {

/// A matrix, or matrices that are packed together, by their buffers.
struct MatrixKey {
  Arrangement arrangement = Arrangement::kRows;
  std::vector<BufferId> buffers;
  uint32_t head_dim = 0;

  auto operator<=>(const MatrixKey&) const = default;
};

/// The matrices that a task reads; without buffers where it reads none.
[[nodiscard]] MatrixKey matrices_of(const schedule::Task& task);

/// Edges that the packet protocol realises by itself. A wait is needless where, of each task that the counter joins,
/// the waiter reads something, or everything if that task may still read after its first write; all of it as packets.
/// It then cannot go on before those values have come. Empty under the counter protocol.
///
/// A pass's rows of the caches travel as packets too. What passes through plain memory (outputs) needs a counter of its
/// own between writer and reader; where some reader has none, no edge is taken to be needless
/// (docs/decisions/0007-packets.md).
class PacketEdges {
 public:
  explicit PacketEdges(const schedule::Program& program);
  [[nodiscard]] bool realised(TaskId waiter, CounterId counter) const;
  /// Whether some wait for the counter is left.
  [[nodiscard]] bool kept(CounterId counter) const { return kept_[counter.index()]; }

 private:
  void find_realised();

  const schedule::Program& program_;
  std::vector<bool> kept_;      ///< by counter
  std::vector<bool> realised_;  ///< by wait, all tasks' waits one after another
  std::vector<uint32_t> first_wait_;
};

/// Where everything lies on the device.
struct DeviceAddresses {
  std::vector<uint64_t> buffers;  ///< of each buffer that is no activation and no streamed matrix
  std::map<MatrixKey, std::pair<uint64_t, PackedShape>> matrices;  ///< address of the packed tiles
};

struct DeviceProgram {
  std::vector<device::TaskRecord> records;  ///< all queues, one after another
  std::vector<uint32_t> queue_begin;        ///< [queues + 1]
  std::vector<device::WaitRecord> waits;    ///< beyond those in the records
  uint32_t tag_stride = 0;
  uint64_t scratch_bytes = 0;  ///< of plain values; packets take twice as much
};

[[nodiscard]] DeviceProgram translate(const validator::ValidatedProgram& program, const DeviceAddresses& addresses);

}  // namespace amk::vm::cuda
