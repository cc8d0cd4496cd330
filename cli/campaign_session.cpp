#include "cli/campaign_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "abi/dtype.h"
#include "eval/gpu_machine.h"
#include "search/trial_json.h"

namespace amk::cli {
namespace {

using search::Campaign;
using search::Trial;

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
  AMK_TRY(within(options.min_gain_pct, 0, 50, "--min-gain"));
  AMK_TRY(within(options.pct_of_floor, 0, 100, "--pct-of-floor"));
  return within(options.speedup, 0, 1e6, "--speedup");
}

/// A campaign that is there must be about the same thing: its latencies are compared with those to come.
Status check_same(const search::CampaignHeader& there, const search::CampaignHeader& wanted) {
  const Json before = Json::parse(to_json(there).dump());
  const Json now = Json::parse(to_json(wanted).dump());
  for (const auto& [key, value] : before.items()) {
    if (key == "model" || now[key] == value) continue;  // the model's name counts, not where it lies
    return Error{ErrorCode::kUsage,
                 fmt::format("expected the campaign's {}, {}, found {}", key, value.dump(), now[key].dump()),
                 "--campaign", "give the new one another --campaign"};
  }
  return {};
}

std::unique_ptr<search::Proposer> proposer_of(const LoopOptions& options, const search::Gate& gate) {
  if (!options.proposer.empty())
    return search::make_command_proposer({options.proposer, std::chrono::seconds(options.proposer_seconds)});
  search::WalkOptions walk;
  walk.epsilon = options.epsilon;
  return search::make_walk(walk, [&gate](const schedule::ScheduleConfig& config) { return gate.rank(config); });
}

}  // namespace

Result<CampaignSetting> prepare_campaign(const LoopOptions& options) {
  AMK_ASSIGN_OR_RETURN(Job job, prepare(options.model, options.schedule));
  AMK_TRY(check_options(options, job));
  if (!options.campaign.empty()) AMK_TRY(search::check_campaign_name(options.campaign));
  AMK_ASSIGN_OR_RETURN(Runner runner, choose_runner(options.run, options.schedule, job.target->name, job.probe));
  CampaignSetting out{options, std::move(job), std::move(runner), options.campaign};
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
      pool_(setting_.options.run.threads),
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
  AMK_ASSIGN_OR_RETURN(const search::GateOptions gate_options, out->gate_options(seed));
  AMK_ASSIGN_OR_RETURN(out->gate_,
                       search::Gate::open(gate_options, there ? there->incumbent.config : out->setting_.job.config,
                                          there ? there->incumbent.trial : 0, out->pool_));
  AMK_TRY(out->begin_or_resume(std::move(there), seed));
  out->proposer_ = proposer_of(options, *out->gate_);
  out->progress_.stop();
  return out;
}

Result<search::GateOptions> CampaignSession::gate_options(uint64_t seed) {
  const LoopOptions& options = setting_.options;
  const Runner& runner = setting_.runner;
  search::GateOptions out;
  out.checkpoint = &setting_.job.checkpoint;
  out.target = setting_.job.target;
  out.context = setting_.job.context;
  out.kv_dtype = setting_.job.kv_dtype;
  out.position = options.position;
  out.compared_positions = options.compared_positions;
  out.seed = seed;
  out.rules.min_gain = options.min_gain_pct / 100;
  out.progress = [this](std::string_view step, uint32_t done, uint32_t of) { progress_.step(step, done, of); };
  if (!runner.worker) return out;
  eval::GpuOptions loading;
  loading.ordinal = runner.ordinal;
  loading.beside_others = true;
  out.machine = eval::gpu_machines(runner.worker, loading);
  AMK_ASSIGN_OR_RETURN(out.bandwidth, eval::measure_bandwidth(*runner.worker, runner.ordinal));
  return out;
}

search::CampaignHeader CampaignSession::header(uint64_t seed) const {
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
          seed};
}

Status CampaignSession::begin_or_resume(std::optional<Campaign> there, uint64_t seed) {
  if (!there) {
    AMK_ASSIGN_OR_RETURN(campaign_, desk_.history.begin(setting_.name, header(seed), gate_->incumbent()));
    return {};
  }
  AMK_TRY(check_same(there->header, header(seed)));
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
  return search::run_loop({desk_.workspace, desk_.history, *campaign_, *gate_, proposer, rules, &stop, on_trial});
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
