#include "explorer/memory_map.h"

#include <algorithm>

namespace amk::explorer {
namespace {

constexpr uint32_t kScratch = 0;

/// Bytes of a buffer that a pass can write, of a KV cache one position's; 0 for what it cannot.
uint64_t writable_bytes(const schedule::Buffer& buffer) {
  switch (buffer.kind) {
    case abi::BufferKind::kActivation:
    case abi::BufferKind::kOutput:
      return abi::size_bytes(buffer.shape);
    case abi::BufferKind::kKvCache:
      return buffer.shape.extent[0] * buffer.shape.extent[2] * abi::dtype_bytes(buffer.shape.dtype);
    case abi::BufferKind::kWeight:
    case abi::BufferKind::kConst:
    case abi::BufferKind::kInput:
      return 0;
  }
  return 0;
}

bool must_be_written(const schedule::Buffer& buffer) {
  return buffer.kind == abi::BufferKind::kOutput || buffer.kind == abi::BufferKind::kKvCache;
}

}  // namespace

void MemoryMap::build(const schedule::Program& program) {
  place_buffers(program);
  collect_pieces(program);
  cut_segments(program);
  resolve(program);
}

BufferId MemoryMap::written_as(uint32_t task, uint32_t segment) const {
  for (const Access& access : accesses(task)) {
    if (access.write && access.first <= segment && segment < access.last) return access.buffer;
  }
  return {};
}

void MemoryMap::locate(Defect& defect, BufferId buffer, uint32_t segment) const {
  defect.buffer = buffer;
  defect.begin = segments_[segment].begin - base_[buffer.index()];
  defect.end = segments_[segment].end - base_[buffer.index()];
}

void MemoryMap::place_buffers(const schedule::Program& program) {
  base_.assign(program.buffers.size(), 0);
  for (const schedule::Page& page : program.pages) base_[page.buffer.index()] = page.offset;
}

void MemoryMap::collect_pieces(const schedule::Program& program) {
  pieces_.clear();
  first_access_.assign(1, 0);
  for (const schedule::Task& task : program.tasks) {
    for (const abi::Range& range : task.ranges) {
      const BufferId id = task.operands[range.operand];
      if (writable_bytes(program.buffer(id)) == 0 || range.span == abi::Span::kPast) continue;
      const bool scratch = program.buffer(id).kind == abi::BufferKind::kActivation;
      const uint64_t base = base_[id.index()];
      pieces_.push_back({scratch ? kScratch : id.index() + 1, base + range.begin, base + range.end, id,
                         abi::operand(task.opcode, range.operand).access == abi::Access::kWrite});
    }
    first_access_.push_back(static_cast<uint32_t>(pieces_.size()));
  }
}

void MemoryMap::cut_segments(const schedule::Program& program) {
  cuts_.clear();
  for (const Piece& piece : pieces_) {
    cuts_.push_back({piece.memory, piece.begin});
    cuts_.push_back({piece.memory, piece.end});
  }
  for (uint32_t i = 0; i < program.buffers.size(); ++i) {
    if (!must_be_written(program.buffers[i])) continue;
    cuts_.push_back({i + 1, 0});
    cuts_.push_back({i + 1, writable_bytes(program.buffers[i])});
  }
  std::sort(cuts_.begin(), cuts_.end());
  cuts_.erase(std::unique(cuts_.begin(), cuts_.end()), cuts_.end());
  segments_.clear();
  for (size_t i = 0; i + 1 < cuts_.size(); ++i) {
    if (cuts_[i].memory != cuts_[i + 1].memory) continue;
    const BufferId required = cuts_[i].memory == kScratch ? BufferId() : BufferId(cuts_[i].memory - 1);
    segments_.push_back({cuts_[i].memory, cuts_[i].at, cuts_[i + 1].at, required});
  }
}

void MemoryMap::resolve(const schedule::Program& program) {
  accesses_.clear();
  readers_.reset(segments_.size(), program.tasks.size());
  writers_.reset(segments_.size(), program.tasks.size());
  for (uint32_t task = 0; task < program.tasks.size(); ++task) {
    for (uint32_t i = first_access_[task]; i < first_access_[task + 1]; ++i) {
      const Piece& piece = pieces_[i];
      Access access{segment_at(piece.memory, piece.begin), 0, piece.buffer, piece.write};
      for (access.last = access.first; access.last < segments_.size(); ++access.last) {
        const Segment& segment = segments_[access.last];
        if (segment.memory != piece.memory || segment.begin >= piece.end) break;
        (piece.write ? writers_ : readers_).insert(access.last, task);
      }
      accesses_.push_back(access);
    }
  }
}

uint32_t MemoryMap::segment_at(uint32_t memory, uint64_t begin) const {
  const auto before = [](const Segment& segment, const Cut& cut) { return Cut{segment.memory, segment.begin} < cut; };
  const auto found = std::lower_bound(segments_.begin(), segments_.end(), Cut{memory, begin}, before);
  return static_cast<uint32_t>(found - segments_.begin());
}

}  // namespace amk::explorer
