#include "vm/cuda/device_program.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <variant>

#include "base/checked.h"

namespace amk::vm::cuda {
namespace {

using abi::BufferKind;
using abi::Opcode;
using schedule::Program;
using schedule::Task;

bool writes(const Task& task, const abi::Range& range) {
  return abi::operand(task.opcode, range.operand).access == abi::Access::kWrite;
}

/// A byte range of a buffer.
struct Extent {
  uint32_t buffer = 0;
  uint64_t begin = 0;
  uint64_t end = 0;
  auto operator<=>(const Extent&) const = default;
};

/// Sorted, with those that touch or overlap joined.
void normalise(std::vector<Extent>& extents) {
  std::sort(extents.begin(), extents.end());
  size_t kept = 0;
  for (const Extent& extent : extents) {
    if (kept > 0 && extents[kept - 1].buffer == extent.buffer && extent.begin <= extents[kept - 1].end) {
      extents[kept - 1].end = std::max(extents[kept - 1].end, extent.end);
    } else {
      extents[kept++] = extent;
    }
  }
  extents.resize(kept);
}

/// Whether some range that `task` reads holds all of `extent`.
bool reads_all(const Task& task, const Extent& extent) {
  return std::any_of(task.ranges.begin(), task.ranges.end(), [&](const abi::Range& range) {
    return !writes(task, range) && task.operands[range.operand].index() == extent.buffer && range.begin <= extent.begin &&
           extent.end <= range.end;
  });
}

/// What the producers of one counter write, as far as packets can carry it.
struct CounterWrites {
  std::vector<Extent> extents;
  bool only_packets = true;
};

std::vector<CounterWrites> writes_by_counter(const Program& program) {
  std::vector<CounterWrites> out(program.counters.size());
  for (const Task& task : program.tasks) {
    CounterWrites& counter = out[task.signal.index()];
    for (const abi::Range& range : task.ranges) {
      if (!writes(task, range)) continue;
      const BufferId buffer = task.operands[range.operand];
      counter.only_packets &= program.buffer(buffer).kind == BufferKind::kActivation;
      counter.extents.push_back({buffer.index(), range.begin, range.end});
    }
  }
  for (CounterWrites& counter : out) normalise(counter.extents);
  return out;
}

bool plain(const Program& program, BufferId buffer) {
  const BufferKind kind = program.buffer(buffer).kind;
  return kind == BufferKind::kKvCache || kind == BufferKind::kOutput;
}

/// For each buffer in plain memory, the counters of the tasks that write it in a pass.
std::vector<std::vector<uint32_t>> plain_writers(const Program& program) {
  std::vector<std::vector<uint32_t>> counters(program.buffers.size());
  for (const Task& task : program.tasks) {
    for (const abi::Range& range : task.ranges) {
      const BufferId buffer = task.operands[range.operand];
      if (writes(task, range) && plain(program, buffer)) counters[buffer.index()].push_back(task.signal.index());
    }
  }
  for (std::vector<uint32_t>& list : counters) {
    std::sort(list.begin(), list.end());
    list.erase(std::unique(list.begin(), list.end()), list.end());
  }
  return counters;
}

/// Whether each counter of a plain buffer's writers, as far as they write what `task` reads, is waited for by the task
/// itself.
bool has_counters_of_its_own(const Task& task, const std::vector<CounterWrites>& by_counter,
                             const std::vector<std::vector<uint32_t>>& writers) {
  for (const abi::Range& range : task.ranges) {
    if (writes(task, range) || range.span == abi::Span::kPast) continue;
    const uint32_t buffer = task.operands[range.operand].index();
    for (const uint32_t counter : writers[buffer]) {
      const bool touches = std::any_of(
          by_counter[counter].extents.begin(), by_counter[counter].extents.end(), [&](const Extent& extent) {
            return extent.buffer == buffer && extent.begin < range.end && range.begin < extent.end;
          });
      const bool waits = std::any_of(task.waits.begin(), task.waits.end(), [&](const schedule::Wait& wait) {
        return wait.counter.index() == counter;
      });
      if (touches && !waits) return false;
    }
  }
  return true;
}

/// Positions a block of the attention tasks that write each partials buffer; 0 where they do not agree.
std::vector<uint32_t> sparse_blocks(const Program& program) {
  std::vector<std::optional<uint32_t>> blocks(program.buffers.size());
  for (const Task& task : program.tasks) {
    const auto* attention = std::get_if<abi::AttentionParams>(&task.params);
    if (attention == nullptr) continue;
    std::optional<uint32_t>& block = blocks[task.operands.back().index()];
    block = !block || *block == attention->kv_block ? attention->kv_block : 0;
  }
  std::vector<uint32_t> out;
  for (const std::optional<uint32_t>& block : blocks) out.push_back(block.value_or(0));
  return out;
}

/// The tiles of its packed matrix that a task needs.
struct Tiles {
  uint32_t begin = 0;
  uint32_t end = 0;
};

Tiles tiles_of(const Task& task, Arrangement arrangement) {
  uint32_t begin = 0, count = 0;
  std::visit(
      [&](const auto& params) {
        if constexpr (requires { params.row_begin; }) {
          begin = params.row_begin, count = params.row_count;
        } else if constexpr (requires { params.pair_begin; }) {
          begin = params.pair_begin, count = params.pair_count;
        }
      },
      task.params);
  const uint32_t rows = arrangement == Arrangement::kRows ? device::kTileRows : device::kTileRows / 2;
  return {begin / rows, static_cast<uint32_t>(ceil_div(begin + count, rows))};
}

uint32_t k_chunk_of(const Task& task) {
  uint32_t chunk = 0;
  std::visit(
      [&](const auto& params) {
        if constexpr (requires { params.k_chunk; }) chunk = params.k_chunk;
      },
      task.params);
  return chunk;
}

class Translator {
 public:
  Translator(const Program& program, const DeviceAddresses& addresses)
      : program_(program), addresses_(addresses), edges_(program), sparse_(sparse_blocks(program)) {
    tag_.resize(program.buffers.size(), 0);
    offset_.resize(program.buffers.size(), 0);
    for (size_t i = 0; i < program.buffers.size(); ++i) {
      if (program.buffers[i].kind == BufferKind::kActivation) tag_[i] = ++out_.tag_stride;
    }
    ++out_.tag_stride;
    for (const schedule::Page& page : program.pages) offset_[page.buffer.index()] = page.offset;
  }

  DeviceProgram run() {
    for (const std::vector<TaskId>& queue : program_.placement.queues) {
      out_.queue_begin.push_back(static_cast<uint32_t>(out_.records.size()));
      for (const TaskId id : queue) out_.records.push_back(record(id));
    }
    out_.queue_begin.push_back(static_cast<uint32_t>(out_.records.size()));
    return std::move(out_);
  }

 private:
  device::TaskRecord record(TaskId id) {
    const Task& task = program_.task(id);
    device::TaskRecord record;
    std::visit([&](const auto& params) { std::memcpy(record.params, &params, sizeof(params)); }, task.params);
    record.task = id.index();
    record.opcode = task.opcode;
    record.signal = edges_.kept(task.signal) ? task.signal.index() : device::kNoSignal;
    for (uint32_t i = 0; i < task.operands.size(); ++i) operand(task, i, record);
    matrix(task, record);
    waits(id, record);
    return record;
  }

  void operand(const Task& task, uint32_t i, device::TaskRecord& record) const {
    const uint32_t buffer = task.operands[i].index();
    const BufferKind kind = program_.buffers[buffer].kind;
    if (kind == BufferKind::kActivation) {
      record.operand[i] = uint64_t{tag_[buffer]} << 32 | offset_[buffer];
      if (sparse_[buffer] != 0) record.sparse_kv_block = sparse_[buffer];
      return;
    }
    record.operand[i] = addresses_.buffers[buffer];
    if (kind == BufferKind::kKvCache) record.context = static_cast<uint32_t>(program_.buffers[buffer].shape.extent[1]);
    if (kind == BufferKind::kOutput && abi::operand(task.opcode, i).access == abi::Access::kWrite)
      record.plain_output = 1;
  }

  void matrix(const Task& task, device::TaskRecord& record) const {
    const MatrixKey key = matrices_of(task);
    if (key.buffers.empty()) return;
    const auto& [address, shape] = addresses_.matrices.at(key);
    const Tiles tiles = tiles_of(task, key.arrangement);
    record.format = shape.format;
    record.tile_bytes = shape.tile_bytes;
    record.tile_begin = tiles.begin;
    record.tile_count = tiles.end - tiles.begin;
    record.stream = address + uint64_t{tiles.begin} * shape.tile_bytes;
    record.units = shape.units;
    record.columns = shape.columns;
    record.chunk_units =
        std::clamp(k_chunk_of(task) / device::unit_columns(shape.format), 1U, std::max(1U, shape.units));
  }

  void waits(TaskId id, device::TaskRecord& record) {
    std::vector<device::WaitRecord> list;
    for (const schedule::Wait& wait : program_.task(id).waits) {
      if (!edges_.realised(id, wait.counter)) list.push_back({wait.counter.index(), wait.threshold});
    }
    record.wait_count = static_cast<uint8_t>(std::min<size_t>(list.size(), UINT8_MAX));
    record.wait_overflow = static_cast<uint32_t>(out_.waits.size());
    for (size_t i = 0; i < list.size(); ++i) {
      if (i < device::kWaitsInRecord) {
        record.waits[i] = list[i];
      } else {
        out_.waits.push_back(list[i]);
      }
    }
    AMK_ASSERT(list.size() <= UINT8_MAX, "more waits than a record counts");
  }

  const Program& program_;
  const DeviceAddresses& addresses_;
  PacketEdges edges_;
  std::vector<uint32_t> sparse_;
  std::vector<uint32_t> tag_;
  std::vector<uint64_t> offset_;
  DeviceProgram out_;
};

}  // namespace

MatrixKey matrices_of(const Task& task) {
  MatrixKey key;
  for (uint32_t i = 0; i < task.operands.size(); ++i) {
    if (abi::operand(task.opcode, i).rank == 2) key.buffers.push_back(task.operands[i]);
  }
  if (key.buffers.size() == 2) key.arrangement = Arrangement::kPairs;
  if (key.buffers.size() == 3) key.arrangement = Arrangement::kHeads;
  std::visit(
      [&](const auto& params) {
        if constexpr (requires { params.pair_begin; }) key.head_dim = params.head_dim;
      },
      task.params);
  return key;
}

PacketEdges::PacketEdges(const Program& program) : kept_(program.counters.size(), false), program_(program) {
  for (const Task& task : program.tasks) {
    first_wait_.push_back(static_cast<uint32_t>(realised_.size()));
    realised_.resize(realised_.size() + task.waits.size(), false);
  }
  if (program.launch.sync_protocol == abi::SyncProtocol::kPackets) {
    const std::vector<CounterWrites> by_counter = writes_by_counter(program);
    const auto writers = plain_writers(program);
    const bool plain_memory_is_safe = std::all_of(program.tasks.begin(), program.tasks.end(), [&](const Task& task) {
      return has_counters_of_its_own(task, by_counter, writers);
    });
    for (size_t i = 0; plain_memory_is_safe && i < program.tasks.size(); ++i) {
      const Task& task = program.tasks[i];
      for (size_t w = 0; w < task.waits.size(); ++w) {
        const CounterWrites& counter = by_counter[task.waits[w].counter.index()];
        realised_[first_wait_[i] + w] =
            counter.only_packets && std::all_of(counter.extents.begin(), counter.extents.end(),
                                                [&](const Extent& extent) { return reads_all(task, extent); });
      }
    }
  }
  for (size_t i = 0; i < program.tasks.size(); ++i) {
    for (size_t w = 0; w < program.tasks[i].waits.size(); ++w) {
      if (!realised_[first_wait_[i] + w]) kept_[program.tasks[i].waits[w].counter.index()] = true;
    }
  }
}

bool PacketEdges::realised(TaskId waiter, CounterId counter) const {
  const std::vector<schedule::Wait>& waits = program_.task(waiter).waits;
  for (size_t w = 0; w < waits.size(); ++w) {
    if (waits[w].counter == counter && !realised_[first_wait_[waiter.index()] + w]) return false;
  }
  return true;
}

DeviceProgram translate(const validator::ValidatedProgram& program, const DeviceAddresses& addresses) {
  return Translator(program.program(), addresses).run();
}

}  // namespace amk::vm::cuda
