#include "vm/cuda/packet_reuse.h"

#include <algorithm>
#include <cstdint>
#include <span>

namespace amk::vm::cuda {
namespace {

using schedule::Program;
using schedule::Task;

constexpr uint64_t kClockEntriesMax = 1ULL << 26;

/// [row][SM]: how many tasks of each queue are over.
class Clocks {
 public:
  Clocks(size_t rows, size_t sms, uint32_t value) : sms_(sms), entries_(rows * sms, value) {}
  [[nodiscard]] std::span<uint32_t> at(size_t row) { return std::span(entries_).subspan(row * sms_, sms_); }

 private:
  size_t sms_;
  std::vector<uint32_t> entries_;
};

using Clock = std::span<uint32_t>;

void raise(Clock clock, Clock other) {
  for (size_t sm = 0; sm < clock.size(); ++sm) clock[sm] = std::max(clock[sm], other[sm]);
}
void lower_to(Clock clock, Clock other) {
  for (size_t sm = 0; sm < clock.size(); ++sm) clock[sm] = std::min(clock[sm], other[sm]);
}
bool at_least(Clock clock, Clock other) {
  for (size_t sm = 0; sm < clock.size(); ++sm) {
    if (clock[sm] < other[sm]) return false;
  }
  return true;
}

/// Takes the tasks in an order that queues and counters allow, with what is over before each.
class ReuseCheck {
 public:
  ReuseCheck(const Program& program, const PacketOrder& order)
      : program_(program),
        order_(order),
        sms_(program.placement.queues.size()),
        shared_(shared_pages(program)),
        arrived_(program.tasks.size(), sms_, 0),
        by_counter_(program.counters.size(), sms_, 0),
        by_packets_(program.counters.size(), sms_, 0),
        before_(program.buffers.size(), sms_, UINT32_MAX),
        after_(program.buffers.size(), sms_, 0),
        readers_after_(program.buffers.size(), sms_, 0),
        place_(program.tasks.size(), 0),
        sm_(program.tasks.size(), 0),
        writers_(program.buffers.size()),
        hidden_(program.buffers.size()),
        packet_readers_(program.counters.size()) {}

  bool holds() {
    find_places();
    walk();
    std::vector<const schedule::Page*> pages;
    for (const schedule::Page& page : program_.pages) {
      if (shared_[page.buffer.index()]) pages.push_back(&page);
    }
    std::sort(pages.begin(), pages.end(), [](const auto* a, const auto* b) { return a->offset < b->offset; });
    for (size_t i = 0; i < pages.size(); ++i) {
      for (size_t j = i + 1; j < pages.size() && pages[j]->offset < pages[i]->offset + pages[i]->size; ++j) {
        const uint32_t a = pages[i]->buffer.index(), b = pages[j]->buffer.index();
        if (!is_over_before(a, b) && !is_over_before(b, a)) return false;
      }
    }
    return true;
  }

 private:
  void find_places() {
    for (uint32_t sm = 0; sm < sms_; ++sm) {
      const std::vector<TaskId>& queue = program_.placement.queues[sm];
      for (uint32_t place = 0; place < queue.size(); ++place) {
        sm_[queue[place].index()] = sm;
        place_[queue[place].index()] = place + 1;
      }
    }
    for (uint32_t id = 0; id < program_.tasks.size(); ++id) {
      const std::vector<schedule::Wait>& waits = program_.tasks[id].waits;
      for (size_t w = 0; w < waits.size(); ++w) {
        if (order_.realised[order_.first_wait[id] + w]) packet_readers_[waits[w].counter.index()].push_back(id);
      }
    }
  }

  void walk() {
    std::vector<uint32_t> left(program_.counters.size(), 0), next(sms_, 0);
    for (const Task& task : program_.tasks) ++left[task.signal.index()];
    Clocks on_sm(sms_, sms_, 0);
    for (bool moved = true; moved;) {
      moved = false;
      for (uint32_t sm = 0; sm < sms_; ++sm) {
        const std::vector<TaskId>& queue = program_.placement.queues[sm];
        for (; next[sm] < queue.size(); ++next[sm], moved = true) {
          const Task& task = program_.task(queue[next[sm]]);
          if (std::any_of(task.waits.begin(), task.waits.end(),
                          [&](const schedule::Wait& wait) { return left[wait.counter.index()] != 0; }))
            break;
          run(queue[next[sm]].index(), on_sm.at(sm));
          --left[task.signal.index()];
        }
      }
    }
  }

  /// `now` is what is over when the task before in the queue is, and then when this one is.
  void run(uint32_t id, Clock now) {
    const Task& task = program_.tasks[id];
    const auto each_wait = [&](bool realised, Clock clock) {
      for (size_t w = 0; w < task.waits.size(); ++w) {
        if (order_.realised[order_.first_wait[id] + w] != realised) continue;
        raise(clock, (realised ? by_packets_ : by_counter_).at(task.waits[w].counter.index()));
      }
    };
    each_wait(false, now);
    const Clock arrived = arrived_.at(id);
    std::copy(now.begin(), now.end(), arrived.begin());
    each_wait(true, arrived);
    touch(id, arrived);
    // A split that finds no positions has waited for no packet, and none comes from it.
    const bool empty = order_.maybe_empty[id];
    if (!empty) std::copy(arrived.begin(), arrived.end(), now.begin());
    now[sm_[id]] = place_[id];
    raise(by_counter_.at(task.signal.index()), now);
    if (!empty) raise(by_packets_.at(task.signal.index()), now);
  }

  void touch(uint32_t id, Clock arrived) {
    const Task& task = program_.tasks[id];
    // Who has the packets of such a split knows that it is over; who has not may still find it to be empty.
    const bool hidden = order_.maybe_empty[id] && !packet_readers_[task.signal.index()].empty();
    for (const abi::Range& range : task.ranges) {
      const uint32_t buffer = task.operands[range.operand].index();
      if (!shared_[buffer]) continue;
      if (abi::operand(task.opcode, range.operand).access == abi::Access::kWrite) {
        lower_to(before_.at(buffer), arrived);
        writers_[buffer].push_back(id);
      }
      if (!hidden) {
        after_.at(buffer)[sm_[id]] = std::max(after_.at(buffer)[sm_[id]], place_[id]);
        continue;
      }
      hidden_[buffer].push_back(id);
      for (const uint32_t reader : packet_readers_[task.signal.index()]) {
        uint32_t& entry = readers_after_.at(buffer)[sm_[reader]];
        entry = std::max(entry, place_[reader]);
      }
    }
  }

  /// Whether all that touches `first` is over before `second` is written.
  [[nodiscard]] bool is_over_before(uint32_t first, uint32_t second) {
    if (!at_least(before_.at(second), after_.at(first))) return false;
    if (hidden_[first].empty() || at_least(before_.at(second), readers_after_.at(first))) return true;
    return std::all_of(writers_[second].begin(), writers_[second].end(), [&](uint32_t writer) {
      return std::all_of(hidden_[first].begin(), hidden_[first].end(),
                         [&](uint32_t split) { return is_known_over(split, writer); });
    });
  }

  /// Whether `writer`, or a task before it, has the packets of that split, or comes after it in any case.
  [[nodiscard]] bool is_known_over(uint32_t split, uint32_t writer) {
    const Clock clock = arrived_.at(writer);
    const auto over = [&](uint32_t task) { return clock[sm_[task]] >= place_[task]; };
    const std::vector<uint32_t>& readers = packet_readers_[program_.tasks[split].signal.index()];
    return over(split) || std::any_of(readers.begin(), readers.end(),
                                      [&](uint32_t reader) { return reader == writer || over(reader); });
  }

  const Program& program_;
  const PacketOrder& order_;
  const size_t sms_;
  const std::vector<bool> shared_;
  Clocks arrived_;                              ///< by task: what is over when it writes
  Clocks by_counter_;                           ///< by counter: what is over once it has its threshold
  Clocks by_packets_;                           ///< by counter: what is over once the packets of its tasks have come
  Clocks before_;                               ///< by buffer: what is over before any task writes it
  Clocks after_;                                ///< by buffer: the tasks that touch it
  Clocks readers_after_;                        ///< by buffer: those that have the packets of the splits that touch it
  std::vector<uint32_t> place_;                 ///< by task: 1 + its index in its queue
  std::vector<uint32_t> sm_;                    ///< by task
  std::vector<std::vector<uint32_t>> writers_;  ///< by buffer
  std::vector<std::vector<uint32_t>> hidden_;   ///< by buffer: splits that touch it and may do nothing
  std::vector<std::vector<uint32_t>> packet_readers_;  ///< by counter: tasks that have its packets instead
};

}  // namespace

std::vector<bool> shared_pages(const Program& program) {
  std::vector<const schedule::Page*> pages;
  for (const schedule::Page& page : program.pages) pages.push_back(&page);
  std::sort(pages.begin(), pages.end(), [](const auto* a, const auto* b) { return a->offset < b->offset; });
  std::vector<bool> shared(program.buffers.size(), false);
  uint64_t end = 0;
  for (size_t i = 0; i < pages.size(); ++i) {
    const uint64_t own_end = pages[i]->offset + pages[i]->size;
    const bool with_next = i + 1 < pages.size() && pages[i + 1]->offset < own_end;
    if (pages[i]->offset < end || with_next) shared[pages[i]->buffer.index()] = true;
    end = std::max(end, own_end);
  }
  return shared;
}

bool reuse_is_ordered(const Program& program, const PacketOrder& order) {
  const uint64_t rows = program.tasks.size() + 2 * program.counters.size() + 3 * program.buffers.size();
  if (rows * program.placement.queues.size() > kClockEntriesMax) return false;
  return ReuseCheck(program, order).holds();
}

}  // namespace amk::vm::cuda
