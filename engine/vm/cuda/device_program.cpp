#include "vm/cuda/device_program.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string_view>
#include <variant>

#include "base/checked.h"
#include "instructions/instruction.h"

namespace amk::vm::cuda {
namespace {

using abi::BufferKind;
using abi::Opcode;
using schedule::Buffer;
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

/// What a task reads in this pass, joined.
std::vector<Extent> reads_of(const Task& task) {
  std::vector<Extent> out;
  for (const abi::Range& range : task.ranges) {
    if (!writes(task, range) && range.span != abi::Span::kPast)
      out.push_back({task.operands[range.operand].index(), range.begin, range.end});
  }
  normalise(out);
  return out;
}

bool holds_all(const std::vector<Extent>& reads, const Extent& extent) {
  return std::any_of(reads.begin(), reads.end(), [&](const Extent& read) {
    return read.buffer == extent.buffer && read.begin <= extent.begin && extent.end <= read.end;
  });
}
bool holds_some(const std::vector<Extent>& reads, const Extent& extent) {
  return std::any_of(reads.begin(), reads.end(), [&](const Extent& read) {
    return read.buffer == extent.buffer && read.begin < extent.end && extent.begin < read.end;
  });
}

/// Instructions whose bodies have read all their activations before they write the first value: a barrier of the block
/// stands between (product_task.cuh, embed.cuh). Who has seen one of their values knows that they read no more.
bool writes_after_reading(Opcode opcode) {
  switch (opcode) {
    case Opcode::kEmbed:
    case Opcode::kGemv:
    case Opcode::kNormGemv:
    case Opcode::kQkvRopeAppend:
    case Opcode::kNormQkvRopeAppend:
    case Opcode::kGateUpSilu:
    case Opcode::kNormGateUpSilu:
      return true;
    default:
      return false;
  }
}

/// What one task writes, as far as packets can carry it.
struct TaskWrites {
  std::vector<Extent> extents;
  bool only_packets = true;
  bool after_reading = false;

  /// Whether a task with these reads cannot go on before this one has done all that others must wait for.
  [[nodiscard]] bool awaited_by(const std::vector<Extent>& reads) const {
    if (!only_packets || extents.empty()) return false;
    const auto held = [&](const Extent& extent) { return holds_all(reads, extent); };
    const auto touched = [&](const Extent& extent) { return holds_some(reads, extent); };
    return after_reading ? std::any_of(extents.begin(), extents.end(), touched)
                         : std::all_of(extents.begin(), extents.end(), held);
  }
};

/// Activations travel as packets, and so do a pass's rows of the caches; outputs lie in plain memory.
bool as_packets(BufferKind kind) { return kind == BufferKind::kActivation || kind == BufferKind::kKvCache; }

std::vector<TaskWrites> writes_of_tasks(const Program& program) {
  std::vector<TaskWrites> out(program.tasks.size());
  for (size_t i = 0; i < program.tasks.size(); ++i) {
    const Task& task = program.tasks[i];
    out[i].after_reading = writes_after_reading(task.opcode);
    for (const abi::Range& range : task.ranges) {
      if (!writes(task, range)) continue;
      const BufferId buffer = task.operands[range.operand];
      out[i].only_packets &= as_packets(program.buffer(buffer).kind);
      out[i].extents.push_back({buffer.index(), range.begin, range.end});
    }
    normalise(out[i].extents);
  }
  return out;
}

/// Whether `task` itself waits for the counter of every task that writes an output it reads.
bool has_counters_of_its_own(const Program& program, const Task& task, const std::vector<Extent>& reads,
                             const std::vector<std::vector<uint32_t>>& writers, const std::vector<TaskWrites>& all) {
  for (const Extent& read : reads) {
    for (const uint32_t writer : writers[read.buffer]) {
      if (std::none_of(all[writer].extents.begin(), all[writer].extents.end(),
                       [&](const Extent& extent) { return holds_some({read}, extent); }))
        continue;
      const bool waits = std::any_of(task.waits.begin(), task.waits.end(), [&](const schedule::Wait& wait) {
        return wait.counter == program.tasks[writer].signal;
      });
      if (!waits) return false;
    }
  }
  return true;
}

/// For each output, the tasks that write it.
std::vector<std::vector<uint32_t>> output_writers(const Program& program) {
  std::vector<std::vector<uint32_t>> writers(program.buffers.size());
  for (uint32_t i = 0; i < program.tasks.size(); ++i) {
    for (const abi::Range& range : program.tasks[i].ranges) {
      const BufferId buffer = program.tasks[i].operands[range.operand];
      if (writes(program.tasks[i], range) && !as_packets(program.buffer(buffer).kind))
        writers[buffer.index()].push_back(i);
    }
  }
  return writers;
}

/// Positions a block of the attention tasks that have each partials buffer; 0 where they do not agree.
std::vector<uint32_t> sparse_blocks(const Program& program) {
  constexpr uint32_t kPartials = instructions::operand_index<Opcode::kAttention>("partials");
  static_assert(kPartials == instructions::operand_index<Opcode::kAttentionCombine>("partials"));
  std::vector<std::optional<uint32_t>> blocks(program.buffers.size());
  for (const Task& task : program.tasks) {
    const auto* attention = std::get_if<abi::AttentionParams>(&task.params);
    if (attention == nullptr) continue;
    std::optional<uint32_t>& block = blocks[task.operands[kPartials].index()];
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
      if (as_packets(program.buffers[i].kind)) tag_[i] = ++out_.tag_stride;
    }
    ++out_.tag_stride;
    for (const schedule::Page& page : program.pages) offset_[page.buffer.index()] = page.offset;
    out_.scratch_bytes = round_up(program.scratch_bytes, schedule::kPageAlignment);
    if (program.launch.sync_protocol == abi::SyncProtocol::kPackets) place_current_rows();
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

  /// Behind the scratch memory: a pass's row of each cache, one place each.
  void place_current_rows() {
    for (size_t i = 0; i < program_.buffers.size(); ++i) {
      const Buffer& buffer = program_.buffers[i];
      if (buffer.kind != BufferKind::kKvCache) continue;
      offset_[i] = out_.scratch_bytes;
      out_.scratch_bytes += round_up(buffer.shape.extent[0] * buffer.shape.extent[2] * 4, schedule::kPageAlignment);
    }
  }

  [[nodiscard]] uint64_t activation(uint32_t buffer) const { return uint64_t{tag_[buffer]} << 32 | offset_[buffer]; }

  void operand(const Task& task, uint32_t i, device::TaskRecord& record) const {
    const uint32_t buffer = task.operands[i].index();
    const BufferKind kind = program_.buffers[buffer].kind;
    if (kind == BufferKind::kActivation) {
      record.operand[i] = activation(buffer);
      if (sparse_[buffer] != 0) record.sparse_kv_block = sparse_[buffer];
      return;
    }
    record.operand[i] = addresses_.buffers[buffer];
    if (kind == BufferKind::kKvCache) {
      record.context = device::cache_room(static_cast<uint32_t>(program_.buffers[buffer].shape.extent[1]));
      const bool key = std::string_view(abi::operand(task.opcode, i).name) == "k_cache";
      (key ? record.current_k : record.current_v) = activation(buffer);
    }
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

PacketEdges::PacketEdges(const Program& program) : program_(program), kept_(program.counters.size(), false) {
  for (const Task& task : program.tasks) {
    first_wait_.push_back(static_cast<uint32_t>(realised_.size()));
    realised_.resize(realised_.size() + task.waits.size(), false);
  }
  if (program.launch.sync_protocol == abi::SyncProtocol::kPackets) find_realised();
  for (size_t i = 0; i < program.tasks.size(); ++i) {
    for (size_t w = 0; w < program.tasks[i].waits.size(); ++w) {
      if (!realised_[first_wait_[i] + w]) kept_[program.tasks[i].waits[w].counter.index()] = true;
    }
  }
}

void PacketEdges::find_realised() {
  const std::vector<TaskWrites> all = writes_of_tasks(program_);
  const std::vector<std::vector<uint32_t>> writers = output_writers(program_);
  std::vector<std::vector<uint32_t>> producers(program_.counters.size());
  std::vector<std::vector<Extent>> reads;
  for (uint32_t i = 0; i < program_.tasks.size(); ++i) {
    producers[program_.tasks[i].signal.index()].push_back(i);
    reads.push_back(reads_of(program_.tasks[i]));
    if (!has_counters_of_its_own(program_, program_.tasks[i], reads.back(), writers, all)) return;
  }
  for (size_t i = 0; i < program_.tasks.size(); ++i) {
    const std::vector<schedule::Wait>& waits = program_.tasks[i].waits;
    for (size_t w = 0; w < waits.size(); ++w) {
      const std::vector<uint32_t>& joined = producers[waits[w].counter.index()];
      realised_[first_wait_[i] + w] = std::all_of(
          joined.begin(), joined.end(), [&](uint32_t producer) { return all[producer].awaited_by(reads[i]); });
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
