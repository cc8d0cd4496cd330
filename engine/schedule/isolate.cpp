#include "schedule/isolate.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/assert.h"
#include "schedule/passes/emitter.h"
#include "schedule/passes/lowering_state.h"

namespace amk::schedule {
namespace {

using abi::Access;
using abi::BufferKind;

/// An activation's form: two of one form stand for each other as inputs.
using Form = std::vector<uint64_t>;
Form form_of(const abi::Shape& shape) {
  Form form = {static_cast<uint64_t>(shape.dtype)};
  form.insert(form.end(), shape.extent, shape.extent + shape.rank);
  return form;
}

bool writes(const Task& task, uint32_t operand) { return abi::operand(task.opcode, operand).access == Access::kWrite; }

/// Activations have places of their own: results are looked at when all is over.
LowerRequest without_sharing(LowerRequest request) {
  request.config.page_allocation = abi::PageAllocation::kNone;
  return request;
}

class Isolator {
 public:
  Isolator(const LowerRequest& request, const Program& whole, uint32_t opcodes)
      : request_(without_sharing(request)), whole_(whole), opcodes_(opcodes), state_(request_), emit_(state_) {}

  Result<Isolated> run() {
    find_places();
    state_.program.meta = whole_.meta;
    state_.program.target = whole_.target;
    state_.program.config = whole_.config;
    state_.program.launch = whole_.launch;
    // Every machine has the two inputs, and takes the tokens that the embedding has.
    static_cast<void>(emit_.token_in());
    static_cast<void>(emit_.position());
    for (uint32_t id = 0; id < whole_.tasks.size(); ++id) {
      if (whole_.tasks[id].opcode != abi::Opcode::kEmbed) continue;
      static_cast<void>(input(whole_.tasks[id].operands.back()));
      break;
    }
    keep_levels();
    emit_.end_stages();
    AMK_TRY(emit_.status());
    if (out_.kept == 0) {
      return Error{ErrorCode::kUsage, "expected an instruction of this schedule's program, found none of its tasks", "",
                   "change fusion_grouping, or tune one that amk inspect lists"};
    }
    AMK_TRY(passes::synchronize(state_));
    chain_levels();
    place();
    AMK_TRY(passes::allocate_pages(state_));
    out_.program = std::move(state_.program);
    out_.levels = static_cast<uint32_t>(levels_.size());
    return std::move(out_);
  }

 private:
  /// New task ids of one level: [begin, end), of which those from `last_stage` on end last.
  struct Level {
    uint32_t begin;
    uint32_t last_stage;
    uint32_t end;
  };

  [[nodiscard]] bool kept(const Task& task) const {
    return ((opcodes_ >> static_cast<uint32_t>(task.opcode)) & 1U) != 0;
  }

  /// The first task that writes an activation of each form, and each cache; the SM of every task.
  void find_places() {
    for (uint32_t id = 0; id < whole_.tasks.size(); ++id) {
      const Task& task = whole_.tasks[id];
      for (uint32_t i = 0; i < task.operands.size(); ++i) {
        if (!writes(task, i)) continue;
        const Buffer& buffer = whole_.buffer(task.operands[i]);
        if (buffer.kind == BufferKind::kActivation) writer_of_form_.emplace(form_of(buffer.shape), id);
        writer_of_.emplace(task.operands[i].index(), id);
      }
    }
    sm_of_.resize(whole_.tasks.size(), 0);
    for (uint32_t sm = 0; sm < whole_.placement.queues.size(); ++sm) {
      for (const TaskId task : whole_.placement.queues[sm]) sm_of_[task.index()] = sm;
    }
  }

  // ---- what kept tasks read -----------------------------------------------------------------------------------------

  /// The buffer that stands for one of the whole program's in this one, as an input; makes the tasks that write it.
  BufferId input(BufferId old) {
    const Buffer& buffer = whole_.buffer(old);
    const auto found = buffers_.find(old.index());
    if (buffer.kind == BufferKind::kKvCache || buffer.kind == BufferKind::kOutput)
      return found != buffers_.end() ? found->second : make_buffer(old);
    if (buffer.kind != BufferKind::kActivation) return same(old);
    // Of the instruction's own results only those of the same level: else levels would be tied by their tiles.
    const auto level = level_of_.find(old.index());
    if (level != level_of_.end() && level->second == level_) return found->second;
    return input_of_form(form_of(buffer.shape));
  }

  BufferId input_of_form(const Form& form) {
    if (!made_.contains(form)) make(writer_of_form_.at(form), [](const Task&) { return true; });
    return made_.at(form);
  }

  /// A cache, or an output: what its own tasks write.
  BufferId make_buffer(BufferId old) {
    const auto writer = writer_of_.find(old.index());
    AMK_ASSERT(writer != writer_of_.end(), "lowering writes every cache and output");
    // The rows that go elsewhere, a query's, need not be made.
    make(writer->second, [&](const Task& task) {
      return std::any_of(task.ranges.begin(), task.ranges.end(), [&](const abi::Range& range) {
        return writes(task, range.operand) &&
               whole_.buffer(task.operands[range.operand]).kind == whole_.buffer(old).kind;
      });
    });
    return buffers_.at(old.index());
  }

  /// The tasks that do together what `first` does a part of: those that are wanted, or all where others may want the
  /// activation that they write.
  template <typename Wanted>
  void make(uint32_t first, const Wanted& wanted) {
    const Task& example = whole_.tasks[first];
    std::vector<BufferId> operands(example.operands.size());
    for (uint32_t i = 0; i < operands.size(); ++i) {
      if (!writes(example, i)) operands[i] = input(example.operands[i]);
    }
    const bool all = is_first_of_a_form(first);
    std::vector<uint32_t> chosen;
    for (uint32_t id = first; id < whole_.tasks.size() && whole_.tasks[id].opcode == example.opcode; ++id) {
      if (whole_.tasks[id].operands == example.operands && (all || wanted(whole_.tasks[id]))) chosen.push_back(id);
    }
    for (uint32_t i = 0; i < operands.size(); ++i) {
      if (writes(example, i)) operands[i] = made_operand(first, i, chosen);
    }
    emit_.begin_stage();
    for (const uint32_t id : chosen) add(id, operands);
  }

  /// Whether the task is the first that writes an activation of some form.
  [[nodiscard]] bool is_first_of_a_form(uint32_t id) const {
    const Task& task = whole_.tasks[id];
    for (uint32_t i = 0; i < task.operands.size(); ++i) {
      const Buffer& buffer = whole_.buffer(task.operands[i]);
      if (writes(task, i) && buffer.kind == BufferKind::kActivation && writer_of_form_.at(form_of(buffer.shape)) == id)
        return true;
    }
    return false;
  }

  /// What the chosen tasks, the first of a stage being `first`, write as their i-th operand.
  BufferId made_operand(uint32_t first, uint32_t i, const std::vector<uint32_t>& chosen) {
    const BufferId old = whole_.tasks[first].operands[i];
    const Buffer& buffer = whole_.buffer(old);
    if (buffer.kind != BufferKind::kActivation) return written(old);
    const Form form = form_of(buffer.shape);
    if (writer_of_form_.at(form) == first) return made_.emplace(form, new_activation(buffer)).first->second;
    const bool touched = std::any_of(chosen.begin(), chosen.end(), [&](uint32_t id) {
      const std::vector<abi::Range>& ranges = whole_.tasks[id].ranges;
      return std::any_of(ranges.begin(), ranges.end(), [&](const abi::Range& range) { return range.operand == i; });
    });
    // An activation that no task touches may not be; one that is there stands in its place.
    return touched ? new_activation(buffer) : input_of_form(form);
  }

  // ---- buffers ------------------------------------------------------------------------------------------------------

  /// A buffer that is the same in both programs.
  BufferId same(BufferId old) {
    const Buffer& buffer = whole_.buffer(old);
    switch (buffer.kind) {
      case BufferKind::kWeight:
        return emit_.weight(buffer.source);
      case BufferKind::kConst:
        return emit_.rope_frequencies();
      case BufferKind::kInput:
        return buffer.name == "token" ? emit_.token_in() : emit_.position();
      case BufferKind::kOutput:
        return emit_.output(buffer.name, buffer.shape.dtype, abi::element_count(buffer.shape));
      case BufferKind::kActivation:
      case BufferKind::kKvCache:
        break;
    }
    AMK_ASSERT(false, buffer.name);
    return {};
  }

  BufferId new_activation(const Buffer& like) {
    const BufferId out = emit_.activation(like.name, {}, like.shape.dtype);
    state_.program.buffers[out.index()].shape = like.shape;
    return out;
  }

  BufferId written(BufferId old) {
    const auto found = buffers_.find(old.index());
    if (found != buffers_.end()) return found->second;
    const Buffer& buffer = whole_.buffer(old);
    const BufferId out = buffer.kind == BufferKind::kActivation ? new_activation(buffer)
                         : buffer.kind == BufferKind::kKvCache  ? emit_.kv_cache(buffer.name)
                                                                : same(old);
    buffers_.emplace(old.index(), out);
    return out;
  }

  /// A kept task's operands in this program. Inputs first: making them may take stages of their own.
  std::vector<BufferId> operands_of(const Task& task) {
    std::vector<BufferId> out(task.operands.size());
    for (uint32_t i = 0; i < out.size(); ++i) {
      if (!writes(task, i)) out[i] = input(task.operands[i]);
    }
    for (uint32_t i = 0; i < out.size(); ++i) {
      if (!writes(task, i)) continue;
      out[i] = written(task.operands[i]);
      level_of_[task.operands[i].index()] = level_;
      if (results_.insert(out[i].index()).second) out_.results.push_back(out[i]);
    }
    return out;
  }

  void add(uint32_t old, const std::vector<BufferId>& operands) {
    const Task& task = whole_.tasks[old];
    emit_.task(task.opcode, task.params, operands, task.label);
    old_of_.push_back(old);
  }

  // ---- the instruction's own tasks ----------------------------------------------------------------------------------

  /// A run of kept tasks of one opcode is a stage, and a level; but AttentionCombine runs beside its Attention.
  void keep_levels() {
    for (uint32_t id = 0; id < whole_.tasks.size();) {
      if (!kept(whole_.tasks[id])) {
        ++id;
        continue;
      }
      const abi::Opcode opcode = whole_.tasks[id].opcode;
      const bool beside = opcode == abi::Opcode::kAttentionCombine && id > 0 &&
                          whole_.tasks[id - 1].opcode == abi::Opcode::kAttention && !levels_.empty();
      if (!beside) ++level_;
      uint32_t end = id;
      std::map<std::vector<BufferId>, std::vector<BufferId>> operands;
      std::set<BufferId> of_run;
      for (; end < whole_.tasks.size() && whole_.tasks[end].opcode == opcode; ++end) {
        const Task& task = whole_.tasks[end];
        const bool reads_own = std::any_of(task.operands.begin(), task.operands.end(), [&](BufferId buffer) {
          return of_run.contains(buffer) && !writes(task, operand_named(task, buffer));
        });
        if (reads_own) break;
        for (uint32_t i = 0; i < task.operands.size(); ++i) {
          if (writes(task, i)) of_run.insert(task.operands[i]);
        }
        if (!operands.contains(task.operands)) operands.emplace(task.operands, operands_of(task));
      }
      emit_.begin_stage(beside);
      const auto first = static_cast<uint32_t>(old_of_.size());
      out_.kept += end - id;
      for (; id < end; ++id) add(id, operands.at(whole_.tasks[id].operands));
      const auto last = static_cast<uint32_t>(old_of_.size());
      // What runs beside the others of a level waits for them: who waits for it waits for all.
      if (beside) {
        levels_.back().last_stage = first;
        levels_.back().end = last;
      } else {
        levels_.push_back({first, first, last});
      }
    }
  }

  static uint32_t operand_named(const Task& task, BufferId buffer) {
    return static_cast<uint32_t>(std::find(task.operands.begin(), task.operands.end(), buffer) - task.operands.begin());
  }

  /// Every task of a level waits for all of the level before.
  void chain_levels() {
    std::vector<Task>& tasks = state_.program.tasks;
    std::vector<uint32_t> producers(state_.program.counters.size(), 0);
    for (const Task& task : tasks) ++producers[task.signal.index()];
    for (size_t level = 1; level < levels_.size(); ++level) {
      std::set<CounterId> before;
      for (uint32_t id = levels_[level - 1].last_stage; id < levels_[level - 1].end; ++id)
        before.insert(tasks[id].signal);
      for (uint32_t id = levels_[level].begin; id < levels_[level].end; ++id) {
        for (const CounterId counter : before) {
          const bool waits = std::any_of(tasks[id].waits.begin(), tasks[id].waits.end(),
                                         [&](const Wait& wait) { return wait.counter == counter; });
          if (!waits) tasks[id].waits.push_back({counter, producers[counter.index()]});
        }
      }
    }
  }

  void place() {
    state_.program.placement.queues.assign(whole_.placement.queues.size(), {});
    for (uint32_t id = 0; id < old_of_.size(); ++id)
      state_.program.placement.queues[sm_of_[old_of_[id]]].push_back(TaskId(id));
  }

  LowerRequest request_;
  const Program& whole_;
  uint32_t opcodes_;
  passes::LoweringState state_;
  passes::Emitter emit_;
  Isolated out_;
  std::map<Form, uint32_t> writer_of_form_;
  std::map<uint32_t, uint32_t> writer_of_;  ///< by buffer
  std::vector<uint32_t> sm_of_;             ///< by the whole program's task
  std::map<uint32_t, BufferId> buffers_;    ///< by the whole program's buffer
  std::map<Form, BufferId> made_;           ///< inputs by their form
  std::set<uint32_t> results_;
  std::vector<uint32_t> old_of_;  ///< by task, its id in the whole program
  std::vector<Level> levels_;
  std::map<uint32_t, uint32_t> level_of_;  ///< of what kept tasks write, by the whole program's buffer
  uint32_t level_ = 0;                     ///< at hand, counted from 1
};

}  // namespace

Result<Isolated> isolate(const LowerRequest& request, const Program& whole, uint32_t opcodes) {
  return Isolator(request, whole, opcodes).run();
}

}  // namespace amk::schedule
