// The bytes that tasks of a program may disagree about, cut where any range begins or ends.
//
// Bytes are physical: activations lie where their pages put them, so that two buffers may share a segment. Every other
// buffer that can be written has memory of its own; of a KV cache that is the row of the current position. Weights,
// constants, inputs and past positions never change and are left out.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "explorer/defect.h"
#include "explorer/task_set.h"
#include "schedule/program.h"

namespace amk::explorer {

/// One range of a task, as segments [first, last).
struct Access {
  uint32_t first = 0;
  uint32_t last = 0;
  BufferId buffer;
  bool write = false;
};

/// Bytes that every range either holds whole or not at all.
struct Segment {
  uint32_t memory = 0;  ///< 0: scratch; b + 1: buffer b's own
  uint64_t begin = 0;   ///< in that memory
  uint64_t end = 0;
  BufferId required;  ///< the output or cache that is complete only when this is written; invalid elsewhere
};

class MemoryMap {
 public:
  /// Of a program that is lawful in form (explorer/law.h). Keeps its storage from call to call.
  void build(const schedule::Program& program);

  [[nodiscard]] std::span<const Segment> segments() const { return segments_; }
  [[nodiscard]] std::span<const Access> accesses(uint32_t task) const {
    return std::span(accesses_).subspan(first_access_[task], first_access_[task + 1] - first_access_[task]);
  }
  [[nodiscard]] TaskSet readers(uint32_t segment) const { return readers_.set(segment); }
  [[nodiscard]] TaskSet writers(uint32_t segment) const { return writers_.set(segment); }
  /// Through which buffer `task` writes `segment`, which it does.
  [[nodiscard]] BufferId written_as(uint32_t task, uint32_t segment) const;
  /// A defect's bytes: those of `segment`, counted from the start of `buffer`.
  void locate(Defect& defect, BufferId buffer, uint32_t segment) const;

 private:
  struct Piece {
    uint32_t memory;
    uint64_t begin;
    uint64_t end;
    BufferId buffer;
    bool write;
  };
  struct Cut {
    uint32_t memory;
    uint64_t at;
    auto operator<=>(const Cut&) const = default;
  };
  void place_buffers(const schedule::Program& program);
  void collect_pieces(const schedule::Program& program);
  void cut_segments(const schedule::Program& program);
  void resolve(const schedule::Program& program);
  [[nodiscard]] uint32_t segment_at(uint32_t memory, uint64_t begin) const;

  std::vector<uint64_t> base_;  ///< by buffer: where it begins in its memory
  std::vector<Piece> pieces_;
  std::vector<Cut> cuts_;
  std::vector<Segment> segments_;
  std::vector<Access> accesses_;
  std::vector<uint32_t> first_access_;
  TaskSets readers_;
  TaskSets writers_;
};

}  // namespace amk::explorer
