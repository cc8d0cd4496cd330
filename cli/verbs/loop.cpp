// amk loop: searches for a faster schedule, and keeps what it tried.

#include "search/loop.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <nlohmann/json.hpp>

#include "abi/dtype.h"
#include "cli/job.h"
#include "cli/lanes.h"
#include "cli/loop_prior.h"
#include "cli/progress.h"
#include "cli/ranking_json.h"
#include "cli/trial_progress.h"
#include "cli/verbs/verbs.h"
#include "eval/gpu_machine.h"
#include "schedule/schedule_config_json.h"
#include "search/program_facts.h"
#include "search/search_space.h"
#include "search/trial_json.h"
#include "search/tune_json.h"
#include "search/warm_start.h"

namespace amk::cli {
namespace {

using search::Campaign;
using search::Trial;

constexpr double kOvernightMinutes = 480;
constexpr uint32_t kDefaultTrials = 50;
constexpr uint32_t kDrawOfARound = 2;

std::atomic<bool> interrupted{false};

/// Ctrl-C ends the loop after the trial that is running; a second one ends the program.
class StopOnInterrupt {
 public:
  StopOnInterrupt() {
    interrupted = false;
    before_ = std::signal(SIGINT, [](int) {
      interrupted = true;
      std::signal(SIGINT, SIG_DFL);
    });
  }
  ~StopOnInterrupt() { std::signal(SIGINT, before_); }
  StopOnInterrupt(const StopOnInterrupt&) = delete;
  StopOnInterrupt& operator=(const StopOnInterrupt&) = delete;

 private:
  void (*before_)(int) = SIG_DFL;
};

search::MoveOnRules rules_of(const LoopOptions& options) {
  search::MoveOnRules out;
  out.minutes = options.overnight ? kOvernightMinutes : options.minutes;
  out.trials = options.trials.value_or(out.minutes > 0 ? 0 : kDefaultTrials);
  out.reverts = options.reverts_max;
  out.pct_of_floor = options.pct_of_floor;
  out.speedup = options.speedup;
  if (options.sample) out.reverts = 0, out.pct_of_floor = 0, out.speedup = 0;  // nothing is searched for
  return out;
}

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

/// Everything a run is made of, in the order in which it comes to be.
struct Session {
  const LoopOptions& options;
  Job& job;
  Runner& runner;
  std::vector<LaneDevice> more_lanes;
  search::Workspace workspace;
  search::History history;
  std::vector<std::string> notes;
  std::optional<search::Prior> prior{};

  [[nodiscard]] eval::LatencyKind kind() const {
    return runner.worker ? eval::LatencyKind::kMeasuredGpu : eval::LatencyKind::kPredicted;
  }

  [[nodiscard]] Result<search::GateOptions> gate_options(uint64_t seed, Progress& progress) const {
    search::GateOptions out;
    out.checkpoint = &job.checkpoint;
    out.target = job.target;
    out.context = job.context;
    out.kv_dtype = job.kv_dtype;
    out.position = options.position;
    out.compared_positions = options.compared_positions;
    out.seed = seed;
    out.rules.min_gain = options.min_gain_pct / 100;
    out.progress = [&progress](std::string_view step, uint32_t done, uint32_t of) { progress.step(step, done, of); };
    if (!runner.worker) return out;
    out.machine = lane_machines({runner.worker, runner.ordinal});
    out.device_bytes = device_bytes(job, runner.ordinal);
    AMK_ASSIGN_OR_RETURN(out.bandwidth, eval::measure_bandwidth(*runner.worker, runner.ordinal));
    return out;
  }

  [[nodiscard]] search::CampaignHeader header(const search::Gate& gate, uint64_t seed) const {
    return {options.model,
            job.checkpoint.name(),
            job.target->name,
            gate.device(),
            options.schedule.weights.empty() ? "stored" : options.schedule.weights,
            abi::dtype_name(job.kv_dtype),
            job.context,
            options.position,
            gate.kind(),
            seed,
            search::shape_of(job.checkpoint.config()),
            prior ? prior->id() : ""};
  }
};

// ---- what is told ---------------------------------------------------------------------------------------------------

std::string trial_line(const Trial& trial) {
  const std::string latency = trial.measurement ? fmt::format("{:.2f} us {}", trial.measurement->latency_us,
                                                              search::latency_kind_text(trial.measurement->kind))
                                                : "no latency";
  return fmt::format("trial {:>4}  {:<9}  {}: {} ({})\n", trial.number,
                     search::kOutcomeNames[static_cast<size_t>(trial.outcome)], trial.proposal.change, trial.reason,
                     latency);
}

Json document(const Campaign& campaign, const search::LoopEnd& end, uint32_t workers,
              const std::vector<std::string>& notes) {
  Json tried = Json::array();
  for (size_t i = campaign.trials.size() - end.trials; i < campaign.trials.size(); ++i)
    tried.push_back(to_json(campaign.trials[i]));
  const Json about = to_json(campaign.header);
  return {{"campaign", campaign.name},
          {"about", about},
          {"latency_kind", about["latency_kind"]},
          {"ended_by", search::kMoveOnNames[static_cast<size_t>(end.rule)]},
          {"why", end.why},
          {"trials", end.trials},
          {"kept", end.kept},
          {"workers", workers},
          {"start", to_json(campaign.start)},
          {"incumbent", to_json(campaign.incumbent)},
          {"speedup", json_number(search::speedup_of(campaign))},
          {"ranking", ranking_json(search::rank_quality(campaign.trials))},
          {"tried", std::move(tried)},
          {"notes", notes}};
}

std::string summary(const Campaign& campaign, const search::LoopEnd& end) {
  const char* kind = search::latency_kind_text(campaign.header.kind);
  return fmt::format(
      "\nended by {}: {}\n{} trials, {} kept\nstart     {:.2f} us ({})\nincumbent {:.2f} us ({}), {:.3f} times as "
      "fast, "
      "floor {:.2f} us\nchanged   {}\n",
      search::kMoveOnNames[static_cast<size_t>(end.rule)], end.why, end.trials, end.kept, campaign.start.latency_us,
      kind, campaign.incumbent.latency_us, kind, search::speedup_of(campaign), campaign.incumbent.floor_us,
      search::describe_change(campaign.start.config, campaign.incumbent.config));
}

/// `campaign`, `session` and `pool` must outlive it.
std::unique_ptr<search::Proposer> proposer_of(const Session& session, const search::Gate& gate,
                                              const Campaign& campaign, ThreadPool& pool) {
  const LoopOptions& options = session.options;
  if (!options.proposer.empty())
    return search::make_command_proposer({options.proposer, std::chrono::seconds(options.proposer_seconds)});
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
  if (!session.prior)
    return search::make_walk(walk, [&gate](const schedule::ScheduleConfig& config) { return gate.rank(config); });
  return search::make_warm_start({}, *session.prior, outlook,
                                 search::make_walk(walk, search::rank_by(*session.prior, outlook, campaign.header)),
                                 pool);
}

Result<Campaign> begin_or_resume(Session& session, std::optional<Campaign> there, const search::Gate& gate,
                                 const std::string& name, uint64_t seed) {
  const search::CampaignHeader header = session.header(gate, seed);
  if (!there) return session.history.begin(name, header, gate.incumbent());
  AMK_TRY(check_same(there->header, header));
  AMK_TRY(search::mend_corpus(session.workspace, *there));
  session.notes.push_back(fmt::format("campaign {} goes on after trial {}", name, there->trials.size()));
  return std::move(*there);
}

Result<Exit> run(Session& session, Output& output) {
  const LoopOptions& options = session.options;
  const std::string name = options.campaign.empty() ? default_name(session.job, session.kind()) : options.campaign;
  AMK_ASSIGN_OR_RETURN(std::optional<Campaign> there, session.history.read(name));
  if (there && !(options.schedule.schedule_file.empty() && options.schedule.sets.empty())) {
    return Error{ErrorCode::kUsage, "expected no --schedule or --set for a campaign that goes on, found one", name,
                 "give the new one another --campaign"};
  }
  const uint64_t seed = options.seed.value_or(there ? there->header.seed : 1);
  Lanes lanes(session.more_lanes, options.run.threads);
  ThreadPool& pool = lanes.first_pool();
  Progress progress(output);
  AMK_ASSIGN_OR_RETURN(const search::GateOptions gate_options, session.gate_options(seed, progress));
  AMK_ASSIGN_OR_RETURN(search::Gate gate,
                       search::Gate::open(gate_options, there ? there->incumbent.config : session.job.config,
                                          there ? there->incumbent.trial : 0, pool));
  progress.step("learning from the corpus");
  AMK_ASSIGN_OR_RETURN(session.prior, prior_for(options, session.workspace, there ? &there->header : nullptr,
                                                gate.kind(), session.job.target->name, session.notes));
  AMK_ASSIGN_OR_RETURN(Campaign campaign, begin_or_resume(session, std::move(there), gate, name, seed));
  search::TunedAbout about;
  about.model_name = campaign.header.model_name;
  about.target = campaign.header.target;
  about.weights = campaign.header.weights;
  about.kv_dtype = campaign.header.kv_dtype;
  AMK_ASSIGN_OR_RETURN(std::vector<search::Tuned> tuned,
                       search::read_tuned(search::workspace_directory(options.workspace), about));
  const std::unique_ptr<search::Proposer> proposer =
      search::propose_tuned_first(std::move(tuned), proposer_of(session, gate, campaign, pool));
  progress.stop();
  const StopOnInterrupt guard;
  TrialProgress trials(output, rules_of(options));
  const auto tell = [&](const Trial& trial) {
    static_cast<void>(output.stream(trial_line(trial)));
    trials.tell(campaign);
  };
  AMK_ASSIGN_OR_RETURN(
      const search::LoopEnd end,
      search::run_loop({session.workspace, session.history, campaign, gate, *proposer, rules_of(options), &interrupted,
                        tell, lanes.beside(gate), search::HalvingOptions{options.halving}}));
  session.notes.insert(session.notes.end(), end.notes.begin(), end.notes.end());
  if (output.json()) output.document(document(campaign, end, options.workers, session.notes));
  output.text(summary(campaign, end));
  for (const std::string& note : session.notes) output.note(note);
  return Exit::kDone;
}

}  // namespace

Result<Exit> loop(const LoopOptions& options, Output& output) {
  AMK_TRY(check_launch(options.worker_launch, options.run, options.schedule));
  AMK_ASSIGN_OR_RETURN(Job job, prepare(options.model, options.schedule, options.worker_launch));
  AMK_TRY(check_options(options, job));
  if (!options.campaign.empty()) AMK_TRY(search::check_campaign_name(options.campaign));
  AMK_ASSIGN_OR_RETURN(Runner runner, choose_lane_runner(options.run, options.schedule, options.worker_launch, job));
  AMK_ASSIGN_OR_RETURN(std::vector<LaneDevice> more_lanes,
                       more_lane_devices(options.workers, options.worker_launch, job, runner));
  std::vector<std::string> notes = job.notes;
  notes.insert(notes.end(), runner.notes.begin(), runner.notes.end());
  AMK_ASSIGN_OR_RETURN(search::Workspace workspace,
                       search::Workspace::open(search::workspace_directory(options.workspace), notes));
  AMK_ASSIGN_OR_RETURN(search::History history, search::History::open(workspace, notes));
  Session session{options,         job, runner, std::move(more_lanes), std::move(workspace), std::move(history),
                  std::move(notes)};
  return run(session, output);
}

}  // namespace amk::cli
