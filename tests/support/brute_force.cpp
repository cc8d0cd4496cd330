#include "support/brute_force.h"

#include <array>

#include "base/assert.h"

namespace amk::test {
namespace {

using schedule::Program;

constexpr uint64_t kWord = 4;

/// Runs every interleaving of a tiny program: a state is how far each queue has come.
class Explorer {
 public:
  Explorer(const Program& program, After& after) : program_(program), after_(after), queues_(program.placement.queues) {
    AMK_ASSERT(queues_.size() <= 4, "four queues are 2^12 states of their places");
    for (const auto& queue : queues_) AMK_ASSERT(queue.size() < 8, "a place takes three bits");
    after_.assign(program.tasks.size(), {});
    for (auto& others : after_) {
      for (size_t task = 0; task < program.tasks.size(); ++task)
        others.set(task);  // until an execution shows otherwise
    }
  }

  bool run() {
    visit({});
    return !stuck_;
  }

 private:
  using State = std::array<uint32_t, 4>;

  void visit(const State& state) {
    const uint32_t code = state[0] | state[1] << 3 | state[2] << 6 | state[3] << 9;
    if (seen_[code]) return;
    seen_[code] = true;
    std::vector<bool> done(program_.tasks.size(), false);
    std::vector<uint32_t> counters(program_.counters.size(), 0);
    bool finished = true;
    for (size_t sm = 0; sm < queues_.size(); ++sm) {
      finished = finished && state[sm] == queues_[sm].size();
      for (uint32_t place = 0; place < state[sm]; ++place) {
        done[queues_[sm][place].index()] = true;
        ++counters[program_.task(queues_[sm][place]).signal.index()];
      }
    }
    bool moved = false;
    for (size_t sm = 0; sm < queues_.size(); ++sm) {
      if (state[sm] == queues_[sm].size()) continue;
      const uint32_t task = queues_[sm][state[sm]].index();
      bool ready = true;
      for (const schedule::Wait& wait : program_.tasks[task].waits) {
        ready = ready && counters[wait.counter.index()] >= wait.threshold;
      }
      if (!ready) continue;
      moved = true;
      for (size_t other = 0; other < done.size(); ++other) {
        if (!done[other]) after_[task][other] = false;
      }
      State next = state;
      ++next[sm];
      visit(next);
    }
    stuck_ = stuck_ || (!moved && !finished);
  }

  const Program& program_;
  After& after_;
  const std::vector<std::vector<TaskId>>& queues_;
  std::array<bool, 1 << 12> seen_{};
  bool stuck_ = false;
};

/// An access of a task to one word.
struct WordAccess {
  uint32_t task = 0;
  uint32_t buffer = 0;
  bool writes = false;
  bool operator==(const WordAccess&) const = default;
};

struct Memory {
  std::vector<std::vector<WordAccess>> words;
  std::vector<bool> must_be_written;
};

Memory lay_out(const Program& program) {
  Memory memory;
  std::vector<uint64_t> base(program.buffers.size(), UINT64_MAX);  // in words; none for what is read-only
  uint64_t next = program.scratch_bytes / kWord;
  memory.must_be_written.assign(next, false);
  for (const schedule::Page& page : program.pages) base[page.buffer.index()] = page.offset / kWord;
  for (size_t i = 0; i < program.buffers.size(); ++i) {
    const schedule::Buffer& buffer = program.buffers[i];
    const bool cache = buffer.kind == abi::BufferKind::kKvCache;
    if (!cache && buffer.kind != abi::BufferKind::kOutput) continue;
    base[i] = next;
    next += abi::element_count(buffer.shape) / (cache ? buffer.shape.extent[1] : 1);  // elements are words
    memory.must_be_written.resize(next, true);
  }
  memory.words.resize(next);
  for (uint32_t id = 0; id < program.tasks.size(); ++id) {
    const schedule::Task& task = program.tasks[id];
    for (const abi::Range& range : task.ranges) {
      const uint32_t buffer = task.operands[range.operand].index();
      if (base[buffer] == UINT64_MAX || range.span == abi::Span::kPast) continue;
      const bool writes = abi::operand(task.opcode, range.operand).access == abi::Access::kWrite;
      for (uint64_t word = range.begin / kWord; word < range.end / kWord; ++word) {
        memory.words[base[buffer] + word].push_back({id, buffer, writes});
      }
    }
  }
  return memory;
}

bool races(const std::vector<WordAccess>& word, const After& after) {
  for (size_t a = 0; a < word.size(); ++a) {
    for (size_t b = 0; b < a; ++b) {
      if (!word[a].writes && !word[b].writes) continue;
      if (!after[word[a].task][word[b].task] && !after[word[b].task][word[a].task]) return true;
    }
  }
  return false;
}

/// What the word's reads find, given that it is free of races.
Flaw read_flaw(const std::vector<WordAccess>& word, const After& after) {
  for (const WordAccess& read : word) {
    if (read.writes) continue;
    const WordAccess* last = nullptr;
    for (const WordAccess& write : word) {
      if (!write.writes || !after[read.task][write.task]) continue;
      if (last == nullptr || after[write.task][last->task]) last = &write;
    }
    if (last == nullptr) return Flaw::kUnwritten;
    if (last->buffer != read.buffer) return Flaw::kStale;
  }
  return Flaw::kNone;
}

}  // namespace

bool explore(const Program& program, After& after) { return Explorer(program, after).run(); }

bool waits_are_joins(const Program& program) {
  std::vector<uint32_t> producers(program.counters.size(), 0);
  for (const schedule::Task& task : program.tasks) ++producers[task.signal.index()];
  for (const schedule::Task& task : program.tasks) {
    for (const schedule::Wait& wait : task.waits) {
      if (wait.threshold == 0 || wait.threshold != producers[wait.counter.index()]) return false;
    }
  }
  return true;
}

bool close(const Program& program, After& after) {
  const size_t count = program.tasks.size();
  AMK_ASSERT(count <= kBruteTasksMax, "a program beyond what is judged by brute force");
  std::vector<std::vector<uint32_t>> needs(count);  // direct predecessors
  std::vector<std::vector<uint32_t>> producers(program.counters.size());
  for (uint32_t id = 0; id < count; ++id) producers[program.tasks[id].signal.index()].push_back(id);
  for (uint32_t id = 0; id < count; ++id) {
    for (const schedule::Wait& wait : program.tasks[id].waits) {
      const std::vector<uint32_t>& joined = producers[wait.counter.index()];
      needs[id].insert(needs[id].end(), joined.begin(), joined.end());
    }
  }
  for (const std::vector<TaskId>& queue : program.placement.queues) {
    for (size_t place = 1; place < queue.size(); ++place) {
      needs[queue[place].index()].push_back(queue[place - 1].index());
    }
  }
  after.assign(count, {});
  std::vector<bool> known(count, false);
  size_t left = count;
  for (bool progress = true; progress;) {
    progress = false;
    for (uint32_t id = 0; id < count; ++id) {
      bool ready = !known[id];
      for (const uint32_t need : needs[id]) ready = ready && known[need];
      if (!ready) continue;
      for (const uint32_t need : needs[id]) {
        after[id] |= after[need];
        after[id].set(need);
      }
      known[id] = true;
      --left;
      progress = true;
    }
  }
  return left == 0;
}

Flaw memory_flaw(const Program& program, const After& after) {
  const Memory memory = lay_out(program);
  Flaw flaw = Flaw::kNone;
  for (size_t i = 0; i < memory.words.size(); ++i) {
    const std::vector<WordAccess>& word = memory.words[i];
    bool written = false;
    for (const WordAccess& access : word) written = written || access.writes;
    if (!written && memory.must_be_written[i] && flaw == Flaw::kNone) flaw = Flaw::kOutput;
    if (i > 0 && word == memory.words[i - 1]) continue;  // the same history: the same answer
    if (races(word, after)) return Flaw::kRace;
    const Flaw found = read_flaw(word, after);
    if (found != Flaw::kNone && (flaw == Flaw::kNone || found < flaw)) flaw = found;
  }
  return flaw;
}

}  // namespace amk::test
