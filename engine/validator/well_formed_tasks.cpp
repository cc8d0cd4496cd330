// Well-formed and in bounds, task by task: references, operands, parameters, declared ranges.
#include <fmt/format.h>

#include <algorithm>

#include "instructions/instruction.h"
#include "validator/context.h"

namespace amk::validator {
namespace {

using abi::Rule;
using schedule::Task;

class TaskCheck {
 public:
  TaskCheck(Context& context, uint32_t index) : context_(context), task_(context.program.tasks[index]), id_(index) {}

  /// Whether later families may look at the task's ranges.
  bool run() {
    references();
    if (!sound_) return false;  // nothing below can be asked of an operand that is not there
    architecture();
    operands();
    const size_t reported = context_.findings.size();
    for (const abi::Range& range : task_.ranges) bounds(range);
    // A range outside its buffer is no range of the contract either: one finding is enough, and the contract mends it.
    if (operands_fit_) agreement(reported);
    return sound_;
  }

 private:
  Finding& fail(Rule rule, std::string message) {
    sound_ = false;
    return context_.report(rule, {id_}, std::move(message));
  }
  Finding& fail(Rule rule, const abi::Range& range, std::string message) {
    sound_ = false;
    return context_.report(rule, {id_}, task_.operands[range.operand], range.begin, range.end, std::move(message));
  }

  void references() {
    const schedule::Program& program = context_.program;
    if (static_cast<uint32_t>(task_.opcode) >= abi::kOpcodeCount) {
      fail(Rule::kReference, fmt::format("expected an opcode below {}, found {}", abi::kOpcodeCount,
                                         static_cast<uint32_t>(task_.opcode)));
      return;
    }
    const uint32_t expected = abi::operand_count(task_.opcode);
    if (task_.operands.size() != expected) {
      fail(Rule::kOperandKind, fmt::format("expected {} operands for {}, found {}", expected,
                                           abi::info(task_.opcode).name, task_.operands.size()))
          .mend = fmt::format("name the operands {}", operand_names());
    }
    for (size_t i = 0; i < task_.operands.size(); ++i) {
      if (task_.operands[i].index() < program.buffers.size()) continue;
      fail(Rule::kReference, fmt::format("operand {}: expected a buffer below {}, found {}", i, program.buffers.size(),
                                         static_cast<int32_t>(task_.operands[i].index())));
    }
    for (const abi::Range& range : task_.ranges) {
      if (range.operand < expected && static_cast<uint32_t>(range.span) < abi::kSpanCount) continue;
      fail(Rule::kReference,
           fmt::format("expected ranges of operands below {}, found operand {}", expected, range.operand));
    }
    for (const schedule::Wait& wait : task_.waits) counter(wait.counter, "wait");
    counter(task_.signal, "signal");
    if (!instructions::params_match(task_.opcode, task_.params)) {
      fail(Rule::kParamRange,
           fmt::format("expected {}, found parameters of another instruction", abi::info(task_.opcode).record))
          .mend = fmt::format("give it the parameters of {}, or the instruction that these are of",
                              abi::info(task_.opcode).name);
    }
  }

  void counter(CounterId counter, const char* what) {
    if (counter.index() < context_.program.counters.size()) return;
    fail(Rule::kReference, fmt::format("{}: expected a counter below {}, found {}", what,
                                       context_.program.counters.size(), static_cast<int32_t>(counter.index())));
  }

  void architecture() {
    const abi::TargetInfo* target = context_.work.target;
    const uint32_t min_arch = std::max(abi::info(task_.opcode).min_arch, context_.hooks.instruction_arch_min);
    if (target == nullptr || target->sm >= min_arch) return;
    fail(Rule::kArch, fmt::format("expected sm_{} or later for {}, found {} (sm_{})", min_arch,
                                  abi::info(task_.opcode).name, target->name, target->sm));
  }

  void operands() {
    operands_fit_ = true;
    for (uint32_t i = 0; i < task_.operands.size(); ++i) {
      const abi::OperandInfo& expected = abi::operand(task_.opcode, i);
      const schedule::Buffer& buffer = context_.program.buffer(task_.operands[i]);
      if (context_.work.buffer_sound[task_.operands[i].index()] == 0) {
        operands_fit_ = false;  // already reported, at the buffer
        sound_ = false;
        continue;
      }
      const bool fits = ((expected.kinds >> static_cast<uint32_t>(buffer.kind)) & 1U) != 0 &&
                        ((expected.dtypes >> static_cast<uint32_t>(buffer.shape.dtype)) & 1U) != 0 &&
                        buffer.shape.rank == expected.rank && input_fits(expected, buffer);
      if (fits) continue;
      operands_fit_ = false;
      sound_ = false;
      context_.report(
          Rule::kOperandKind, {id_}, task_.operands[i], 0, 0,
          fmt::format("operand '{}' of {}: expected {} of type {} and rank {}, {}, found {} of type {} and "
                      "rank {}",
                      expected.name, abi::info(task_.opcode).name, kind_words(expected), dtype_words(expected.dtypes),
                      expected.rank, expected.doc, abi::kBufferKindNames[static_cast<size_t>(buffer.kind)],
                      abi::dtype_name(buffer.shape.dtype), buffer.shape.rank));
    }
  }

  /// "activation or io_output"; of an input, which one.
  [[nodiscard]] static std::string kind_words(const abi::OperandInfo& operand) {
    if (operand.kinds == abi::kinds::kInput) return fmt::format("the io_input '{}'", operand.name);
    std::string words;
    for (uint32_t kind = 0; kind < abi::kBufferKindCount; ++kind) {
      if ((operand.kinds >> kind & 1U) == 0) continue;
      words += fmt::format("{}{}", words.empty() ? "" : " or ", abi::kBufferKindNames[kind]);
    }
    return words;
  }
  [[nodiscard]] static std::string dtype_words(uint32_t dtypes) {
    std::string words;
    for (uint32_t dtype = 0; dtype < abi::kDtypeCount; ++dtype) {
      if ((dtypes >> dtype & 1U) == 0) continue;
      words += fmt::format("{}{}", words.empty() ? "" : " or ", abi::dtype_name(static_cast<abi::Dtype>(dtype)));
    }
    return words;
  }
  /// "table, token, y": all that the instruction takes.
  [[nodiscard]] std::string operand_names() const {
    std::string words;
    for (uint32_t i = 0; i < abi::operand_count(task_.opcode); ++i) {
      words += fmt::format("{}{}", words.empty() ? "" : ", ", abi::operand(task_.opcode, i).name);
    }
    return words;
  }

  /// The token indexes a table and the position a cache: neither may stand for the other.
  [[nodiscard]] static bool input_fits(const abi::OperandInfo& expected, const schedule::Buffer& buffer) {
    return buffer.kind != abi::BufferKind::kInput || buffer.name == expected.name;
  }

  void bounds(const abi::Range& range) {
    const BufferId buffer = task_.operands[range.operand];
    if (context_.work.buffer_sound[buffer.index()] == 0) return;
    const abi::BufferKind kind = context_.program.buffer(buffer).kind;
    const uint64_t size = context_.work.buffer_size[buffer.index()];
    if (range.begin >= range.end || range.end > size) {
      fail(Rule::kBounds, range,
           fmt::format("expected a range inside [0, {}), found [{}, {})", size, range.begin, range.end));
    }
    if ((kind == abi::BufferKind::kKvCache) == (range.span == abi::Span::kWhole)) {
      fail(Rule::kSpan, range,
           fmt::format("expected the span {} of a buffer of kind {}, found {}",
                       kind == abi::BufferKind::kKvCache ? "past or current" : "whole",
                       abi::kBufferKindNames[static_cast<size_t>(kind)],
                       abi::kSpanNames[static_cast<size_t>(range.span)]));
    }
    if (abi::operand(task_.opcode, range.operand).access != abi::Access::kWrite) return;
    const bool read_only = kind == abi::BufferKind::kWeight || kind == abi::BufferKind::kConst ||
                           kind == abi::BufferKind::kInput || range.span == abi::Span::kPast;
    if (read_only) {
      fail(Rule::kReadOnly, range,
           fmt::format(
               "expected no write to {}, found one of bytes [{}, {})",
               range.span == abi::Span::kPast ? "past positions" : abi::kBufferKindNames[static_cast<size_t>(kind)],
               range.begin, range.end));
    }
  }

  /// The declared ranges against the instruction's contract. Findings of the task from `reported` on are about single
  /// ranges: they are told what the contract wants instead.
  void agreement(size_t reported) {
    std::array<abi::Shape, abi::kMaxOperands> shapes;
    for (size_t i = 0; i < task_.operands.size(); ++i) shapes[i] = context_.program.buffer(task_.operands[i]).shape;
    instructions::RangeList& list = context_.work.contract;
    list.clear();
    const auto problem =
        instructions::contract(task_.opcode, task_.params, {shapes.data(), task_.operands.size()}, list);
    if (problem) {
      if (sound_) fail(Rule::kParamRange, fmt::format("{}: {}", abi::info(task_.opcode).name, *problem));
      return;
    }
    const std::span<const abi::Range> expected = list.ranges();
    const auto [wanted, declared] =
        std::mismatch(expected.begin(), expected.end(), task_.ranges.begin(), task_.ranges.end());
    if (wanted == expected.end() && declared == task_.ranges.end()) return;
    const std::string want = wanted == expected.end() ? "no more ranges" : words(*wanted);
    const std::string found = declared == task_.ranges.end() ? "no more ranges" : words(*declared);
    const std::string mend =
        wanted == expected.end() ? fmt::format("take {} away", found) : fmt::format("declare {}", want);
    if (!sound_) {
      for (size_t i = reported; i < context_.findings.size(); ++i) context_.findings[i].mend = mend;
      return;
    }
    fail(Rule::kAccessContract, wanted == expected.end() ? *declared : *wanted,
         fmt::format("range {}: expected {}, found {}", wanted - expected.begin(), want, found))
        .mend = mend;
  }

  [[nodiscard]] std::string words(const abi::Range& range) const {
    const abi::OperandInfo& operand = abi::operand(task_.opcode, range.operand);
    const std::string span = range.span == abi::Span::kWhole
                                 ? ""
                                 : fmt::format(" of the {} position", abi::kSpanNames[static_cast<size_t>(range.span)]);
    return fmt::format("{} of '{}' bytes [{}, {}){}", operand.access == abi::Access::kRead ? "a read" : "a write",
                       operand.name, range.begin, range.end, span);
  }

  Context& context_;
  const Task& task_;
  TaskId id_;
  bool sound_ = true;
  bool operands_fit_ = false;
};

/// Splits of one attention leave no position out and take none twice only where all count in the same blocks.
void check_blocks(Context& context) {
  constexpr uint32_t kPartials = instructions::operand_index<abi::Opcode::kAttention>("partials");
  static_assert(kPartials == instructions::operand_index<abi::Opcode::kAttentionCombine>("partials"));
  std::vector<uint32_t>& first_of = context.work.first_attention;
  first_of.assign(context.program.buffers.size(), UINT32_MAX);
  for (uint32_t i = 0; i < context.program.tasks.size(); ++i) {
    const Task& task = context.program.tasks[i];
    const auto* attention = std::get_if<abi::AttentionParams>(&task.params);
    if (attention == nullptr || context.work.task_sound[i] == 0) continue;
    const BufferId partials = task.operands[kPartials];
    uint32_t& first = first_of[partials.index()];
    if (first == UINT32_MAX) first = i;
    const uint32_t expected = std::get<abi::AttentionParams>(context.program.tasks[first].params).kv_block;
    if (attention->kv_block == expected) continue;
    context
        .report(Rule::kAttentionBlocks, {TaskId(i), TaskId(first)}, partials, 0, 0,
                fmt::format("expected a kv_block of {}, as task {} has with the same partials, found {}", expected,
                            first, attention->kv_block))
        .mend = fmt::format("set kv_block to {}, or give the two partials of their own", expected);
  }
}

}  // namespace

void check_tasks(Context& context) {
  const auto count = static_cast<uint32_t>(context.program.tasks.size());
  context.work.task_sound.assign(count, 0);
  for (uint32_t i = 0; i < count; ++i) context.work.task_sound[i] = TaskCheck(context, i).run() ? 1 : 0;
  check_blocks(context);
}

}  // namespace amk::validator
