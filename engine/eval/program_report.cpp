#include "eval/program_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"
#include "schedule/schedule_config_json.h"
#include "schedule/task_cost.h"

namespace amk::eval {
namespace {

using schedule::Program;
using schedule::Task;

std::vector<InstructionCount> count_instructions(const Program& program) {
  std::map<std::string, InstructionCount> by_name;
  for (const Task& task : program.tasks) {
    InstructionCount& count = by_name[abi::info(task.opcode).name];
    count.name = abi::info(task.opcode).name;
    ++count.tasks;
    count.weight_bytes += schedule::weight_bytes(task, program);
    count.flops += task.flops;
  }
  std::vector<InstructionCount> out;
  for (auto& [name, count] : by_name) out.push_back(std::move(count));
  std::stable_sort(out.begin(), out.end(),
                   [](const auto& a, const auto& b) { return a.weight_bytes > b.weight_bytes; });
  return out;
}

std::vector<Level> collect_levels(const Program& program) {
  const std::vector<uint32_t> level_of = task_levels(program);
  std::vector<Level> levels;
  std::vector<std::set<uint32_t>> sms;
  for (uint32_t sm = 0; sm < program.placement.queues.size(); ++sm) {
    for (const TaskId task : program.placement.queues[sm]) {
      const uint32_t at = level_of[task.index()];
      if (levels.size() <= at) {
        levels.resize(at + 1);
        sms.resize(at + 1);
      }
      Level& level = levels[at];
      ++level.tasks;
      level.weight_bytes += schedule::weight_bytes(program.task(task), program);
      if (level.example.empty()) level.example = program.task(task).label;
      sms[at].insert(sm);
    }
  }
  for (size_t i = 0; i < levels.size(); ++i) levels[i].sms = static_cast<uint32_t>(sms[i].size());
  return levels;
}

std::string correctness_words(const Verdict& verdict) {
  if (!verdict.valid) return "not run: the program was not accepted";
  return fmt::format(
      "{}: largest difference from the oracle {:.3g} (tolerance {:.3g}) over {} positions, best token equal at {:.1f}%",
      verdict.correct ? "yes" : "NO", verdict.max_abs_err, verdict.tolerance, verdict.compared_positions,
      100 * verdict.top1_agreement);
}

std::string latency_words(const Verdict& verdict) {
  if (!verdict.latency_us) return "none: there is no latency without correctness";
  return fmt::format(
      "{:.1f} us, {} (floor {:.1f} us, {:.1f}% of it reached)", *verdict.latency_us,
      verdict.latency_kind == LatencyKind::kMeasuredGpu ? "measured on the GPU" : "predicted, not measured",
      verdict.floor_us, verdict.pct_of_floor().value_or(0));
}

}  // namespace

// Producers are numbered before their readers in every program that lowering makes; in another accepted program a few
// rounds settle it.
std::vector<uint32_t> task_levels(const Program& program) {
  std::vector<uint32_t> level(program.tasks.size(), 0);
  std::vector<uint32_t> reached(program.counters.size(), 0);  // 1 + the highest level among a counter's producers
  for (bool changed = true; changed;) {
    changed = false;
    for (uint32_t id = 0; id < program.tasks.size(); ++id) {
      const Task& task = program.tasks[id];
      uint32_t now = level[id];
      for (const schedule::Wait& wait : task.waits) now = std::max(now, reached[wait.counter.index()]);
      changed = changed || now != level[id];
      level[id] = now;
      uint32_t& signal = reached[task.signal.index()];
      changed = changed || signal < now + 1;
      signal = std::max(signal, now + 1);
    }
  }
  return level;
}

ProgramSummary summarize(const Program& program, const abi::TargetInfo& target, uint32_t position) {
  ProgramSummary out;
  out.instructions = count_instructions(program);
  out.levels = collect_levels(program);
  out.prediction = schedule::predict(program, target, position);
  out.counters = program.counters.size();
  out.buffers = program.buffers.size();
  out.scratch_bytes = program.scratch_bytes;
  for (const Task& task : program.tasks) out.waits += task.waits.size();
  for (const schedule::Buffer& buffer : program.buffers) {
    if (buffer.kind == abi::BufferKind::kKvCache) out.kv_bytes += abi::size_bytes(buffer.shape);
  }
  const std::vector<uint64_t>& bytes = out.prediction.bytes_of_sm;
  if (!bytes.empty()) {
    out.sm_bytes_min = *std::min_element(bytes.begin(), bytes.end());
    out.sm_bytes_max = *std::max_element(bytes.begin(), bytes.end());
  }
  return out;
}

std::string report_markdown(const Verdict& verdict, const Program& program, const ProgramSummary& summary) {
  std::string out = fmt::format("# {} on {}\n\n", verdict.model, verdict.gpu);
  out += "| | |\n|---|---|\n";
  out += fmt::format("| schedule | `{}` |\n", verdict.schedule_id);
  out += fmt::format("| validator | {} |\n", validator::outcome_name(verdict.outcome));
  out += fmt::format("| correct | {} |\n", correctness_words(verdict));
  out += fmt::format("| latency of a token | {} |\n", latency_words(verdict));
  out += fmt::format("| weights read a token | {} |\n", human_bytes(summary.prediction.weight_bytes));
  out +=
      fmt::format("| tasks, counters, waits | {}, {}, {} |\n", program.tasks.size(), summary.counters, summary.waits);
  out += fmt::format("| levels | {} |\n", summary.levels.size());
  out += fmt::format("| context, KV cache, scratch | {} positions, {}, {} |\n", program.meta.context,
                     human_bytes(summary.kv_bytes), human_bytes(summary.scratch_bytes));
  out +=
      fmt::format("| bytes an SM | {} to {} |\n", human_bytes(summary.sm_bytes_min), human_bytes(summary.sm_bytes_max));
  out +=
      fmt::format("| critical path | {} tasks: {:.1f} us waiting, {:.1f} us streaming (predicted); bottleneck: {} |\n",
                  summary.prediction.critical.size(), summary.prediction.wait_us, summary.prediction.stream_us,
                  summary.prediction.bottleneck());
  for (const std::string& note : verdict.notes) out += fmt::format("\n{}.\n", note);
  out += "\n## Tasks by instruction\n\n| instruction | tasks | weights | Mflop |\n|---|---:|---:|---:|\n";
  for (const InstructionCount& count : summary.instructions) {
    out += fmt::format("| {} | {} | {} | {:.2f} |\n", count.name, count.tasks, human_bytes(count.weight_bytes),
                       static_cast<double>(count.flops) / 1e6);
  }
  out += fmt::format("\n## Schedule\n\n```json\n{}\n```\n", schedule::config_to_json(program.config));
  return out;
}

}  // namespace amk::eval
