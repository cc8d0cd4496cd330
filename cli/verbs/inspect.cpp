// amk inspect: a program in words.

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/text.h"
#include "cli/job.h"
#include "cli/progress.h"
#include "cli/table.h"
#include "cli/verbs/verbs.h"
#include "cli/verdict_text.h"
#include "eval/evaluate.h"
#include "eval/program_report.h"
#include "schedule/target.h"
#include "schedule/task_cost.h"

namespace amk::cli {
namespace {

using schedule::Program;
using schedule::Task;

constexpr size_t kCriticalShown = 6;  ///< tasks at either end of the critical path
constexpr size_t kBins = 8;           ///< of the histogram

/// One program, and what every view of it needs.
struct View {
  const Program& program;
  eval::ProgramSummary summary;
  std::vector<uint32_t> level_of;
  std::vector<uint32_t> sm_of;
  uint32_t position = 0;
};

View view_of(const Program& program, const abi::TargetInfo& target, uint32_t position) {
  View view{program, eval::summarize(program, target, position), eval::task_levels(program), {}, position};
  view.sm_of.resize(program.tasks.size());
  for (uint32_t sm = 0; sm < program.placement.queues.size(); ++sm) {
    for (const TaskId task : program.placement.queues[sm]) view.sm_of[task.index()] = sm;
  }
  return view;
}

// ---- choosing tasks -------------------------------------------------------------------------------------------------

Error out_of_range(const char* option, size_t count, uint32_t found) {
  return {ErrorCode::kUsage, fmt::format("expected a number below {}, found {}", count, found), option, ""};
}

/// The tasks that the options ask to list; empty optional: none was asked for.
Result<std::optional<std::vector<TaskId>>> chosen_tasks(const InspectOptions& options, const View& view) {
  const Program& program = view.program;
  const int asked = (options.level ? 1 : 0) + (options.sm ? 1 : 0) + (options.task ? 1 : 0);
  if (asked > 1) return Error{ErrorCode::kUsage, "expected one of --level, --sm and --task, found several", "", ""};
  if (asked == 0) return std::optional<std::vector<TaskId>>();
  if (options.level && *options.level >= view.summary.levels.size()) {
    return out_of_range("--level", view.summary.levels.size(), *options.level);
  }
  if (options.sm && *options.sm >= program.placement.queues.size()) {
    return out_of_range("--sm", program.placement.queues.size(), *options.sm);
  }
  if (options.task && *options.task >= program.tasks.size())
    return out_of_range("--task", program.tasks.size(), *options.task);
  if (options.sm) return std::optional(program.placement.queues[*options.sm]);
  std::vector<TaskId> out;
  if (options.task) out.emplace_back(*options.task);
  for (uint32_t id = 0; options.level && id < program.tasks.size(); ++id) {
    if (view.level_of[id] == *options.level) out.emplace_back(id);
  }
  return std::optional(std::move(out));
}

// ---- JSON -----------------------------------------------------------------------------------------------------------

struct Bin {
  uint64_t begin = 0;  ///< bytes; the last bin holds its end too
  uint64_t end = 0;
  uint32_t sms = 0;
};

std::vector<Bin> histogram(const eval::ProgramSummary& summary) {
  const uint64_t width = (summary.sm_bytes_max - summary.sm_bytes_min) / kBins + 1;
  std::vector<Bin> bins;
  for (size_t i = 0; i < kBins && (i == 0 || summary.sm_bytes_min + i * width <= summary.sm_bytes_max); ++i) {
    bins.push_back({summary.sm_bytes_min + i * width, summary.sm_bytes_min + (i + 1) * width, 0});
  }
  for (const uint64_t bytes : summary.prediction.bytes_of_sm) ++bins[(bytes - summary.sm_bytes_min) / width].sms;
  return bins;
}

Json accesses(const Task& task, const Program& program, abi::Access access) {
  Json out = Json::array();
  for (const abi::Range& range : task.ranges) {
    const abi::OperandInfo& operand = abi::operand(task.opcode, range.operand);
    if (operand.access != access) continue;
    out.push_back({{"operand", operand.name},
                   {"buffer", program.buffer(task.operands[range.operand]).name},
                   {"span", abi::kSpanNames[static_cast<size_t>(range.span)]},
                   {"begin", range.begin},
                   {"end", range.end}});
  }
  return out;
}

Json task_json(const View& view, TaskId id) {
  const Task& task = view.program.task(id);
  Json waits = Json::array();
  for (const schedule::Wait& wait : task.waits) {
    waits.push_back({{"counter", wait.counter.index()},
                     {"threshold", wait.threshold},
                     {"note", view.program.counters[wait.counter.index()].note}});
  }
  return {{"task", id.index()},
          {"label", task.label},
          {"instruction", abi::info(task.opcode).name},
          {"level", view.level_of[id.index()]},
          {"sm", view.sm_of[id.index()]},
          {"weight_bytes", schedule::weight_bytes(task, view.program)},
          {"flops", task.flops},
          {"waits", std::move(waits)},
          {"signal", task.signal.index()},
          {"reads", accesses(task, view.program, abi::Access::kRead)},
          {"writes", accesses(task, view.program, abi::Access::kWrite)}};
}

Json instructions_json(const eval::ProgramSummary& summary) {
  Json out = Json::array();
  for (const eval::InstructionCount& count : summary.instructions) {
    out.push_back({{"instruction", count.name},
                   {"tasks", count.tasks},
                   {"weight_bytes", count.weight_bytes},
                   {"flops", count.flops}});
  }
  return out;
}

Json levels_json(const eval::ProgramSummary& summary) {
  Json out = Json::array();
  for (size_t i = 0; i < summary.levels.size(); ++i) {
    const eval::Level& level = summary.levels[i];
    out.push_back({{"level", i},
                   {"tasks", level.tasks},
                   {"sms", level.sms},
                   {"weight_bytes", level.weight_bytes},
                   {"example", level.example}});
  }
  return out;
}

Json sms_json(const eval::ProgramSummary& summary) {
  Json bins = Json::array();
  for (const Bin& bin : histogram(summary)) bins.push_back({{"begin", bin.begin}, {"end", bin.end}, {"sms", bin.sms}});
  return {{"sms", summary.prediction.bytes_of_sm.size()},
          {"bytes_min", summary.sm_bytes_min},
          {"bytes_max", summary.sm_bytes_max},
          {"histogram", std::move(bins)}};
}

Json prediction_json(const View& view) {
  const schedule::Prediction& prediction = view.summary.prediction;
  return {{"latency_us", json_number(prediction.latency_us)},
          {"latency_kind", "predicted"},
          {"position", view.position},
          {"floor_us", json_number(prediction.floor_us)},
          {"wait_us", json_number(prediction.wait_us)},
          {"stream_us", json_number(prediction.stream_us)},
          {"bottleneck", prediction.bottleneck()}};
}

Json critical_json(const View& view) {
  Json out = Json::array();
  for (const TaskId id : view.summary.prediction.critical) {
    out.push_back({{"task", id.index()}, {"label", view.program.task(id).label}, {"sm", view.sm_of[id.index()]}});
  }
  return out;
}

Json launch_json(const schedule::Launch& launch, size_t blocks) {
  return {{"blocks", blocks},
          {"threads_per_block", launch.threads_per_block},
          {"stages", launch.stages},
          {"stage_bytes", launch.stage_bytes},
          {"activation_bytes", launch.activation_bytes},
          {"smem_bytes", launch.smem_bytes},
          {"copies_in_flight", launch.copies_in_flight},
          {"tokens_per_launch", launch.tokens_per_launch},
          {"stream_backend", abi::kStreamBackendValues[static_cast<size_t>(launch.stream_backend)].name},
          {"sync_protocol", abi::kSyncProtocolValues[static_cast<size_t>(launch.sync_protocol)].name},
          {"products", abi::kProductsValues[static_cast<size_t>(launch.products)].name}};
}

Json document(const View& view, const std::optional<std::vector<TaskId>>& chosen,
              const std::vector<std::string>& notes) {
  const Program& program = view.program;
  const eval::ProgramSummary& summary = view.summary;
  Json listed = nullptr;
  if (chosen) {
    listed = Json::array();
    for (const TaskId id : *chosen) listed.push_back(task_json(view, id));
  }
  return {{"model", program.meta.model},
          {"gpu", program.target},
          {"schedule_id", program.meta.schedule_id},
          {"context", program.meta.context},
          {"tasks", program.tasks.size()},
          {"counters", summary.counters},
          {"waits", summary.waits},
          {"buffers", summary.buffers},
          {"pages", program.pages.size()},
          {"scratch_bytes", summary.scratch_bytes},
          {"kv_bytes", summary.kv_bytes},
          {"weight_bytes", summary.prediction.weight_bytes},
          {"prediction", prediction_json(view)},
          {"instructions", instructions_json(summary)},
          {"levels", levels_json(summary)},
          {"sm_bytes", sms_json(summary)},
          {"critical_path", critical_json(view)},
          {"launch", launch_json(program.launch, program.placement.queues.size())},
          {"listed", std::move(listed)},
          {"notes", notes}};
}

// ---- words ----------------------------------------------------------------------------------------------------------

std::string facts_text(const View& view) {
  const Program& program = view.program;
  const eval::ProgramSummary& summary = view.summary;
  const schedule::Prediction& prediction = summary.prediction;
  const schedule::Launch& launch = program.launch;
  Facts facts;
  facts.add("program", fmt::format("{} for {}, schedule {}, context {}", program.meta.model, program.target,
                                   program.meta.schedule_id, program.meta.context));
  facts.add("work", fmt::format("{} tasks in {} levels, {} counters, {} waits", grouped(program.tasks.size()),
                                summary.levels.size(), grouped(summary.counters), grouped(summary.waits)));
  facts.add("memory", fmt::format("{} weights, {} KV cache, {} scratch in {} pages, {} buffers",
                                  human_bytes(prediction.weight_bytes), human_bytes(summary.kv_bytes),
                                  human_bytes(summary.scratch_bytes), program.pages.size(), summary.buffers));
  facts.add("latency", fmt::format("{:.1f} us predicted at position {} (floor {:.1f} us); {:.1f} us waiting, {:.1f} us "
                                   "streaming: {} is the bottleneck",
                                   prediction.latency_us, view.position, prediction.floor_us, prediction.wait_us,
                                   prediction.stream_us, prediction.bottleneck()));
  facts.add(
      "launch",
      fmt::format(
          "{} blocks of {} threads, {} of shared memory: {} stages of {} and {} for activations; {} copies in flight, "
          "{}, {}, {} products, {} token{} a launch",
          program.placement.queues.size(), launch.threads_per_block, human_bytes(launch.smem_bytes), launch.stages,
          human_bytes(launch.stage_bytes), human_bytes(launch.activation_bytes), launch.copies_in_flight,
          abi::kStreamBackendValues[static_cast<size_t>(launch.stream_backend)].name,
          abi::kSyncProtocolValues[static_cast<size_t>(launch.sync_protocol)].name,
          abi::kProductsValues[static_cast<size_t>(launch.products)].name, launch.tokens_per_launch,
          launch.tokens_per_launch == 1 ? "" : "s"));
  return facts.text();
}

std::string instructions_text(const eval::ProgramSummary& summary) {
  Table table({{"instruction"}, {"tasks", Align::kRight}, {"weights", Align::kRight}, {"Mflop", Align::kRight}});
  for (const eval::InstructionCount& count : summary.instructions) {
    table.add({count.name, grouped(count.tasks), human_bytes(count.weight_bytes),
               fmt::format("{:.2f}", static_cast<double>(count.flops) / 1e6)});
  }
  return "\nTasks by instruction\n" + table.text();
}

std::string levels_text(const eval::ProgramSummary& summary) {
  Table table({{"level", Align::kRight},
               {"tasks", Align::kRight},
               {"SMs", Align::kRight},
               {"weights", Align::kRight},
               {"first task"}});
  for (size_t i = 0; i < summary.levels.size(); ++i) {
    const eval::Level& level = summary.levels[i];
    table.add(
        {std::to_string(i), grouped(level.tasks), grouped(level.sms), human_bytes(level.weight_bytes), level.example});
  }
  return "\nLevels\n" + table.text();
}

std::string sms_text(const eval::ProgramSummary& summary) {
  constexpr size_t kBarMax = 40;
  const std::vector<Bin> bins = histogram(summary);
  uint32_t most = 1;
  for (const Bin& bin : bins) most = std::max(most, bin.sms);
  Table table({{"from", Align::kRight}, {"to", Align::kRight}, {"SMs", Align::kRight}, {""}});
  for (const Bin& bin : bins) {
    table.add(
        {human_bytes(bin.begin), human_bytes(bin.end), grouped(bin.sms), std::string(bin.sms * kBarMax / most, '#')});
  }
  return fmt::format("\nBytes an SM: {} to {}\n{}", human_bytes(summary.sm_bytes_min),
                     human_bytes(summary.sm_bytes_max), table.text());
}

std::string critical_text(const View& view) {
  const std::vector<TaskId>& path = view.summary.prediction.critical;
  Table table(
      {{"", Align::kRight}, {"task", Align::kRight}, {"SM", Align::kRight}, {"level", Align::kRight}, {"label"}});
  for (size_t i = 0; i < path.size(); ++i) {
    if (path.size() > 2 * kCriticalShown && i == kCriticalShown) {
      i = path.size() - kCriticalShown;
      table.add({"...", "", "", "", ""});
    }
    const uint32_t id = path[i].index();
    table.add({std::to_string(i), std::to_string(id), std::to_string(view.sm_of[id]), std::to_string(view.level_of[id]),
               view.program.task(path[i]).label});
  }
  return fmt::format("\nCritical path: {} tasks (predicted)\n{}", path.size(), table.text());
}

std::string listed_text(const View& view, const std::vector<TaskId>& tasks) {
  Table table({{"task", Align::kRight},
               {"level", Align::kRight},
               {"SM", Align::kRight},
               {"instruction"},
               {"weights", Align::kRight},
               {"waits for"},
               {"label"}});
  for (const TaskId id : tasks) {
    const Task& task = view.program.task(id);
    std::string waits;
    for (const schedule::Wait& wait : task.waits) {
      waits += fmt::format("{}c{}>={}", waits.empty() ? "" : " ", wait.counter.index(), wait.threshold);
    }
    table.add({std::to_string(id.index()), std::to_string(view.level_of[id.index()]),
               std::to_string(view.sm_of[id.index()]), abi::info(task.opcode).name,
               human_bytes(schedule::weight_bytes(task, view.program)), waits, task.label});
  }
  return table.text();
}

std::string task_text(const View& view, TaskId id) {
  const Task& task = view.program.task(id);
  Facts facts;
  facts.add("task", fmt::format("{} '{}'", id.index(), task.label));
  facts.add("instruction", fmt::format("{}: {}", abi::info(task.opcode).name, abi::info(task.opcode).doc));
  facts.add("place", fmt::format("SM {}, level {}", view.sm_of[id.index()], view.level_of[id.index()]));
  facts.add("cost", fmt::format("{} of weights, {} flop", human_bytes(schedule::weight_bytes(task, view.program)),
                                grouped(task.flops)));
  for (const schedule::Wait& wait : task.waits) {
    facts.add("waits", fmt::format("counter {} >= {}  {}", wait.counter.index(), wait.threshold,
                                   view.program.counters[wait.counter.index()].note));
  }
  if (task.signal.valid())
    facts.add("signals",
              fmt::format("counter {}  {}", task.signal.index(), view.program.counters[task.signal.index()].note));
  for (const abi::Range& range : task.ranges) {
    const abi::OperandInfo& operand = abi::operand(task.opcode, range.operand);
    const char* span = range.span == abi::Span::kWhole ? "" : abi::kSpanNames[static_cast<size_t>(range.span)];
    facts.add(operand.access == abi::Access::kRead ? "reads" : "writes",
              fmt::format("{} = {} [{}, {}) {}", operand.name, view.program.buffer(task.operands[range.operand]).name,
                          range.begin, range.end, span));
  }
  return facts.text();
}

std::string words(const InspectOptions& options, const View& view, const std::optional<std::vector<TaskId>>& chosen) {
  if (chosen && options.task) return task_text(view, chosen->front());
  if (chosen) return listed_text(view, *chosen);
  return facts_text(view) + instructions_text(view.summary) + levels_text(view.summary) + sms_text(view.summary) +
         critical_text(view);
}

}  // namespace

Result<Exit> inspect(const InspectOptions& options, Output& output) {
  std::vector<std::string> notes;
  Progress progress(output);
  progress.step("reading the program");
  AMK_ASSIGN_OR_RETURN(Program program, read_program(options.source, options.schedule, notes));
  progress.step("validating");
  const validator::Validation validation = validator::validate(std::move(program));
  if (!validation.validated) {
    progress.stop();
    return report_refusal(eval::verdict_of(validation), output);
  }
  const Program& accepted = validation.validated->program();
  if (options.position >= accepted.meta.context)
    return out_of_range("--position", accepted.meta.context, options.position);
  AMK_ASSIGN_OR_RETURN(const abi::TargetInfo* target, schedule::find_target(accepted.target));
  progress.step("playing it out");
  const View view = view_of(accepted, *target, options.position);
  AMK_ASSIGN_OR_RETURN(const std::optional<std::vector<TaskId>> chosen, chosen_tasks(options, view));
  progress.stop();
  for (const std::string& note : notes) output.note(note);
  if (output.json()) output.document(document(view, chosen, notes));
  output.text(words(options, view, chosen));
  return Exit::kDone;
}

}  // namespace amk::cli
