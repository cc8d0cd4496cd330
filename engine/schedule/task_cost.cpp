#include "schedule/task_cost.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "base/checked.h"
#include "instructions/instruction.h"

namespace amk::schedule {
namespace {

/// A stage is sized by what the IR says of a packed chunk (abi::packed_bytes), and filled by what the kernel says of a
/// unit (device::unit_bytes): they must be one layout.
constexpr bool layouts_agree() {
  for (uint32_t i = 0; i < abi::kDtypeCount; ++i) {
    const auto dtype = static_cast<abi::Dtype>(i);
    if (dtype == abi::Dtype::kU32) continue;
    const device::WeightFormat format = device::weight_format(dtype);
    for (const uint32_t columns : {1U, device::unit_columns(format), 5 * device::unit_columns(format) + 1}) {
      const uint64_t packed = uint64_t{device::units_of(format, columns)} * device::unit_bytes(format);
      if (abi::packed_bytes(dtype, kRowsPerStage, columns) != packed) return false;
    }
  }
  return kRowsPerStage == device::kTileRows;
}
static_assert(layouts_agree());

/// Products of matrix rows with a vector: every element is used once.
uint64_t product_flops(abi::Opcode opcode, std::span<const abi::Shape> shapes, std::span<const abi::Range> ranges) {
  uint64_t flops = 0;
  for (const abi::Range& range : ranges) {
    const abi::OperandInfo& operand = abi::operand(opcode, range.operand);
    if (operand.rank != 2 || operand.access != abi::Access::kRead) continue;
    const abi::Shape& matrix = shapes[range.operand];
    const uint64_t rows = (range.end - range.begin) / abi::row_bytes(matrix.dtype, matrix.extent[1]);
    flops += 2 * rows * matrix.extent[1];
  }
  return flops;
}

}  // namespace

TaskCost task_cost(abi::Opcode opcode, const instructions::Params& params, std::span<const abi::Shape> shapes,
                   std::span<const abi::Range> ranges) {
  TaskCost cost;
  for (const abi::Range& range : ranges) {
    if (range.span != abi::Span::kPast) cost.bytes += range.end - range.begin;
  }
  if (const auto* embed = std::get_if<abi::EmbedParams>(&params)) {
    // The table is declared whole, because the row is known only at run time; one row's slice is read.
    const uint32_t table = 1;
    cost.bytes -= abi::size_bytes(shapes[table]);
    cost.bytes += abi::row_bytes(shapes[table].dtype, embed->col_count);
    return cost;
  }
  cost.flops = product_flops(opcode, shapes, ranges);
  return cost;
}

uint64_t history_bytes(const Task& task, uint64_t positions) {
  const auto* attention = std::get_if<abi::AttentionParams>(&task.params);
  if (attention == nullptr) return 0;
  const uint64_t blocks = ceil_div(positions, attention->kv_block);
  const uint64_t first = blocks * attention->split / attention->splits;
  const uint64_t last = blocks * (attention->split + 1) / attention->splits;
  const uint64_t begin = std::min(positions, first * attention->kv_block);
  const uint64_t end = std::min(positions, last * attention->kv_block);
  uint64_t row = 0;
  for (const abi::Range& range : task.ranges) {
    if (range.span == abi::Span::kPast) row += range.end - range.begin;
  }
  return (end - begin) * row;
}

uint64_t weight_bytes(const Task& task, const Program& program) {
  if (task.opcode == abi::Opcode::kEmbed) return 0;
  uint64_t bytes = 0;
  for (const abi::Range& range : task.ranges) {
    if (program.buffer(task.operands[range.operand]).kind == abi::BufferKind::kWeight) bytes += range.end - range.begin;
  }
  return bytes;
}

uint64_t distinct_weight_bytes(const Program& program) {
  std::vector<uint64_t> read(program.buffers.size(), 0);
  for (const Task& task : program.tasks) {
    for (const abi::Range& range : task.ranges) {
      const uint32_t buffer = task.operands[range.operand].index();
      const abi::Shape& shape = program.buffers[buffer].shape;
      if (program.buffers[buffer].kind != abi::BufferKind::kWeight) continue;
      const bool one_row = task.opcode == abi::Opcode::kEmbed;
      read[buffer] =
          std::max(read[buffer], one_row ? abi::size_bytes(shape) / shape.extent[0] : abi::size_bytes(shape));
    }
  }
  return std::accumulate(read.begin(), read.end(), uint64_t{0});
}

uint64_t stage_bytes(const Task& task, const Program& program) {
  if (const auto* attention = std::get_if<abi::AttentionParams>(&task.params)) {
    constexpr uint32_t kKCache = instructions::operand_index<abi::Opcode::kAttention>("k_cache");
    static_assert(kKCache == instructions::operand_index<abi::Opcode::kAttentionCombine>("k_cache"));
    const abi::Dtype dtype = program.buffer(task.operands[kKCache]).shape.dtype;
    return device::cache_stage_bytes(attention->head_dim, abi::dtype_bytes(dtype));
  }
  uint64_t bytes = 0;
  std::visit(
      [&](const auto& params) {
        if constexpr (requires { params.k_chunk; }) {
          for (uint32_t i = 0; i < task.operands.size(); ++i) {
            if (abi::operand(task.opcode, i).rank != 2) continue;
            const abi::Shape& shape = program.buffer(task.operands[i]).shape;
            const uint64_t columns = std::min<uint64_t>(params.k_chunk, shape.extent[1]);
            bytes = std::max<uint64_t>(bytes, abi::packed_bytes(shape.dtype, kRowsPerStage, columns));
          }
        }
      },
      task.params);
  return bytes;
}

namespace {

/// Calls body(shape) for each matrix that a task multiplies.
template <typename Body>
void for_each_matrix(const Task& task, const Program& program, const Body& body) {
  if (task.opcode == abi::Opcode::kEmbed) return;
  for (uint32_t i = 0; i < task.operands.size(); ++i) {
    if (abi::operand(task.opcode, i).rank == 2) body(program.buffer(task.operands[i]).shape);
  }
}

}  // namespace

uint32_t input_columns(const Task& task, const Program& program) {
  uint64_t columns = 0;
  for_each_matrix(task, program, [&](const abi::Shape& shape) { columns = std::max(columns, shape.extent[1]); });
  return static_cast<uint32_t>(std::min<uint64_t>(columns, UINT32_MAX));
}

uint64_t activation_bytes(const Task& task, const Program& program, uint32_t columns) {
  const Launch& launch = program.launch;
  if (const auto* attention = std::get_if<abi::AttentionParams>(&task.params)) {
    return device::attention_bytes(device::consumer_warps(launch.threads_per_block), attention->group,
                                   attention->head_dim);
  }
  uint64_t bytes = 0;
  for_each_matrix(task, program, [&](const abi::Shape& shape) {
    bytes =
        std::max<uint64_t>(bytes, device::input_bytes(device::weight_format(shape.dtype), launch.products, columns));
  });
  return bytes;
}

}  // namespace amk::schedule
