// allocate_pages: gives every activation a place in the scratch memory.
//
// Runs after synchronize and place: which activations can never be alive together follows from counter edges and queue
// order. Two may share bytes only if every access of one is ordered before every write of the other, on every
// interleaving; that is asked of vector clocks, not of task numbers. Needs the knob page_allocation; leaves
// Program::pages and scratch_bytes.
#include <algorithm>
#include <numeric>
#include <vector>

#include "base/checked.h"
#include "schedule/passes/lowering_state.h"

namespace amk::schedule::passes {
namespace {

/// For each SM, how many tasks of its queue are done.
using Clock = std::vector<uint32_t>;

void raise(Clock& clock, const Clock& other) {
  for (size_t sm = 0; sm < clock.size(); ++sm) clock[sm] = std::max(clock[sm], other[sm]);
}
void lower_to(Clock& clock, const Clock& other) {
  for (size_t sm = 0; sm < clock.size(); ++sm) clock[sm] = std::min(clock[sm], other[sm]);
}
bool at_least(const Clock& clock, const Clock& other) {
  for (size_t sm = 0; sm < clock.size(); ++sm) {
    if (clock[sm] < other[sm]) return false;
  }
  return true;
}

/// When an activation is alive.
struct Life {
  bool used = false;
  uint32_t first = 0;  ///< task ids
  uint32_t last = 0;
  Clock before;  ///< done on each SM before any task writes it
  Clock after;   ///< done on each SM once nothing touches it any more
};

class LifeFinder {
 public:
  explicit LifeFinder(const Program& program)
      : program_(program), sms_(program.placement.queues.size()), lives_(program.buffers.size()) {}

  /// Walks the tasks in id order, which lowering keeps topological and equal to every queue's order.
  std::vector<Life> run() {
    std::vector<uint32_t> sm_of(program_.tasks.size());
    for (uint32_t sm = 0; sm < sms_; ++sm) {
      for (const TaskId task : program_.placement.queues[sm]) sm_of[task.index()] = sm;
    }
    std::vector<Clock> on_sm(sms_, Clock(sms_, 0));
    std::vector<Clock> counters(program_.counters.size());
    for (uint32_t id = 0; id < program_.tasks.size(); ++id) {
      const Task& task = program_.tasks[id];
      Clock& now = on_sm[sm_of[id]];
      for (const Wait& wait : task.waits) raise(now, counters[wait.counter.index()]);
      const uint32_t place = now[sm_of[id]] + 1;
      for (const abi::Range& range : task.ranges) touch(task, range, id, now, sm_of[id], place);
      now[sm_of[id]] = place;
      Clock& signal = counters[task.signal.index()];
      if (signal.empty()) signal.assign(sms_, 0);
      raise(signal, now);
    }
    return std::move(lives_);
  }

 private:
  void touch(const Task& task, const abi::Range& range, uint32_t id, const Clock& now, uint32_t sm, uint32_t place) {
    Life& life = lives_[task.operands[range.operand].index()];
    if (!life.used) life = {true, id, id, Clock(sms_, UINT32_MAX), Clock(sms_, 0)};
    life.last = id;
    life.after[sm] = std::max(life.after[sm], place);
    if (abi::operand(task.opcode, range.operand).access == abi::Access::kWrite) lower_to(life.before, now);
  }

  const Program& program_;
  size_t sms_;
  std::vector<Life> lives_;
};

bool can_share(const Life& a, const Life& b) { return at_least(b.before, a.after) || at_least(a.before, b.after); }

/// The lowest offset at which `page` overlaps no placed page that may be alive together with it.
uint64_t lowest_free(const Page& page, const std::vector<Page>& placed, const std::vector<Life>& lives) {
  std::vector<std::pair<uint64_t, uint64_t>> taken;
  for (const Page& other : placed) {
    if (!can_share(lives[page.buffer.index()], lives[other.buffer.index()])) {
      taken.emplace_back(other.offset, other.offset + other.size);
    }
  }
  std::sort(taken.begin(), taken.end());
  uint64_t offset = 0;
  for (const auto& [begin, end] : taken) {
    if (begin >= offset + page.size) break;
    offset = std::max(offset, end);
  }
  return offset;
}

}  // namespace

Status allocate_pages(LoweringState& state) {
  Program& program = state.program;
  const std::vector<Life> lives = LifeFinder(program).run();
  std::vector<Page> waiting;
  for (uint32_t i = 0; i < program.buffers.size(); ++i) {
    if (program.buffers[i].kind != abi::BufferKind::kActivation) continue;
    const uint64_t size = round_up(abi::size_bytes(program.buffers[i].shape), kPageAlignment);
    waiting.push_back({BufferId(i), 0, size, TaskId(lives[i].first), TaskId(lives[i].last)});
  }
  const auto by_first_use = [](const Page& a, const Page& b) { return a.first < b.first; };
  const auto by_size = [](const Page& a, const Page& b) { return a.size > b.size; };
  const abi::PageAllocation policy = state.request.config.page_allocation;
  std::stable_sort(waiting.begin(), waiting.end(), by_first_use);
  if (policy == abi::PageAllocation::kGraphColor) std::stable_sort(waiting.begin(), waiting.end(), by_size);

  for (Page& page : waiting) {
    page.offset =
        policy == abi::PageAllocation::kNone ? program.scratch_bytes : lowest_free(page, program.pages, lives);
    program.scratch_bytes = std::max(program.scratch_bytes, page.offset + page.size);
    program.pages.push_back(page);
  }
  std::sort(program.pages.begin(), program.pages.end(),
            [](const Page& a, const Page& b) { return a.buffer < b.buffer; });
  return {};
}

}  // namespace amk::schedule::passes
