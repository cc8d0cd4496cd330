#include "vm/cuda/device_program.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string_view>
#include <variant>

#include "base/checked.h"

namespace amk::vm::cuda {
namespace {

using abi::BufferKind;
using schedule::Buffer;
using schedule::Program;
using schedule::Task;

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
      if (travels_as_packets(program.buffers[i].kind)) tag_[i] = ++out_.tag_stride;
    }
    ++out_.tag_stride;
    for (const schedule::Page& page : program.pages) offset_[page.buffer.index()] = page.offset;
    out_.scratch_bytes = round_up(program.scratch_bytes, schedule::kPageAlignment);
    if (program.launch.sync_protocol == abi::SyncProtocol::kPackets) place_current_rows();
  }

  Result<DeviceProgram> run() {
    constexpr uint64_t kScratchMax = uint64_t{1} << 32;  // an activation's operand has 32 bits for its place
    if (out_.scratch_bytes > kScratchMax) {
      return Error{ErrorCode::kUnsupported,
                   fmt::format("expected at most {} bytes of scratch memory and current cache rows, found {}",
                               kScratchMax, out_.scratch_bytes),
                   "", "let activations share pages: page_allocation=graph_color"};
    }
    for (const std::vector<TaskId>& queue : program_.placement.queues) {
      out_.queue_begin.push_back(static_cast<uint32_t>(out_.records.size()));
      for (const TaskId id : queue) out_.records.push_back(record(id));
    }
    out_.queue_begin.push_back(static_cast<uint32_t>(out_.records.size()));
    if (waits_most_ > UINT8_MAX) {
      return Error{ErrorCode::kUnsupported,
                   fmt::format("expected at most {} counters that one task polls, found {}", UINT8_MAX, waits_most_),
                   "", "let the tasks that it waits for share counters"};
    }
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
    waits_most_ = std::max(waits_most_, list.size());  // more than a record counts are refused at the end
  }

  const Program& program_;
  const DeviceAddresses& addresses_;
  PacketEdges edges_;
  std::vector<uint32_t> sparse_;
  std::vector<uint32_t> tag_;
  std::vector<uint64_t> offset_;
  DeviceProgram out_;
  size_t waits_most_ = 0;  ///< that remain of one task
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

Result<DeviceProgram> translate(const validator::ValidatedProgram& program, const DeviceAddresses& addresses) {
  return Translator(program.program(), addresses).run();
}

}  // namespace amk::vm::cuda
