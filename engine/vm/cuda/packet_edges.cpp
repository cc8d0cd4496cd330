#include "vm/cuda/packet_edges.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <variant>

#include "instructions/instruction.h"
#include "vm/cuda/packet_reuse.h"

namespace amk::vm::cuda {
namespace {

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

/// What a task reads in this pass by the operands for which `counts` holds, joined.
template <typename Counts>
std::vector<Extent> reads_of(const Task& task, const Counts& counts) {
  std::vector<Extent> out;
  for (const abi::Range& range : task.ranges) {
    if (!writes(task, range) && range.span != abi::Span::kPast && counts(range.operand))
      out.push_back({task.operands[range.operand].index(), range.begin, range.end});
  }
  normalise(out);
  return out;
}

std::vector<Extent> reads_of(const Task& task) {
  return reads_of(task, [](uint32_t) { return true; });
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

/// Whether a task may write before all that it reads by an operand has come.
bool comes_late(const Program& program, const Task& task, uint32_t operand) {
  switch (task.opcode) {
    case Opcode::kGemvResidual:
    case Opcode::kCombineGemvResidual:
      return std::string_view(abi::operand(task.opcode, operand).name) == "residual";
    case Opcode::kRope:
    case Opcode::kKvAppend:
    case Opcode::kCombine:
    case Opcode::kResidualAdd:
    case Opcode::kSiluMul:
      return true;
    case Opcode::kAttention:
    case Opcode::kAttentionCombine: {
      // Heads are handled some at a time: the first are written before the queries of the last are read.
      const uint32_t group = std::get<abi::AttentionParams>(task.params).group;
      return device::heads_at_once(device::consumer_warps(program.launch.threads_per_block), group) < group;
    }
    default:
      return false;
  }
}

/// What one task writes, as far as packets can carry it.
struct TaskWrites {
  std::vector<Extent> extents;
  bool only_packets = true;
  bool after_reading = false;
  bool all_read = false;  ///< every byte, by tasks that are sure to

  /// Whether a task with these reads cannot go on before this one has done all that others must wait for.
  [[nodiscard]] bool awaited_by(const std::vector<Extent>& reads) const {
    if (!only_packets || extents.empty()) return false;
    const auto held = [&](const Extent& extent) { return holds_all(reads, extent); };
    const auto touched = [&](const Extent& extent) { return holds_some(reads, extent); };
    return after_reading && all_read ? std::any_of(extents.begin(), extents.end(), touched)
                                     : std::all_of(extents.begin(), extents.end(), held);
  }
};

std::vector<TaskWrites> writes_of_tasks(const Program& program) {
  std::vector<TaskWrites> out(program.tasks.size());
  for (size_t i = 0; i < program.tasks.size(); ++i) {
    const Task& task = program.tasks[i];
    out[i].after_reading = writes_after_reading(task.opcode);
    for (const abi::Range& range : task.ranges) {
      if (!writes(task, range)) continue;
      const BufferId buffer = task.operands[range.operand];
      out[i].only_packets &= travels_as_packets(program.buffer(buffer).kind);
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
      if (writes(program.tasks[i], range) && !travels_as_packets(program.buffer(buffer).kind))
        writers[buffer.index()].push_back(i);
    }
  }
  return writers;
}

/// Attention splits that may find no positions, and then read and write nothing: the last always has one.
std::vector<bool> maybe_empty_splits(const Program& program) {
  constexpr uint32_t kPartials = instructions::operand_index<Opcode::kAttention>("partials");
  const std::vector<uint32_t> blocks = sparse_blocks(program);
  std::vector<bool> out(program.tasks.size(), false);
  for (size_t i = 0; i < program.tasks.size(); ++i) {
    const auto* attention = std::get_if<abi::AttentionParams>(&program.tasks[i].params);
    out[i] = attention != nullptr && attention->split + 1 < attention->splits &&
             blocks[program.tasks[i].operands[kPartials].index()] != 0;
  }
  return out;
}

/// Whether two writes of packets meet: both would have one tag, and a reader of the second might take the first.
bool is_written_twice(const std::vector<TaskWrites>& all) {
  std::vector<Extent> extents;
  for (const TaskWrites& task : all) extents.insert(extents.end(), task.extents.begin(), task.extents.end());
  std::sort(extents.begin(), extents.end());
  for (size_t i = 1; i < extents.size(); ++i) {
    if (extents[i - 1].buffer == extents[i].buffer && extents[i].begin < extents[i - 1].end) return true;
  }
  return false;
}

/// Fills TaskWrites::all_read. A byte that nobody reads shows nobody that it was written: what is laid over it later
/// has only the counter to wait for.
void find_all_read(const Program& program, const std::vector<bool>& maybe_empty, std::vector<TaskWrites>& all) {
  std::vector<std::vector<Extent>> reads(program.buffers.size());
  for (size_t i = 0; i < program.tasks.size(); ++i) {
    if (maybe_empty[i]) continue;
    for (const Extent& read : reads_of(program.tasks[i])) reads[read.buffer].push_back(read);
  }
  for (std::vector<Extent>& of_buffer : reads) normalise(of_buffer);
  for (TaskWrites& task : all) {
    task.all_read = std::all_of(task.extents.begin(), task.extents.end(), [&](const Extent& extent) {
      return program.buffers[extent.buffer].kind == abi::BufferKind::kKvCache ||
             holds_all(reads[extent.buffer], extent);
    });
  }
}

}  // namespace

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
  std::vector<TaskWrites> all = writes_of_tasks(program_);
  const std::vector<std::vector<uint32_t>> writers = output_writers(program_);
  const std::vector<bool> maybe_empty = maybe_empty_splits(program_);
  const std::vector<bool> shared = shared_pages(program_);
  if (is_written_twice(all)) return;
  find_all_read(program_, maybe_empty, all);
  std::vector<std::vector<uint32_t>> producers(program_.counters.size());
  for (uint32_t i = 0; i < program_.tasks.size(); ++i) {
    producers[program_.tasks[i].signal.index()].push_back(i);
    if (!has_counters_of_its_own(program_, program_.tasks[i], reads_of(program_.tasks[i]), writers, all)) return;
  }
  for (size_t i = 0; i < program_.tasks.size(); ++i) {
    const Task& task = program_.tasks[i];
    // What lies at the place of its writes may be in use until the packets say that it is not.
    const bool over_others = std::any_of(all[i].extents.begin(), all[i].extents.end(),
                                         [&](const Extent& extent) { return shared[extent.buffer]; });
    const std::vector<Extent> reads =
        reads_of(task, [&](uint32_t operand) { return !over_others || !comes_late(program_, task, operand); });
    for (size_t w = 0; w < task.waits.size(); ++w) {
      const std::vector<uint32_t>& joined = producers[task.waits[w].counter.index()];
      realised_[first_wait_[i] + w] =
          std::all_of(joined.begin(), joined.end(), [&](uint32_t producer) { return all[producer].awaited_by(reads); });
    }
  }
  if (!reuse_is_ordered(program_, {realised_, first_wait_, maybe_empty}))
    std::fill(realised_.begin(), realised_.end(), false);
}

bool PacketEdges::realised(TaskId waiter, CounterId counter) const {
  const std::vector<schedule::Wait>& waits = program_.task(waiter).waits;
  for (size_t w = 0; w < waits.size(); ++w) {
    if (waits[w].counter == counter && !realised_[first_wait_[waiter.index()] + w]) return false;
  }
  return true;
}

}  // namespace amk::vm::cuda
