#include "search/gate.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/assert.h"
#include "schedule/cost_model.h"
#include "search/program_facts.h"
#include "vm/cuda/kernel_build.h"
#include "vm/cuda/kernel_cache.h"

namespace amk::search {
namespace {

using eval::LatencyKind;

/// What of an error of evaluate() is the schedule's.
Outcome outcome_of(ErrorCode code) {
  const bool refused = code == ErrorCode::kUsage || code == ErrorCode::kUnsupported || code == ErrorCode::kBadInput;
  return refused ? Outcome::kRefused : Outcome::kBroken;
}

/// The build of the program's kernel, whatever compiler makes it; empty where there is none.
std::string kernel_hash(const schedule::Program& program, const abi::TargetInfo& target) {
  const Result<vm::cuda::KernelSpec> spec = vm::cuda::kernel_spec(program);
  return spec.ok() ? vm::cuda::kernel_key(vm::cuda::compile_request(*spec, target.sm), "any") : "";
}

std::string incorrect_text(const eval::Verdict& verdict) {
  if (!verdict.repeatable && verdict.max_abs_err <= verdict.tolerance) return "two runs gave different bits";
  return fmt::format("its output is not the oracle's: error {:.3g}, tolerance {:.3g}, {:.1f}% of the tokens",
                     verdict.max_abs_err, verdict.tolerance, 100 * verdict.top1_agreement);
}

std::string reason_of(Choice choice, const Measurement& of, const KeepRules& rules) {
  const std::string gain = of.kind == LatencyKind::kPredicted
                               ? fmt::format("{:.2f}% {}, predicted", 100 * std::abs(1 - of.ratio.value),
                                             of.ratio.value <= 1 ? "faster" : "slower")
                               : gain_text(of.ratio, rules.confidence);
  switch (choice) {
    case Choice::kKeepFaster:
      return gain;
    case Choice::kKeepSimpler:
      return "as fast and simpler: " + gain;
    case Choice::kRevertNotFaster:
      return fmt::format("not {:.2g}% faster: {}", 100 * rules.min_gain, gain);
    case Choice::kRevertUndecided:
      break;
  }
  return fmt::format("undecided after {} blocks, and so reverted: {}", of.blocks, gain);
}

/// Beside the incumbent; more than a round of candidates ever wants.
constexpr uint64_t kRoomMax = 64;

/// Adds the time until its end to `seconds`.
class Stopwatch {
 public:
  explicit Stopwatch(double& seconds) : seconds_(seconds) {}
  ~Stopwatch() { seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count(); }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  double& seconds_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace

struct Gate::Impl {
  GateOptions options;
  ThreadPool* pool = nullptr;
  schedule::ModelGraph graph;
  Incumbent incumbent;
  std::string device = "cpu";
  std::shared_ptr<eval::OracleMemory> oracle_memory = std::make_shared<eval::OracleMemory>();
  std::shared_ptr<eval::Machine> machine;  ///< the incumbent's; none on the CPU, and after one that broke
  uint64_t program_bytes = 0;              ///< of the device's memory that the incumbent takes; 0: not known
  uint64_t worker_epoch = 0;               ///< counts the times that what was loaded has been given up

  [[nodiscard]] bool measures() const { return static_cast<bool>(options.machine); }
  [[nodiscard]] LatencyKind kind() const { return measures() ? LatencyKind::kMeasuredGpu : LatencyKind::kPredicted; }

  [[nodiscard]] Result<eval::Evaluation> evaluate(const schedule::ScheduleConfig& config) const {
    eval::EvaluateRequest request;
    request.checkpoint = options.checkpoint;
    request.target = options.target;
    request.config = config;
    request.context = options.context;
    request.kv_dtype = options.kv_dtype;
    request.positions = options.compared_positions;
    request.seed = options.seed;
    request.machine = options.machine;
    request.progress = options.progress;
    request.oracle_memory = oracle_memory;
    return eval::evaluate(request, *pool);
  }

  [[nodiscard]] schedule::Prediction predict(const schedule::Program& program) const {
    return schedule::predict(program, *options.target, options.position);
  }

  /// By the bandwidth that was measured, or the target's.
  [[nodiscard]] double floor_us(const schedule::Prediction& of) const {
    if (!measures()) return of.floor_us;
    return static_cast<double>(of.weight_bytes + of.history_bytes) / *options.bandwidth * 1e6;
  }

  /// Fills what evaluate() found; false where that ends the trial.
  static bool verified(const Result<eval::Evaluation>& evaluation, Trial& trial) {
    if (!evaluation) {
      trial.outcome = outcome_of(evaluation.error().code);
      trial.reason = evaluation.error().text();
      return false;
    }
    const eval::Verdict& verdict = evaluation->verdict;
    trial.schedule_id = verdict.schedule_id;
    if (!verdict.valid) {
      trial.outcome = Outcome::kRefused;
      trial.reason =
          verdict.finding_texts.empty() ? validator::outcome_name(verdict.outcome) : verdict.finding_texts.front();
      return false;
    }
    trial.correctness = {true,
                         verdict.correct,
                         verdict.repeatable,
                         verdict.max_abs_err,
                         verdict.tolerance,
                         verdict.compared_positions,
                         verdict.device};
    if (verdict.correct) return true;
    trial.outcome = verdict.run_failed ? Outcome::kBroken : Outcome::kIncorrect;
    trial.reason = verdict.run_failed && !verdict.notes.empty() ? verdict.notes.back() : incorrect_text(verdict);
    return false;
  }

  /// Withholds a latency that cannot be.
  static bool is_artefact(double latency_us, double floor, LatencyKind kind, Trial& trial) {
    if (latency_us >= floor) return false;
    trial.outcome = Outcome::kArtefact;
    trial.reason =
        fmt::format("withheld: a latency ({}) under the floor of {:.2f} us, which is the time its bytes take",
                    latency_kind_text(kind), floor);
    return true;
  }

  void decide(Choice choice, const Measurement& measurement, Trial& trial) const {
    trial.measurement = measurement;
    trial.outcome = keeps(choice) ? Outcome::kKept : Outcome::kReverted;
    trial.reason = reason_of(choice, measurement, options.rules);
  }

  [[nodiscard]] bool simpler(const schedule::ScheduleConfig& config) const {
    return complexity(config) < complexity(incumbent.config);
  }

  /// Those of the campaign, and what ties before have left of their margin.
  [[nodiscard]] KeepRules rules() const { return options.rules.after_ties(incumbent.behind_best); }

  // ---- with predictions ---------------------------------------------------------------------------------------------

  /// Exact, and cheap: what would not be kept is not run.
  void judge_by_prediction(Trial& trial) const {
    const schedule::ScheduleConfig& config = trial.proposal.config;
    const std::optional<schedule::Prediction> quick = prediction(config);
    if (quick && !keeps(choose_exact(quick->latency_us / incumbent.latency_us, rules(), simpler(config)))) {
      trial.schedule_id = schedule::schedule_id(lowering(config));
      trial.facts = outlook(config);
      return decide_predicted(*quick, trial);
    }
    const Result<eval::Evaluation> evaluation = evaluate(config);
    if (!verified(evaluation, trial)) return;
    const schedule::Program& program = evaluation->program->program();
    trial.kernel_hash = kernel_hash(program, *options.target);
    trial.facts = facts_of(program, predict(program));
    decide_predicted(predict(program), trial);
  }

  [[nodiscard]] std::optional<ProgramFacts> outlook(const schedule::ScheduleConfig& config) const {
    const Result<schedule::Program> program = schedule::lower(lowering(config));
    return program ? std::optional(facts_of(*program, predict(*program))) : std::nullopt;
  }

  void decide_predicted(const schedule::Prediction& found, Trial& trial) const {
    const double floor = floor_us(found);
    if (is_artefact(found.latency_us, floor, LatencyKind::kPredicted, trial)) return;
    Measurement of;
    of.kind = LatencyKind::kPredicted;
    of.latency_us = found.latency_us;
    of.incumbent_us = incumbent.latency_us;
    of.floor_us = floor;
    of.against = incumbent.trial;
    const double ratio = found.latency_us / incumbent.latency_us;
    of.ratio = {ratio, ratio, ratio};
    of.position = options.position;
    decide(choose_exact(ratio, rules(), simpler(trial.proposal.config)), of, trial);
  }

  [[nodiscard]] schedule::LowerRequest lowering(const schedule::ScheduleConfig& config) const {
    return {&graph, options.target, config, options.context, options.kv_dtype};
  }

  [[nodiscard]] std::optional<schedule::Prediction> prediction(const schedule::ScheduleConfig& config) const {
    Result<schedule::Program> program = schedule::lower(lowering(config));
    if (!program) return std::nullopt;
    const validator::Validation validation = validator::validate(std::move(*program));
    if (!validation.validated) return std::nullopt;
    return predict(validation.validated->program());
  }

  // ---- with measurements --------------------------------------------------------------------------------------------

  /// Loads the incumbent where it is not: at the beginning, after another gate found it, and after a worker that ended.
  /// It is verified anew. False where the worker failed at that, which costs the trial.
  Result<bool> ensure_incumbent(Trial& trial) {
    if (machine) return true;
    Result<eval::Evaluation> evaluation = evaluate(incumbent.config);
    Trial found;
    const bool runs = verified(evaluation, found);
    const std::string on = evaluation.ok() ? evaluation->verdict.device : device;
    if (!runs && found.outcome == Outcome::kBroken) {
      trial.outcome = Outcome::kBroken;
      trial.reason = "the incumbent could not be loaded again: " + found.reason;
      return false;
    }
    if (!runs || on != device) {
      return Error{evaluation.ok() ? ErrorCode::kInternal : evaluation.error().code,
                   "expected an incumbent that runs on a " + device + ": " + (runs ? "this is a " + on : found.reason),
                   device, "the history is as it was before this trial; amk loop goes on from it"};
    }
    machine = evaluation->machine;
    return true;
  }

  /// What is loaded is of no use any more: a worker that ended took it along.
  void give_up_worker() {
    machine.reset();
    ++worker_epoch;
  }

  /// Loads and verifies both the incumbent and the contender, where they are not loaded; false where that ends the
  /// contender's trial.
  Result<bool> ready(Contender& contender) {
    Trial& trial = contender.trial_;
    AMK_ASSIGN_OR_RETURN(const bool runs, ensure_incumbent(trial));
    if (contender.worker_epoch_ != worker_epoch) contender.unload();
    if (runs && (contender.loaded() || load(contender))) return true;
    contender.over_ = true;
    trial.measurement.reset();  // of an earlier rung
    if (trial.outcome == Outcome::kBroken) give_up_worker();
    return false;
  }

  /// By the whole of evaluate(); false where that ends the trial.
  [[nodiscard]] bool load(Contender& contender) const {
    const Result<eval::Evaluation> evaluation = evaluate(contender.trial_.proposal.config);
    if (!verified(evaluation, contender.trial_)) return false;
    const schedule::Program& program = evaluation->program->program();
    const schedule::Prediction predicted = predict(program);
    contender.trial_.kernel_hash = kernel_hash(program, *options.target);
    contender.trial_.facts = facts_of(program, predicted);
    contender.floor_us_ = floor_us(predicted);
    contender.machine_ = evaluation->machine;
    contender.worker_epoch_ = worker_epoch;
    return true;
  }

  /// Times of blocks, and the ratios that follow from them.
  struct Blocks {
    std::vector<double>& ratios;
    std::vector<double>& ours_us;
    std::vector<double>& theirs_us;
  };

  /// Takes `more` blocks; an error is the machine's.
  Status take_blocks(eval::Machine& candidate, uint32_t more, const Blocks& all) const {
    AMK_ASSIGN_OR_RETURN(const eval::PairTimes times, candidate.time_against(*machine, {options.position, more}));
    for (size_t i = 0; i + 1 < times.ours.size(); i += 2)
      all.ratios.push_back((times.ours[i] + times.ours[i + 1]) / (times.theirs[i] + times.theirs[i + 1]));
    all.ours_us.insert(all.ours_us.end(), times.ours.begin(), times.ours.end());
    all.theirs_us.insert(all.theirs_us.end(), times.theirs.begin(), times.theirs.end());
    return {};
  }

  [[nodiscard]] Measurement measurement_of(const Blocks& all, double floor) const {
    Measurement of;
    of.kind = LatencyKind::kMeasuredGpu;
    of.latency_us = eval::quantile(all.ours_us, 0.5);
    of.incumbent_us = eval::quantile(all.theirs_us, 0.5);
    of.floor_us = floor;
    of.ratio = look_at(all.ratios, options.rules);
    of.blocks = static_cast<uint32_t>(all.ratios.size());
    of.position = options.position;
    of.against = incumbent.trial;
    return of;
  }

  /// Looks until it is decided; an error is the machine's.
  Status measure(eval::Machine& candidate, double floor, Trial& trial) const {
    const KeepRules rules = this->rules();
    std::vector<double> ratios;
    std::vector<double> ours_us;
    std::vector<double> theirs_us;
    const Blocks all{ratios, ours_us, theirs_us};
    for (uint32_t look = 0; look < rules.looks; ++look) {
      const auto have = static_cast<uint32_t>(ratios.size());
      if (options.progress) options.progress("measuring against the incumbent", have, rules.blocks_max());
      AMK_TRY(take_blocks(candidate, rules.blocks_at(look) - have, all));
      const Measurement of = measurement_of(all, floor);
      if (is_artefact(of.latency_us, floor, of.kind, trial)) return {};
      const auto choice = choose(of.ratio, rules, simpler(trial.proposal.config), look + 1 == rules.looks);
      if (choice) return decide(*choice, of, trial), Status();
    }
    return {};
  }

  /// The worker failed while it measured.
  void break_off(const Error& error, Contender& contender) {
    contender.trial_.outcome = Outcome::kBroken;
    contender.trial_.reason = "the measurement failed: " + error.text();
    contender.trial_.measurement.reset();
    contender.over_ = true;
    contender.unload();
    give_up_worker();
  }

  /// The whole of a trial that is measured.
  Status judge_by_measurement(Contender& contender) {
    AMK_ASSIGN_OR_RETURN(const bool is_ready, ready(contender));
    if (!is_ready) return {};
    const Status measured = measure(*contender.machine_, contender.floor_us_, contender.trial_);
    if (!measured) break_off(measured.error(), contender);
    if (contender.trial_.outcome == Outcome::kKept) machine = contender.machine_;
    return {};
  }

  Status judge(Contender& contender) {
    const Stopwatch stopwatch(contender.trial_.seconds);
    Trial& trial = contender.trial_;
    trial.measurement.reset();
    if (trial.proposal.config == incumbent.config) {
      trial.reason = "it is the incumbent";
      return {};
    }
    if (measures()) return judge_by_measurement(contender);
    judge_by_prediction(trial);
    return {};
  }
};

Contender::Contender(Proposal proposal) { trial_.proposal = std::move(proposal); }
Contender::Contender(Contender&&) noexcept = default;
Contender& Contender::operator=(Contender&&) noexcept = default;
Contender::~Contender() = default;

std::optional<double> Contender::ratio() const {
  return ratios_.empty() ? std::nullopt : std::optional(eval::quantile(ratios_, 0.5));
}

Trial Contender::give_up(std::string reason) {
  unload();
  over_ = true;
  trial_.outcome = Outcome::kReverted;
  trial_.reason = std::move(reason);
  return trial_;
}

Gate::Gate(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Gate::Gate(Gate&&) noexcept = default;
Gate& Gate::operator=(Gate&&) noexcept = default;
Gate::~Gate() = default;

const Incumbent& Gate::incumbent() const { return impl_->incumbent; }
eval::LatencyKind Gate::kind() const { return impl_->kind(); }
const std::string& Gate::device() const { return impl_->device; }

Result<Gate> Gate::open(const GateOptions& options, const schedule::ScheduleConfig& config, uint32_t trial,
                        ThreadPool& pool) {
  AMK_ASSERT(!options.machine || options.bandwidth, "what measures knows the bandwidth");
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  impl->pool = &pool;
  impl->graph = schedule::build_graph(*options.checkpoint);
  const Result<eval::Evaluation> evaluation = impl->evaluate(config);
  if (!evaluation) return evaluation.error();
  Trial found;
  const auto refuse = [](const std::string& why) {
    return Error{ErrorCode::kBadInput, "expected a schedule to start from that passes the gate: " + why, "--schedule",
                 "amk eval says more of it"};
  };
  if (!Impl::verified(evaluation, found)) return refuse(found.reason);
  const schedule::Prediction predicted = impl->predict(evaluation->program->program());
  const double floor = impl->floor_us(predicted);
  double latency_us = predicted.latency_us;
  if (impl->measures()) {
    // Against itself: in the same way as candidates will be timed.
    eval::Machine& machine = *evaluation->machine;
    AMK_ASSIGN_OR_RETURN(const eval::PairTimes times,
                         machine.time_against(machine, {options.position, options.rules.first_look}));
    latency_us = eval::quantile(times.ours, 0.5);
    impl->machine = evaluation->machine;
    impl->program_bytes = machine.report().device_bytes;
  }
  if (Impl::is_artefact(latency_us, floor, impl->kind(), found)) return refuse(found.reason);
  impl->device = evaluation->verdict.device;
  impl->incumbent = {trial, config, evaluation->verdict.schedule_id, latency_us, floor};
  return Gate(std::move(impl));
}

Gate Gate::beside(const GateOptions& options, ThreadPool& pool) const {
  AMK_ASSERT(static_cast<bool>(options.machine) == impl_->measures(), "gates of one campaign are of one kind");
  auto impl = std::make_unique<Impl>();
  impl->options = impl_->options;
  impl->options.machine = options.machine;
  impl->options.progress = options.progress;
  impl->pool = &pool;
  impl->graph = impl_->graph;
  impl->incumbent = impl_->incumbent;
  impl->device = impl_->device;
  impl->program_bytes = impl_->program_bytes;
  impl->oracle_memory = impl_->oracle_memory;
  return Gate(std::move(impl));
}

void Gate::adopt(const Incumbent& incumbent) {
  if (!(incumbent.config == impl_->incumbent.config)) impl_->machine.reset();
  impl_->incumbent = incumbent;
  if (impl_->measures()) return;
  // What was predicted when it was kept may have been another cost model's.
  if (const std::optional<double> now = rank(incumbent.config)) impl_->incumbent.latency_us = *now;
}

Result<Trial> Gate::judge(const Proposal& proposal, uint32_t number) {
  Contender contender(proposal);
  return decide(contender, number);
}

Status Gate::try_out(Contender& contender, uint32_t blocks) {
  AMK_ASSERT(impl_->measures() && !contender.over_, "a contender that can be timed");
  Trial& trial = contender.trial_;
  const Stopwatch stopwatch(trial.seconds);
  AMK_ASSIGN_OR_RETURN(const bool is_ready, impl_->ready(contender));
  if (!is_ready) return {};
  const Impl::Blocks all{contender.ratios_, contender.ours_us_, contender.theirs_us_};
  const Status taken = impl_->take_blocks(*contender.machine_, blocks, all);
  if (!taken) return impl_->break_off(taken.error(), contender), Status();
  const Measurement of = impl_->measurement_of(all, contender.floor_us_);
  contender.over_ = Impl::is_artefact(of.latency_us, contender.floor_us_, of.kind, trial);
  trial.measurement = contender.over_ ? std::nullopt : std::optional(of);
  return {};
}

Result<Trial> Gate::decide(Contender& contender, uint32_t number) {
  AMK_ASSERT(!contender.over_, "a trial that has not ended");
  AMK_TRY(impl_->judge(contender));
  Trial& trial = contender.trial_;
  trial.number = number;
  contender.over_ = true;
  contender.unload();
  if (trial.outcome == Outcome::kKept) impl_->incumbent = incumbent_after(impl_->incumbent, trial);
  return trial;
}

uint32_t Gate::room() const {
  const uint64_t each = impl_->program_bytes;
  if (each == 0 || impl_->options.device_bytes == 0) return 1;
  // A tenth stays free: contexts, kernels and fragments take some, and no two schedules take the same.
  const uint64_t programs = impl_->options.device_bytes / 10 * 9 / each;
  return static_cast<uint32_t>(std::clamp<uint64_t>(programs, 2, kRoomMax) - 1);
}

std::optional<double> Gate::predict(Contender& contender) const {
  const Stopwatch stopwatch(contender.trial_.seconds);
  const std::optional<double> out = rank(contender.trial_.proposal.config);
  if (out) contender.trial_.schedule_id = schedule::schedule_id(impl_->lowering(contender.trial_.proposal.config));
  return out;
}

std::optional<double> Gate::rank(const schedule::ScheduleConfig& config) const {
  const std::optional<schedule::Prediction> found = impl_->prediction(config);
  return found ? std::optional(found->latency_us) : std::nullopt;
}

std::optional<ProgramFacts> Gate::outlook(const schedule::ScheduleConfig& config) const {
  return impl_->outlook(config);
}

std::string Gate::kernel_of(const schedule::ScheduleConfig& config) const {
  const Result<schedule::Program> program = schedule::lower(impl_->lowering(config));
  return program ? kernel_hash(*program, *impl_->options.target) : "";
}

}  // namespace amk::search
