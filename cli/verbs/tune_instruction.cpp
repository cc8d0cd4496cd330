// amk tune-instruction: one instruction's build knobs, varied alone on this machine's GPU.

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "abi/dtype.h"
#include "base/files.h"
#include "cli/job.h"
#include "cli/progress.h"
#include "cli/table.h"
#include "cli/verbs/verbs.h"
#include "eval/gpu_machine.h"
#include "schedule/schedule_config_json.h"
#include "search/tune_json.h"

namespace amk::cli {
namespace {

using search::Instruction;
using search::TuneTrial;

// ---- --list ---------------------------------------------------------------------------------------------------------

std::vector<std::string> opcode_names(const Instruction& of) {
  std::vector<std::string> out;
  for (const abi::OpcodeInfo& row : abi::kOpcodes) {
    if (((of.opcodes >> static_cast<uint32_t>(row.opcode)) & 1U) != 0) out.emplace_back(row.name);
  }
  return out;
}

void list(Output& output) {
  Json document = Json::array();
  std::string text;
  for (const Instruction& instruction : search::tunable_instructions()) {
    Json knobs = Json::array();
    text += fmt::format("{}: {}\n", instruction.folder, fmt::join(opcode_names(instruction), ", "));
    for (const abi::BuildKnobInfo* knob : instruction.knobs) {
      knobs.push_back({{"knob", knob->path},
                       {"default", knob->default_value},
                       {"min", knob->min},
                       {"max", knob->max},
                       {"step", knob->step},
                       {"unit", knob->unit},
                       {"meaning", knob->doc}});
      text += fmt::format("  {} = {} ({}..{}{} {})\n    {}\n", knob->path, knob->default_value, knob->min, knob->max,
                          knob->step == 1 ? "" : fmt::format(" by {}", knob->step), knob->unit, knob->doc);
    }
    document.push_back(
        {{"folder", instruction.folder}, {"instructions", opcode_names(instruction)}, {"knobs", std::move(knobs)}});
  }
  if (output.json()) output.document({{"tunable", std::move(document)}});
  output.text(text);
}

// ---- a run ----------------------------------------------------------------------------------------------------------

/// This machine's GPU that the program is for: nothing else can be asked how long an instruction takes.
Result<Runner> gpu_of(const TuneOptions& options, const Job& job) {
  if (options.schedule.gpu == "none") {
    return Error{ErrorCode::kUnsupported, "expected a GPU to tune on, found --gpu none", "--gpu",
                 "an instruction's knobs are measured, never predicted; amk loop works without a GPU"};
  }
  RunOptions run = options.run;
  run.device = "cuda";
  Result<Runner> runner = choose_runner(run, options.schedule, job.target->name, job.probe);
  if (runner) return runner;
  Error error = runner.error();
  error.hint = "an instruction's knobs are measured, never predicted; amk doctor says what this machine has";
  return error;
}

bool attends(const Instruction& instruction) { return instruction.folder == "attention"; }

Result<uint32_t> position_of(const TuneOptions& options, const Job& job, const Instruction& instruction) {
  const uint32_t position = options.position.value_or(attends(instruction) ? job.context - 1 : 0);
  if (position < job.context) return position;
  return Error{ErrorCode::kUsage,
               fmt::format("expected a position below {}, the context, found {}", job.context, position), "--position",
               ""};
}

Result<search::TuneOptions> tune_options(const TuneOptions& options, const Job& job, const Runner& runner,
                                         uint32_t position, Progress& progress) {
  search::TuneOptions out;
  out.checkpoint = &job.checkpoint;
  out.target = job.target;
  out.context = job.context;
  out.kv_dtype = job.kv_dtype;
  out.position = position;
  out.compared_positions = options.compared_positions;
  out.seed = options.seed;
  out.rules.min_gain = options.min_gain_pct / 100;
  out.trials = options.trials;
  out.minutes = options.minutes;
  out.progress = [&progress](std::string_view step, uint32_t done, uint32_t of) { progress.step(step, done, of); };
  out.whole_machine = runner.machine;
  out.part_machine = [&runner, &job](const validator::ValidatedProgram& part,
                                     const validator::ValidatedProgram& whole) {
    eval::GpuOptions loading;
    loading.ordinal = runner.ordinal;
    loading.beside_others = true;
    loading.whole = whole;
    return eval::load_gpu_machine(runner.worker, part, job.checkpoint, loading);
  };
  AMK_ASSIGN_OR_RETURN(out.bandwidth, eval::measure_bandwidth(*runner.worker, runner.ordinal));
  return out;
}

std::string trial_line(const TuneTrial& trial) {
  const std::string times = trial.measurement ? fmt::format("{:.2f} us", trial.measurement->latency_us) : "no time";
  return fmt::format("trial {:>3}  {:<9}  {}={}: {} ({}, {} registers, {} bytes spilled)\n", trial.number,
                     search::kOutcomeNames[static_cast<size_t>(trial.outcome)], trial.knob, trial.value, trial.reason,
                     times, trial.build.registers, trial.build.local_bytes);
}

std::string summary(const Instruction& instruction, const search::TuneResult& result) {
  Facts facts;
  facts.add("instruction", fmt::format("{}: {} tasks in {} levels, and {} that make what they read", instruction.name,
                                       result.kept_tasks, result.levels, result.other_tasks));
  facts.add("start", fmt::format("{:.2f} us alone, measured at position {}", result.start_trial.measurement->latency_us,
                                 result.start_trial.measurement->position));
  facts.add("ended by", fmt::format("{}, after {} trials", result.ended_by, result.trials.size()));
  if (result.winner == result.start) {
    facts.add("winner", "none: no value is faster");
    return "\n" + facts.text();
  }
  facts.add("winner", fmt::format("{:.2f}% {} alone, and the whole megakernel is the oracle's on {}",
                                  100 * std::abs(1 - result.gain), result.gain <= 1 ? "faster" : "slower",
                                  result.verdict.device));
  facts.add("schedule", search::knobs_fragment(instruction, result.winner).dump());
  return "\n" + facts.text();
}

}  // namespace

Result<Exit> tune_instruction(const TuneOptions& options, Output& output) {
  if (options.list) {
    list(output);
    return Exit::kDone;
  }
  AMK_ASSIGN_OR_RETURN(const Instruction instruction, search::find_instruction(options.instruction));
  AMK_ASSIGN_OR_RETURN(const Job job, prepare(options.model, options.schedule));
  AMK_ASSIGN_OR_RETURN(const uint32_t position, position_of(options, job, instruction));
  AMK_ASSIGN_OR_RETURN(const Runner runner, gpu_of(options, job));
  std::vector<std::string> notes = job.notes;
  AMK_ASSIGN_OR_RETURN(const search::Workspace workspace,
                       search::Workspace::open(search::workspace_directory(options.workspace), notes));
  AMK_TRY(search::check_tuned_file(workspace, job.target->name));
  ThreadPool pool(options.run.threads);
  Progress progress(output);
  AMK_ASSIGN_OR_RETURN(const search::TuneOptions tuning, tune_options(options, job, runner, position, progress));
  search::TunedAbout about{job.checkpoint.name(),
                           job.target->name,
                           "",
                           options.schedule.weights.empty() ? "stored" : options.schedule.weights,
                           abi::dtype_name(job.kv_dtype),
                           job.context,
                           position};
  const auto remember = [&](const search::TuneResult& so_far) -> Status {
    progress.stop();
    about.device = so_far.start_trial.correctness.device;
    AMK_TRY(search::append_tune_trial(workspace, about, instruction, so_far.trials.back()));
    static_cast<void>(output.stream(trial_line(so_far.trials.back())));
    return {};
  };
  AMK_ASSIGN_OR_RETURN(const search::TuneResult result, search::tune(tuning, instruction, job.config, pool, remember));
  progress.stop();
  about.device = result.start_trial.correctness.device;
  AMK_TRY(search::write_winner(workspace, about, instruction, result));
  if (!options.write_file.empty() && !(result.winner == result.start))
    AMK_TRY(write_file_atomic(options.write_file, schedule::config_to_json(result.winner) + "\n"));
  if (output.json()) {
    Json document = to_json(about, instruction, result);
    document["notes"] = notes;
    output.document(document);
  }
  output.text(summary(instruction, result));
  for (const std::string& note : notes) output.note(note);
  return Exit::kDone;
}

}  // namespace amk::cli
