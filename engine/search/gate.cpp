#include "search/gate.h"

#include <fmt/format.h>

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

}  // namespace

struct Gate::Impl {
  GateOptions options;
  ThreadPool* pool = nullptr;
  schedule::ModelGraph graph;
  Incumbent incumbent;
  std::string device = "cpu";
  std::shared_ptr<eval::OracleMemory> oracle_memory = std::make_shared<eval::OracleMemory>();
  std::shared_ptr<eval::Machine> machine;  ///< the incumbent's; none on the CPU, and after one that broke

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

  // ---- with predictions ---------------------------------------------------------------------------------------------

  /// Exact, and cheap: what would not be kept is not run.
  void judge_by_prediction(Trial& trial) const {
    const schedule::ScheduleConfig& config = trial.proposal.config;
    const std::optional<schedule::Prediction> quick = prediction(config);
    if (quick && !keeps(choose_exact(quick->latency_us / incumbent.latency_us, options.rules, simpler(config)))) {
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
    const double ratio = found.latency_us / incumbent.latency_us;
    of.ratio = {ratio, ratio, ratio};
    of.position = options.position;
    decide(choose_exact(ratio, options.rules, simpler(trial.proposal.config)), of, trial);
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

  /// Loads the incumbent where it is not: at the beginning, and after a worker that ended. It is verified anew.
  Status ensure_incumbent() {
    if (machine) return {};
    Result<eval::Evaluation> evaluation = evaluate(incumbent.config);
    Trial trial;
    if (!verified(evaluation, trial)) {
      return Error{evaluation.ok() ? ErrorCode::kInternal : evaluation.error().code,
                   "expected an incumbent that runs: " + trial.reason, device,
                   "the history is as it was before this trial; amk loop goes on from it"};
    }
    machine = evaluation->machine;
    return {};
  }

  /// Looks until it is decided; an error is the machine's.
  Status measure(eval::Machine& candidate, double floor, Trial& trial) {
    const KeepRules& rules = options.rules;
    eval::PairTimes all;
    std::vector<double> ratios;
    for (uint32_t look = 0; look < rules.looks; ++look) {
      const auto have = static_cast<uint32_t>(ratios.size());
      const uint32_t more = rules.blocks_at(look) - have;
      if (options.progress) options.progress("measuring against the incumbent", have, rules.blocks_max());
      AMK_ASSIGN_OR_RETURN(const eval::PairTimes times, candidate.time_against(*machine, {options.position, more}));
      for (size_t i = 0; i + 1 < times.ours.size(); i += 2)
        ratios.push_back((times.ours[i] + times.ours[i + 1]) / (times.theirs[i] + times.theirs[i + 1]));
      all.ours.insert(all.ours.end(), times.ours.begin(), times.ours.end());
      all.theirs.insert(all.theirs.end(), times.theirs.begin(), times.theirs.end());
      Measurement of;
      of.kind = LatencyKind::kMeasuredGpu;
      of.latency_us = eval::quantile(all.ours, 0.5);
      of.incumbent_us = eval::quantile(all.theirs, 0.5);
      of.floor_us = floor;
      of.ratio = look_at(ratios, rules);
      of.blocks = static_cast<uint32_t>(ratios.size());
      of.position = options.position;
      if (is_artefact(of.latency_us, floor, of.kind, trial)) return {};
      const auto choice = choose(of.ratio, rules, simpler(trial.proposal.config), look + 1 == rules.looks);
      if (choice) return decide(*choice, of, trial), Status();
    }
    return {};
  }

  Status judge_by_measurement(Trial& trial) {
    AMK_TRY(ensure_incumbent());
    const Result<eval::Evaluation> evaluation = evaluate(trial.proposal.config);
    if (verified(evaluation, trial)) {
      const schedule::Program& program = evaluation->program->program();
      trial.kernel_hash = kernel_hash(program, *options.target);
      const schedule::Prediction predicted = predict(program);
      trial.facts = facts_of(program, predicted);
      const Status measured = measure(*evaluation->machine, floor_us(predicted), trial);
      if (!measured) {
        trial.outcome = Outcome::kBroken;
        trial.reason = "the measurement failed: " + measured.error().text();
      }
    }
    // A worker that ended took the incumbent's machine with it.
    if (trial.outcome == Outcome::kBroken) machine.reset();
    if (trial.outcome == Outcome::kKept) machine = evaluation->machine;
    return {};
  }
};

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
  }
  if (Impl::is_artefact(latency_us, floor, impl->kind(), found)) return refuse(found.reason);
  impl->device = evaluation->verdict.device;
  impl->incumbent = {trial, config, evaluation->verdict.schedule_id, latency_us, floor};
  return Gate(std::move(impl));
}

Result<Trial> Gate::judge(const Proposal& proposal, uint32_t number) {
  const auto begin = std::chrono::steady_clock::now();
  Trial trial;
  trial.number = number;
  trial.proposal = proposal;
  if (proposal.config == impl_->incumbent.config) {
    trial.reason = "it is the incumbent";
  } else if (impl_->measures()) {
    AMK_TRY(impl_->judge_by_measurement(trial));
  } else {
    impl_->judge_by_prediction(trial);
  }
  trial.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (trial.outcome == Outcome::kKept) {
    impl_->incumbent = {number, proposal.config, trial.schedule_id, trial.measurement->latency_us,
                        trial.measurement->floor_us};
  }
  return trial;
}

std::optional<double> Gate::rank(const schedule::ScheduleConfig& config) const {
  const std::optional<schedule::Prediction> found = impl_->prediction(config);
  return found ? std::optional(found->latency_us) : std::nullopt;
}

std::optional<ProgramFacts> Gate::outlook(const schedule::ScheduleConfig& config) const {
  return impl_->outlook(config);
}

}  // namespace amk::search
