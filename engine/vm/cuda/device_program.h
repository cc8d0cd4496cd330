// A program as the kernel reads it, without addresses' values decided yet: what to pack, what to allocate.
//
// Nothing is scheduled here: tasks, queues, waits and pages are the program's, translated one to one.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "base/result.h"
#include "instructions/device/records.h"
#include "validator/validator.h"
#include "vm/cuda/packet_edges.h"
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

/// Errors: what a record cannot say: scratch memory beyond 32 bits, or a task with more than 255 counters to poll.
[[nodiscard]] Result<DeviceProgram> translate(const validator::ValidatedProgram& program,
                                              const DeviceAddresses& addresses);

}  // namespace amk::vm::cuda
