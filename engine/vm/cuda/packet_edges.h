// Which waits of a program the packets of its activations make needless.
//
// Decided from ranges, pages and queues alone, for a program that was validated. Where it is not certain that packets
// keep the order that the validator proved, every counter is kept: it must never leave out one that is needed.
#pragma once

#include <cstdint>
#include <vector>

#include "schedule/program.h"

namespace amk::vm::cuda {

/// Activations travel as packets, and so do a pass's rows of the caches; outputs lie in plain memory.
[[nodiscard]] constexpr bool travels_as_packets(abi::BufferKind kind) {
  return kind == abi::BufferKind::kActivation || kind == abi::BufferKind::kKvCache;
}

/// By buffer: positions a block of the attention tasks that have it as their partials, where empty splits read and
/// write nothing; 0 where those tasks do not agree, and for every other buffer.
[[nodiscard]] std::vector<uint32_t> sparse_blocks(const schedule::Program& program);

/// Edges that the packet protocol realises by itself. A wait is needless where, of each task that the counter joins,
/// the waiter reads something, or everything if that task may still read after its first write; all of it as packets.
/// It then cannot go on before those values have come. Empty under the counter protocol.
///
/// No edge is taken to be needless where this would not be enough: where a reader of an output has no counter of its
/// own, where a byte is written twice in a pass (its tag would not tell which), or where the edges that are left do not
/// keep the uses of a shared page apart (packet_reuse.h; docs/decisions/0007-packets.md).
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

}  // namespace amk::vm::cuda
