#include "search/tune.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cmath>
#include <set>

#include "base/text.h"
#include "eval/evaluate.h"
#include "eval/tolerance.h"
#include "schedule/cost_model.h"
#include "schedule/schedule_config_json.h"
#include "vm/cuda/kernel_build.h"
#include "vm/cuda/kernel_cache.h"

namespace amk::search {
namespace {

using Clock = std::chrono::steady_clock;

bool same_letters(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

uint32_t bit(abi::Opcode opcode) { return 1U << static_cast<uint32_t>(opcode); }

std::vector<const abi::BuildKnobInfo*> knobs_of_folder(std::string_view folder) {
  std::vector<const abi::BuildKnobInfo*> out;
  for (const abi::BuildKnobInfo& knob : abi::kBuildKnobs) {
    if (folder == knob.folder) out.push_back(&knob);
  }
  return out;
}

Instruction of_folder(std::string_view folder) {
  Instruction out{std::string(folder), std::string(folder), 0, knobs_of_folder(folder)};
  for (const abi::OpcodeInfo& row : abi::kOpcodes) {
    if (folder == row.folder) out.opcodes |= bit(row.opcode);
  }
  return out;
}

/// A program and the whole that it is a part of, both accepted.
struct Part {
  std::optional<validator::ValidatedProgram> whole;
  std::optional<validator::ValidatedProgram> program;
  std::vector<BufferId> results;
  uint32_t kept = 0;
  uint32_t levels = 0;
  std::string kernel_hash;
};

/// Values of the results at each position that is compared.
using Results = std::vector<std::vector<std::vector<float>>>;

class Tuner {
 public:
  Tuner(const TuneOptions& options, const Instruction& instruction, const schedule::ScheduleConfig& start,
        ThreadPool& pool, const std::function<Status(const TuneResult&)>& on_trial)
      : options_(options),
        instruction_(instruction),
        pool_(pool),
        on_trial_(on_trial),
        graph_(schedule::build_graph(*options.checkpoint)) {
    out_.start = out_.winner = start;
  }

  Result<TuneResult> run() {
    AMK_TRY(begin());
    bool better = true;
    while (better && out_.ended_by.empty()) {
      AMK_ASSIGN_OR_RETURN(better, round());
    }
    if (out_.ended_by.empty()) out_.ended_by = "exhausted";
    if (!(out_.winner == out_.start)) AMK_TRY(verify_whole());
    return std::move(out_);
  }

 private:
  // ---- programs -----------------------------------------------------------------------------------------------------

  Result<validator::ValidatedProgram> accepted(schedule::Program program) const {
    const validator::Validation validation = validator::validate(std::move(program));
    if (validation.validated) return *validation.validated;
    return Error{
        ErrorCode::kBadInput,
        "expected a program that the validator accepts: " +
            (validation.findings.empty() ? std::string(validator::outcome_name(validation.outcome))
                                         : validator::describe(validation.findings.front(), *validation.program)),
        instruction_.name, ""};
  }

  Result<Part> part_of(const schedule::ScheduleConfig& config) const {
    const schedule::LowerRequest request{&graph_, options_.target, config, options_.context, options_.kv_dtype};
    AMK_ASSIGN_OR_RETURN(schedule::Program whole, schedule::lower(request));
    AMK_ASSIGN_OR_RETURN(schedule::Isolated isolated, schedule::isolate(request, whole, instruction_.opcodes));
    Part out;
    AMK_ASSIGN_OR_RETURN(const vm::cuda::KernelSpec spec, vm::cuda::kernel_spec(whole));
    out.kernel_hash = vm::cuda::kernel_key(vm::cuda::compile_request(spec, options_.target->sm), "any");
    out.results = results_of(isolated);
    out.kept = isolated.kept;
    out.levels = isolated.levels;
    AMK_ASSIGN_OR_RETURN(out.whole, accepted(std::move(whole)));
    AMK_ASSIGN_OR_RETURN(out.program, accepted(std::move(isolated.program)));
    return out;
  }

  /// What is compared: partials that are joined in the same program show in what they are joined to.
  static std::vector<BufferId> results_of(const schedule::Isolated& isolated) {
    std::set<BufferId> read;
    for (const schedule::Task& task : isolated.program.tasks) {
      for (uint32_t i = 0; i < task.operands.size(); ++i) {
        if (abi::operand(task.opcode, i).access == abi::Access::kRead &&
            std::string_view(abi::operand(task.opcode, i).name) == "partials")
          read.insert(task.operands[i]);
      }
    }
    std::vector<BufferId> out = isolated.results;
    std::erase_if(out, [&](BufferId id) { return read.contains(id); });
    return out;
  }

  // ---- correctness --------------------------------------------------------------------------------------------------

  [[nodiscard]] std::vector<uint32_t> compared() const {
    return options_.position == 0 ? std::vector<uint32_t>{0} : std::vector<uint32_t>{0, options_.position};
  }

  Result<Results> results_on(eval::Machine& machine, const std::vector<BufferId>& buffers) const {
    Results out;
    for (const uint32_t position : compared()) {
      AMK_TRY(machine.reset());
      if (position > 0) AMK_TRY(machine.set_history(options_.seed, position));
      AMK_TRY(machine.step(1));
      std::vector<std::vector<float>>& values = out.emplace_back();
      for (const BufferId buffer : buffers) {
        AMK_ASSIGN_OR_RETURN(std::vector<float> found, machine.values(buffer));
        values.push_back(std::move(found));
      }
    }
    return out;
  }

  /// The largest difference as a share of its tolerance, with both of the buffer where that is; a value that is not
  /// finite there and here differs by infinity.
  void compare(const Results& found, const Part& part, Correctness& out) const {
    double worst = -1;
    for (size_t p = 0; p < expected_.size(); ++p) {
      for (size_t b = 0; b < expected_[p].size(); ++b) {
        double largest = 0, difference = 0;
        for (size_t i = 0; i < expected_[p][b].size(); ++i) {
          const double want = expected_[p][b][i], have = found[p][b][i];
          if (want == -HUGE_VAL) continue;  // the maximum of a split without positions, which nobody reads
          largest = std::max(largest, std::abs(want));
          const double apart = std::abs(want - have);
          difference = std::isfinite(apart) ? std::max(difference, apart) : HUGE_VAL;
        }
        const double tolerance = eval::logit_tolerance(graph_.config, largest, options_.kv_dtype,
                                                       eval::input_rounding(part.program->program()));
        if (difference / tolerance <= worst) continue;
        worst = difference / tolerance;
        out.max_abs_err = difference;
        out.tolerance = tolerance;
      }
    }
    out.correct = worst <= 1;
  }

  /// Whether the candidate's results are the reference VM's; an error is the machine's.
  Result<bool> verify(eval::Machine& machine, const Part& part, TuneTrial& trial) const {
    AMK_ASSIGN_OR_RETURN(const Results once, results_on(machine, part.results));
    AMK_ASSIGN_OR_RETURN(const Results again, results_on(machine, part.results));
    Correctness& found = trial.correctness;
    found.established = true;
    found.repeatable = once == again;
    found.device = machine.device();
    found.compared_positions = static_cast<uint32_t>(expected_.size());
    compare(once, part, found);
    if (found.correct && found.repeatable) return true;
    found.correct = found.correct && found.repeatable;
    trial.outcome = Outcome::kIncorrect;
    trial.reason = found.repeatable
                       ? fmt::format("its results are not the reference VM's: error {:.3g}, tolerance {:.3g}",
                                     found.max_abs_err, found.tolerance)
                       : "two runs gave different bits";
    return false;
  }

  // ---- measurement --------------------------------------------------------------------------------------------------

  [[nodiscard]] double floor_us(const Part& part) const {
    const schedule::Prediction of = schedule::predict(part.program->program(), *options_.target, options_.position);
    return static_cast<double>(of.weight_bytes + of.history_bytes) / options_.bandwidth * 1e6;
  }

  /// Looks until it is decided; an error is the machine's.
  Status measure(eval::Machine& machine, double floor, bool simpler, TuneTrial& trial) {
    const KeepRules rules = options_.rules.after_ties(behind_best_);
    eval::PairTimes all;
    std::vector<double> ratios;
    for (uint32_t look = 0; look < rules.looks; ++look) {
      const auto have = static_cast<uint32_t>(ratios.size());
      tell("measuring against the best so far", have, rules.blocks_max());
      AMK_ASSIGN_OR_RETURN(const eval::PairTimes times,
                           machine.time_against(*best_, {options_.position, rules.blocks_at(look) - have}));
      for (size_t i = 0; i + 1 < times.ours.size(); i += 2)
        ratios.push_back((times.ours[i] + times.ours[i + 1]) / (times.theirs[i] + times.theirs[i + 1]));
      all.ours.insert(all.ours.end(), times.ours.begin(), times.ours.end());
      all.theirs.insert(all.theirs.end(), times.theirs.begin(), times.theirs.end());
      const Measurement of = measurement(all, ratios, floor);
      if (of.latency_us < floor) {
        trial.outcome = Outcome::kArtefact;
        trial.reason = fmt::format("withheld: a time under the floor of {:.2f} us, which its bytes take", floor);
        return {};
      }
      const auto choice = choose(of.ratio, rules, simpler, look + 1 == rules.looks);
      if (!choice) continue;
      trial.measurement = of;
      trial.outcome = keeps(*choice) ? Outcome::kKept : Outcome::kReverted;
      trial.reason = gain_text(of.ratio, rules.confidence);
      if (*choice == Choice::kKeepSimpler) trial.reason = "as fast and nearer to the defaults: " + trial.reason;
      return {};
    }
    return {};
  }

  [[nodiscard]] Measurement measurement(const eval::PairTimes& all, const std::vector<double>& ratios,
                                        double floor) const {
    Measurement of;
    of.kind = eval::LatencyKind::kMeasuredGpu;
    of.latency_us = eval::quantile(all.ours, 0.5);
    of.incumbent_us = eval::quantile(all.theirs, 0.5);
    of.floor_us = floor;
    of.ratio = look_at(ratios, options_.rules);
    of.blocks = static_cast<uint32_t>(ratios.size());
    of.position = options_.position;
    return of;
  }

  // ---- the search ---------------------------------------------------------------------------------------------------

  void tell(std::string_view step, uint32_t done, uint32_t of) const {
    if (options_.progress) options_.progress(step, done, of);
  }

  /// The reference VM's results, and the start on the device.
  Status begin() {
    AMK_ASSIGN_OR_RETURN(Part part, part_of(out_.start));
    out_.kept_tasks = part.kept;
    out_.other_tasks = static_cast<uint32_t>(part.program->program().tasks.size()) - part.kept;
    out_.levels = part.levels;
    tell("the reference VM", 0, 1);
    AMK_ASSIGN_OR_RETURN(const std::unique_ptr<eval::Machine> reference,
                         eval::make_cpu_machine(*part.program, *options_.checkpoint, pool_, true));
    AMK_ASSIGN_OR_RETURN(expected_, results_on(*reference, part.results));
    TuneTrial& trial = out_.start_trial;
    AMK_ASSIGN_OR_RETURN(best_, load(part, trial));
    AMK_ASSIGN_OR_RETURN(const bool correct, verify(*best_, part, trial));
    if (!correct) {
      return Error{ErrorCode::kBadInput, "expected an instruction that is correct to start from: " + trial.reason,
                   instruction_.name, "amk eval says more of the schedule"};
    }
    AMK_ASSIGN_OR_RETURN(const eval::PairTimes times,
                         best_->time_against(*best_, {options_.position, options_.rules.first_look}));
    trial.measurement = measurement(times, std::vector<double>(options_.rules.first_look, 1.0), floor_us(part));
    trial.outcome = Outcome::kKept;
    trial.reason = "the start";
    tried_.insert(schedule::config_to_json(out_.start));
    return {};
  }

  Result<std::unique_ptr<eval::Machine>> load(const Part& part, TuneTrial& trial) const {
    tell("building and loading", 0, 1);
    trial.kernel_hash = part.kernel_hash;
    AMK_ASSIGN_OR_RETURN(std::unique_ptr<eval::Machine> machine, options_.part_machine(*part.program, *part.whole));
    trial.build = machine->report();
    return machine;
  }

  /// Every value of every knob, from the best so far; whether one was kept.
  Result<bool> round() {
    bool better = false;
    for (const abi::BuildKnobInfo* knob : instruction_.knobs) {
      for (uint32_t value = knob->min; value <= knob->max; value += knob->step) {
        schedule::ScheduleConfig config = out_.winner;
        if (!schedule::set_knob(config, knob->path, std::to_string(value))) continue;
        if (!tried_.insert(schedule::config_to_json(config)).second) continue;
        if (over()) return false;
        AMK_ASSIGN_OR_RETURN(const bool kept, judge(config, *knob, value));
        better |= kept;
      }
    }
    return better;
  }

  bool over() {
    const double minutes = std::chrono::duration<double, std::ratio<60>>(Clock::now() - begun_).count();
    if (options_.stop != nullptr && *options_.stop) out_.ended_by = "interrupted";
    if (options_.trials != 0 && out_.trials.size() >= options_.trials) out_.ended_by = "trials";
    if (options_.minutes > 0 && minutes >= options_.minutes) out_.ended_by = "minutes";
    if (broken_ >= kBrokenMax) out_.ended_by = "failures";
    return !out_.ended_by.empty();
  }

  /// Whether it was kept; an error is on_trial's.
  Result<bool> judge(const schedule::ScheduleConfig& config, const abi::BuildKnobInfo& knob, uint32_t value) {
    const Clock::time_point begin = Clock::now();
    TuneTrial& trial = out_.trials.emplace_back();
    trial.number = static_cast<uint32_t>(out_.trials.size());
    trial.knob = knob.path;
    trial.value = value;
    std::unique_ptr<eval::Machine> machine;
    const Status run = try_out(config, machine, trial);
    if (!run) trial.reason = run.error().text();
    broken_ = trial.outcome == Outcome::kBroken ? broken_ + 1 : 0;
    // A worker that ended took the best one's machine with it.
    if (trial.outcome == Outcome::kBroken) best_.reset();
    if (trial.outcome == Outcome::kKept) {
      best_ = std::move(machine);
      out_.winner = config;
      out_.gain *= trial.measurement->ratio.value;
      behind_best_ = behind_after(behind_best_, trial.measurement->ratio);
    }
    trial.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    if (on_trial_) AMK_TRY(on_trial_(out_));
    return trial.outcome == Outcome::kKept;
  }

  /// An error is the machine's, unless the trial says that it was refused.
  Status try_out(const schedule::ScheduleConfig& config, std::unique_ptr<eval::Machine>& machine, TuneTrial& trial) {
    trial.outcome = Outcome::kBroken;
    if (!best_) {
      AMK_ASSIGN_OR_RETURN(const Part part, part_of(out_.winner));
      TuneTrial again;
      AMK_ASSIGN_OR_RETURN(best_, load(part, again));
      AMK_ASSIGN_OR_RETURN(const bool correct, verify(*best_, part, again));
      if (!correct)
        return Error{ErrorCode::kInternal, "expected the best so far to be correct: " + again.reason, "", ""};
    }
    trial.outcome = Outcome::kRefused;
    AMK_ASSIGN_OR_RETURN(const Part part, part_of(config));
    Result<std::unique_ptr<eval::Machine>> loaded = load(part, trial);
    const bool machines =
        !loaded && (loaded.error().code == ErrorCode::kInternal || loaded.error().code == ErrorCode::kIo);
    if (loaded || machines) trial.outcome = Outcome::kBroken;
    if (!loaded) return loaded.error();
    machine = std::move(*loaded);
    AMK_ASSIGN_OR_RETURN(const bool correct, verify(*machine, part, trial));
    if (!correct) return {};
    return measure(*machine, floor_us(part), complexity(config) < complexity(out_.winner), trial);
  }

  /// The winner as what it is for: the megakernel, against the oracle.
  Status verify_whole() {
    best_.reset();
    tell("the whole megakernel against the oracle", 0, 1);
    eval::EvaluateRequest request;
    request.checkpoint = options_.checkpoint;
    request.target = options_.target;
    request.config = out_.winner;
    request.context = options_.context;
    request.kv_dtype = options_.kv_dtype;
    request.positions = options_.compared_positions;
    request.seed = options_.seed;
    request.machine = options_.whole_machine;
    request.progress = options_.progress;
    AMK_ASSIGN_OR_RETURN(const eval::Evaluation evaluation, eval::evaluate(request, pool_));
    out_.verdict = evaluation.verdict;
    if (out_.verdict.valid && out_.verdict.correct) return {};
    return Error{ErrorCode::kBadInput,
                 fmt::format("expected the megakernel with the winner's knobs to give the oracle's output, found an "
                             "error of {:.3g}, tolerance {:.3g}",
                             out_.verdict.max_abs_err, out_.verdict.tolerance),
                 instruction_.name, "no winner is written; amk eval says more of it"};
  }

  static constexpr uint32_t kBrokenMax = 3;

  const TuneOptions& options_;
  const Instruction& instruction_;
  ThreadPool& pool_;
  const std::function<Status(const TuneResult&)>& on_trial_;
  schedule::ModelGraph graph_;
  Clock::time_point begun_ = Clock::now();
  TuneResult out_;
  Results expected_;
  std::unique_ptr<eval::Machine> best_;  ///< the winner so far; null after a worker that ended
  std::set<std::string> tried_;
  double behind_best_ = 1;  ///< as Incumbent::behind_best
  uint32_t broken_ = 0;     ///< trials in a row
};

}  // namespace

std::vector<Instruction> tunable_instructions() {
  std::vector<Instruction> out;
  for (const abi::BuildKnobInfo& knob : abi::kBuildKnobs) {
    if (out.empty() || out.back().folder != knob.folder) out.push_back(of_folder(knob.folder));
  }
  return out;
}

Result<Instruction> find_instruction(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Instruction& instruction : tunable_instructions()) {
    if (same_letters(name, instruction.folder)) return instruction;
  }
  for (const abi::OpcodeInfo& row : abi::kOpcodes) {
    const Instruction folder = of_folder(row.folder);
    if (folder.knobs.empty()) {
      if (!same_letters(name, row.name)) continue;
      return Error{ErrorCode::kUsage, fmt::format("expected an instruction with build knobs, {} has none", row.name),
                   "", "amk tune-instruction --list shows them"};
    }
    names.emplace_back(row.name);
    if (!same_letters(name, row.name)) continue;
    const uint32_t both = bit(abi::Opcode::kAttention) | bit(abi::Opcode::kAttentionCombine);
    return Instruction{row.name, row.folder, (bit(row.opcode) & both) != 0 ? both : bit(row.opcode), folder.knobs};
  }
  for (const Instruction& instruction : tunable_instructions()) names.emplace_back(instruction.knobs.front()->folder);
  return Error{ErrorCode::kUsage,
               fmt::format("expected an instruction with build knobs, found '{}'{}", name, did_you_mean(name, names)),
               "", "amk tune-instruction --list shows them"};
}

Result<TuneResult> tune(const TuneOptions& options, const Instruction& instruction,
                        const schedule::ScheduleConfig& start, ThreadPool& pool,
                        const std::function<Status(const TuneResult& so_far)>& on_trial) {
  return Tuner(options, instruction, start, pool, on_trial).run();
}

}  // namespace amk::search
