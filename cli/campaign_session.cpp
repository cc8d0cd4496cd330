#include "cli/campaign_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "abi/dtype.h"
#include "cli/loop_prior.h"
#include "eval/gpu_machine.h"
#include "search/program_facts.h"
#include "search/sampler.h"
#include "search/trial_json.h"
#include "search/tune_json.h"
#include "search/warm_start.h"

namespace amk::cli {
namespace {

using search::Campaign;
using search::Trial;

/// Neighbours that the walk ranks where rounds rank, too.
constexpr uint32_t kDrawOfARound = 2;

std::atomic<bool> interrupted{false};

std::string default_name(const Job& job, eval::LatencyKind kind) {
  std::string out = fmt::format("{}-{}-{}", job.checkpoint.name(), job.target->name,
                                kind == eval::LatencyKind::kPredicted ? "predicted" : "measured");
  const auto legal = [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.'; };
  std::replace_if(
      out.begin(), out.end(), [&](char c) { return !legal(static_cast<unsigned char>(c)); }, '-');
  return out.substr(0, 64);
}

Status check_options(const LoopOptions& options, const Job& job) {
  if (options.position >= job.context) {
    return Error{ErrorCode::kUsage,
                 fmt::format("expected a position below {}, the context, found {}", job.context, options.position),
                 "--position", ""};
  }
  const auto within = [](double value, double low, double high, const char* name) -> Status {
    if (value >= low && value <= high) return {};
    return Error{ErrorCode::kUsage, fmt::format("expected a number from {} to {}, found {}", low, high, value), name,
                 ""};
  };
  AMK_TRY(within(options.minutes, 0, 1e6, "--minutes"));
  AMK_TRY(within(options.epsilon, 0, 1, "--epsilon"));
  AMK_TRY(within(options.min_gain_pct.value_or(1), 0, 50, "--min-gain"));
  AMK_TRY(within(options.pct_of_floor.value_or(0), 0, 100, "--pct-of-floor"));
  return within(options.speedup, 0, 1e6, "--speedup");
}

/// A campaign that is there must be about the same thing: its latencies are compared with those to come.
Status check_same(const search::CampaignHeader& there, const search::CampaignHeader& wanted) {
  const Json before = Json::parse(to_json(there).dump());
  search::CampaignHeader same = wanted;
  same.prior = there.prior;  // it keeps its own
  const Json now = Json::parse(to_json(same).dump());
  for (const auto& [key, value] : before.items()) {
    if (key == "model" || now[key] == value) continue;  // the model's name counts, not where it lies
    return Error{ErrorCode::kUsage,
                 fmt::format("expected the campaign's {}, {}, found {}", key, value.dump(), now[key].dump()),
                 "--campaign", "give the new one another --campaign"};
  }
  return {};
}

}  // namespace

Result<CampaignSetting> prepare_campaign(const LoopOptions& options) {
  AMK_TRY(check_launch(options.worker_launch, options.run, options.schedule));
  AMK_ASSIGN_OR_RETURN(Job job, prepare(options.model, options.schedule, options.worker_launch));
  AMK_TRY(check_options(options, job));
  if (!options.campaign.empty()) AMK_TRY(search::check_campaign_name(options.campaign));
  AMK_ASSIGN_OR_RETURN(Runner runner, choose_lane_runner(options.run, options.schedule, options.worker_launch, job));
  AMK_ASSIGN_OR_RETURN(std::vector<LaneDevice> more_lanes,
                       more_lane_devices(options.workers, options.worker_launch, job, runner));
  CampaignSetting out{options, std::move(job), std::move(runner), std::move(more_lanes), options.campaign};
  if (out.name.empty()) out.name = default_name(out.job, out.kind());
  return out;
}

Result<Desk> open_desk(const std::string& workspace, std::vector<std::string>& notes) {
  AMK_ASSIGN_OR_RETURN(search::Workspace opened,
                       search::Workspace::open(search::workspace_directory(workspace), notes));
  AMK_ASSIGN_OR_RETURN(search::History history, search::History::open(opened, notes));
  return Desk{std::move(opened), std::move(history)};
}

CampaignSession::CampaignSession(CampaignSetting setting, Desk& desk, const Output& output)
    : setting_(std::move(setting)),
      desk_(desk),
      lanes_(setting_.more_lanes, setting_.options.run.threads),
      progress_(output),
      notes_(setting_.job.notes) {
  notes_.insert(notes_.end(), setting_.runner.notes.begin(), setting_.runner.notes.end());
}

Result<std::unique_ptr<CampaignSession>> CampaignSession::open(CampaignSetting setting, Desk& desk,
                                                               const Output& output) {
  auto out = std::unique_ptr<CampaignSession>(new CampaignSession(std::move(setting), desk, output));
  const LoopOptions& options = out->setting_.options;
  const std::string& name = out->setting_.name;
  AMK_ASSIGN_OR_RETURN(std::optional<Campaign> there, desk.history.read(name));
  if (there && !(options.schedule.schedule_file.empty() && options.schedule.sets.empty())) {
    return Error{ErrorCode::kUsage, "expected no --schedule or --set for a campaign that goes on, found one", name,
                 "give the new one another --campaign"};
  }
  const uint64_t seed = options.seed.value_or(there ? there->header.seed : 1);
  AMK_ASSIGN_OR_RETURN(const search::GateOptions gate_options,
                       out->gate_options(seed, there ? there->header : search::CampaignHeader{}));
  AMK_ASSIGN_OR_RETURN(out->gate_,
                       search::Gate::open(gate_options, there ? there->incumbent.config : out->setting_.job.config,
                                          there ? there->incumbent.trial : 0, out->lanes_.first_pool()));
  if (there) out->note_another_kernel(*there);
  out->progress_.step("learning from the corpus");
  AMK_ASSIGN_OR_RETURN(out->prior_, prior_for(options, desk.workspace, there ? &there->header : nullptr,
                                              out->gate_->kind(), out->setting_.job.target->name, out->notes_));
  AMK_TRY(out->begin_or_resume(std::move(there), out->header(gate_options)));
  AMK_ASSIGN_OR_RETURN(out->proposer_, out->make_proposer());
  out->more_gates_ = out->lanes_.beside(*out->gate_);
  out->progress_.stop();
  return out;
}

void CampaignSession::note_another_kernel(const Campaign& there) {
  const uint32_t of = there.incumbent.trial;
  if (of == 0) return;  // the start's was never written down
  const std::string& kept = there.trials[of - 1].kernel_hash;
  if (kept.empty() || kept == gate_->kernel_of(there.incumbent.config)) return;
  notes_.push_back(
      fmt::format("the incumbent's kernel is not the one that trial {} was kept with: AMK has changed since, and "
                  "the ratios before and after are of different kernels",
                  of));
}

Result<search::GateOptions> CampaignSession::gate_options(uint64_t seed, const search::CampaignHeader& there) {
  const LoopOptions& options = setting_.options;
  const Runner& runner = setting_.runner;
  search::GateOptions out;
  out.checkpoint = &setting_.job.checkpoint;
  out.target = setting_.job.target;
  out.context = setting_.job.context;
  out.kv_dtype = setting_.job.kv_dtype;
  out.position = options.position;
  out.compared_positions = options.compared_positions.value_or(there.compared_positions);
  out.seed = seed;
  out.rules.min_gain = options.min_gain_pct ? *options.min_gain_pct / 100 : there.min_gain;
  out.progress = [this](std::string_view step, uint32_t done, uint32_t of) { progress_.step(step, done, of); };
  if (!runner.worker) return out;
  out.machine = lane_machines({runner.worker, runner.ordinal});
  out.device_bytes = device_bytes(setting_.job, runner.ordinal);
  AMK_ASSIGN_OR_RETURN(out.bandwidth, eval::measure_bandwidth(*runner.worker, runner.ordinal));
  return out;
}

search::CampaignHeader CampaignSession::header(const search::GateOptions& gate) const {
  const LoopOptions& options = setting_.options;
  const Job& job = setting_.job;
  return {options.model,
          job.checkpoint.name(),
          job.target->name,
          gate_->device(),
          options.schedule.weights.empty() ? "stored" : options.schedule.weights,
          abi::dtype_name(job.kv_dtype),
          job.context,
          options.position,
          gate_->kind(),
          gate.seed,
          search::shape_of(job.checkpoint.config()),
          prior_ ? prior_->id() : "",
          gate.rules.min_gain,
          gate.compared_positions};
}

std::unique_ptr<search::Proposer> CampaignSession::make_search() {
  const LoopOptions& options = setting_.options;
  const search::Gate& gate = *gate_;
  const auto outlook = [&gate](const schedule::ScheduleConfig& config) { return gate.outlook(config); };
  if (options.sample) {
    return search::make_sampler({}, [outlook](const schedule::ScheduleConfig& config) -> std::optional<double> {
      const auto facts = outlook(config);
      return facts ? std::optional(facts->predicted_us) : std::nullopt;
    });
  }
  search::WalkOptions walk;
  walk.epsilon = options.epsilon;
  // A round ranks by prediction what is drawn: one of few is then enough.
  if (options.halving > 1) walk.draw = kDrawOfARound;
  if (!prior_)
    return search::make_walk(walk, [&gate](const schedule::ScheduleConfig& config) { return gate.rank(config); });
  return search::make_warm_start({}, *prior_, outlook,
                                 search::make_walk(walk, search::rank_by(*prior_, outlook, campaign_->header)),
                                 setting_.options.run.threads);
}

Result<std::unique_ptr<search::Proposer>> CampaignSession::make_proposer() {
  const LoopOptions& options = setting_.options;
  // What is only recorded, or asked of somebody else, is theirs from the first trial on.
  if (!options.proposer.empty())
    return search::make_external_proposer({options.proposer, std::chrono::seconds(options.proposer_seconds)});
  std::unique_ptr<search::Proposer> search = make_search();
  if (options.sample) return search;
  search::TunedAbout about;
  about.model_name = campaign_->header.model_name;
  about.target = campaign_->header.target;
  about.weights = campaign_->header.weights;
  about.kv_dtype = campaign_->header.kv_dtype;
  AMK_ASSIGN_OR_RETURN(std::vector<search::Tuned> tuned,
                       search::read_tuned(search::workspace_directory(options.workspace), about));
  return search::propose_tuned_first(std::move(tuned), std::move(search));
}

Status CampaignSession::begin_or_resume(std::optional<Campaign> there, const search::CampaignHeader& wanted) {
  if (!there) {
    AMK_ASSIGN_OR_RETURN(campaign_, desk_.history.begin(setting_.name, wanted, gate_->incumbent()));
    return {};
  }
  AMK_TRY(check_same(there->header, wanted));
  AMK_TRY(search::mend_corpus(desk_.workspace, *there));
  notes_.push_back(fmt::format("campaign {} goes on after trial {}", setting_.name, there->trials.size()));
  campaign_ = std::move(*there);
  return {};
}

Result<search::LoopEnd> CampaignSession::run(const search::MoveOnRules& rules, const std::atomic<bool>& stop,
                                             const std::function<void(const Trial& trial)>& on_trial) {
  return run(*proposer_, rules, stop, on_trial);
}

Result<search::LoopEnd> CampaignSession::run(search::Proposer& proposer, const search::MoveOnRules& rules,
                                             const std::atomic<bool>& stop,
                                             const std::function<void(const Trial& trial)>& on_trial) {
  return search::run_loop({desk_.workspace, desk_.history, *campaign_, *gate_, proposer, rules, &stop, on_trial,
                           more_gates_, search::HalvingOptions{setting_.options.halving}});
}

std::string trial_line(const Trial& trial) {
  const std::string latency = trial.measurement ? fmt::format("{:.2f} us {}", trial.measurement->latency_us,
                                                              search::latency_kind_text(trial.measurement->kind))
                                                : "no latency";
  return fmt::format("trial {:>4}  {:<9}  {}: {} ({})\n", trial.number,
                     search::kOutcomeNames[static_cast<size_t>(trial.outcome)], trial.proposal.change, trial.reason,
                     latency);
}

StopOnInterrupt::StopOnInterrupt() {
  interrupted = false;
  before_ = std::signal(SIGINT, [](int) {
    interrupted = true;
    std::signal(SIGINT, SIG_DFL);
  });
}

StopOnInterrupt::~StopOnInterrupt() { std::signal(SIGINT, before_); }

const std::atomic<bool>& StopOnInterrupt::asked() { return interrupted; }

}  // namespace amk::cli
