// synchronize: gives every task its counter and its waits, from the ranges alone.
//
// Runs after tile. Needs stages and ranges; leaves counters, signals and waits. A consumer waits for the tasks whose
// bytes it reads and for no others: the producers of a stage that exactly the same readers need share one counter, and
// a reader joins whole counters. A dependence that follows from other waits is left out: stages are compared as
// wholes ("every task of S runs after every task of P"), which is exact for the chains a forward pass is made of.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "schedule/passes/lowering_state.h"

namespace amk::schedule::passes {
namespace {

/// A part of a buffer that a task writes or reads in this pass.
struct Touch {
  uint32_t task = 0;
  uint64_t begin = 0;
  uint64_t end = 0;
};

/// For one stage, the distinct ranges of one buffer that it reads, and who reads each.
struct Demand {
  uint32_t buffer = 0;
  uint64_t begin = 0;
  uint64_t end = 0;
  std::vector<uint32_t> readers;  ///< task ids
  std::vector<uint32_t> writers;  ///< task ids, ascending
};

/// One bit a stage.
class StageSet {
 public:
  explicit StageSet(size_t stages) : words_((stages + 63) / 64, 0) {}
  void add(size_t stage) { words_[stage / 64] |= uint64_t{1} << (stage % 64); }
  [[nodiscard]] bool has(size_t stage) const { return ((words_[stage / 64] >> (stage % 64)) & 1U) != 0; }
  void add_all(const StageSet& other) {
    for (size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
  }

 private:
  std::vector<uint64_t> words_;
};

class Synchronizer {
 public:
  explicit Synchronizer(LoweringState& state)
      : state_(state),
        tasks_(state.program.tasks),
        writes_(state.program.buffers.size()),
        writing_stage_(state.program.buffers.size(), 0),
        after_all_(state.stages.size(), StageSet(state.stages.size())),
        covers_(state.stages.size(), StageSet(state.stages.size())) {}

  void run() {
    collect_writes();
    std::vector<std::vector<Demand>> needed(state_.stages.size());  // by producing stage
    for (uint32_t stage = 0; stage < state_.stages.size(); ++stage) {
      for (Demand& demand : demands(stage)) needed[writing_stage_[demand.buffer]].push_back(std::move(demand));
    }
    for (uint32_t stage = 0; stage < state_.stages.size(); ++stage) make_counters(stage, needed[stage]);
  }

 private:
  [[nodiscard]] static bool is_write(const Task& task, const abi::Range& range) {
    return abi::operand(task.opcode, range.operand).access == abi::Access::kWrite;
  }
  [[nodiscard]] uint32_t size_of(uint32_t stage) const { return state_.stages[stage].end - state_.stages[stage].begin; }

  void collect_writes() {
    for (uint32_t stage = 0; stage < state_.stages.size(); ++stage) {
      for (uint32_t id = state_.stages[stage].begin; id < state_.stages[stage].end; ++id) {
        for (const abi::Range& range : tasks_[id].ranges) {
          if (!is_write(tasks_[id], range)) continue;
          const uint32_t buffer = tasks_[id].operands[range.operand].index();
          writes_[buffer].push_back({id, range.begin, range.end});
          writing_stage_[buffer] = stage;
        }
      }
    }
    for (std::vector<Touch>& writes : writes_) {
      std::sort(writes.begin(), writes.end(), [](const Touch& a, const Touch& b) { return a.begin < b.begin; });
    }
  }

  /// The distinct ranges that a stage reads of what this pass writes, with their writers.
  [[nodiscard]] std::vector<Demand> all_demands(uint32_t stage) const {
    std::map<std::tuple<uint32_t, uint64_t, uint64_t>, Demand> found;
    for (uint32_t id = state_.stages[stage].begin; id < state_.stages[stage].end; ++id) {
      for (const abi::Range& range : tasks_[id].ranges) {
        const uint32_t buffer = tasks_[id].operands[range.operand].index();
        if (is_write(tasks_[id], range) || range.span == abi::Span::kPast || writes_[buffer].empty()) continue;
        Demand& demand = found[{buffer, range.begin, range.end}];
        demand.readers.push_back(id);
      }
    }
    std::vector<Demand> out;
    for (auto& [key, demand] : found) {
      std::tie(demand.buffer, demand.begin, demand.end) = key;
      demand.writers = writers_of(demand);
      out.push_back(std::move(demand));
    }
    return out;
  }

  [[nodiscard]] std::vector<uint32_t> writers_of(const Demand& demand) const {
    const std::vector<Touch>& writes = writes_[demand.buffer];
    // Writes of one buffer do not overlap, so their ends ascend with their begins.
    auto at = std::upper_bound(writes.begin(), writes.end(), demand.begin,
                               [](uint64_t begin, const Touch& touch) { return begin < touch.end; });
    std::vector<uint32_t> writers;
    for (; at != writes.end() && at->begin < demand.end; ++at) writers.push_back(at->task);
    std::sort(writers.begin(), writers.end());
    writers.erase(std::unique(writers.begin(), writers.end()), writers.end());
    return writers;
  }

  /// The demands of a stage that must become waits, nearest producers first; records what the stage is then after.
  std::vector<Demand> demands(uint32_t stage) {
    std::vector<Demand> all = all_demands(stage);
    std::stable_sort(all.begin(), all.end(), [&](const Demand& a, const Demand& b) {
      return writing_stage_[a.buffer] > writing_stage_[b.buffer];
    });
    std::vector<Demand> needed;
    for (size_t i = 0; i < all.size();) {
      const uint32_t producer = writing_stage_[all[i].buffer];
      size_t end = i;
      while (end < all.size() && writing_stage_[all[end].buffer] == producer) ++end;
      const bool implied = after_all_[stage].has(producer);
      record_order(stage, producer, {all.begin() + static_cast<long>(i), all.begin() + static_cast<long>(end)});
      if (!implied)
        std::move(all.begin() + static_cast<long>(i), all.begin() + static_cast<long>(end), std::back_inserter(needed));
      i = end;
    }
    return needed;
  }

  /// What follows for whole stages from `stage` reading from `producer` by `edges`.
  void record_order(uint32_t stage, uint32_t producer, const std::vector<Demand>& edges) {
    std::set<uint32_t> readers;
    std::set<uint32_t> writers;
    bool all_to_all = false;
    for (const Demand& edge : edges) {
      readers.insert(edge.readers.begin(), edge.readers.end());
      writers.insert(edge.writers.begin(), edge.writers.end());
      all_to_all |= edge.readers.size() == size_of(stage) && edge.writers.size() == size_of(producer);
    }
    const bool every_reader = readers.size() == size_of(stage);
    const bool every_writer = writers.size() == size_of(producer);
    if (every_reader) after_all_[stage].add_all(after_all_[producer]);
    if (every_writer) {
      covers_[stage].add(producer);
      covers_[stage].add_all(covers_[producer]);
    }
    if (all_to_all) {
      after_all_[stage].add(producer);
      after_all_[stage].add_all(covers_[producer]);
    }
  }

  /// Groups the tasks of `stage` by the set of demands on them: one counter a group.
  void make_counters(uint32_t stage, const std::vector<Demand>& demands) {
    std::vector<std::vector<uint32_t>> wanted_by(size_of(stage));  // demand indices of each task
    for (uint32_t i = 0; i < demands.size(); ++i) {
      for (const uint32_t writer : demands[i].writers) wanted_by[writer - state_.stages[stage].begin].push_back(i);
    }
    std::map<std::vector<uint32_t>, CounterId> counters;
    std::vector<uint32_t> producers;  // by counter, offset by the first of this stage
    const auto first = static_cast<uint32_t>(state_.program.counters.size());
    for (uint32_t i = 0; i < size_of(stage); ++i) {
      Task& task = tasks_[state_.stages[stage].begin + i];
      const auto [found, added] =
          counters.emplace(wanted_by[i], CounterId(static_cast<uint32_t>(state_.program.counters.size())));
      if (added) {
        state_.program.counters.push_back({0, task.label});
        producers.push_back(0);
      }
      task.signal = found->second;
      ++producers[found->second.index() - first];
    }
    for (const auto& [wanted, counter] : counters) {
      std::set<uint32_t> waiters;
      for (const uint32_t i : wanted) waiters.insert(demands[i].readers.begin(), demands[i].readers.end());
      for (const uint32_t waiter : waiters) {
        tasks_[waiter].waits.push_back({counter, producers[counter.index() - first]});
      }
    }
  }

  LoweringState& state_;
  std::vector<Task>& tasks_;
  std::vector<std::vector<Touch>> writes_;  ///< by buffer, ascending
  std::vector<uint32_t> writing_stage_;     ///< by buffer
  std::vector<StageSet> after_all_;         ///< [S] holds P: every task of S runs after every task of P
  std::vector<StageSet> covers_;            ///< [S] holds P: every task of P runs before some task of S
};

}  // namespace

Status synchronize(LoweringState& state) {
  Synchronizer(state).run();
  return {};
}

}  // namespace amk::schedule::passes
