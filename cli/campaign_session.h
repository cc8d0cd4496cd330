// One campaign, opened to be worked on: its model and runner, its gate at the incumbent, its proposer.
//
// Owns what loop, autoresearch and orchestrate share: a trial is judged and remembered here or nowhere. A workspace is
// opened once, and any number of campaigns in it, one after the other.
#pragma once

#include <atomic>
#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/job.h"
#include "cli/lanes.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "search/loop.h"
#include "search/prior.h"

namespace amk::cli {

/// What a campaign is about and what runs it; nothing of the workspace has been touched.
struct CampaignSetting {
  LoopOptions options;
  Job job;
  Runner runner;                       ///< of the first lane
  std::vector<LaneDevice> more_lanes;  ///< of the others
  std::string name;                    ///< --campaign, or made of model, target and the kind of latency

  [[nodiscard]] eval::LatencyKind kind() const {
    return runner.worker ? eval::LatencyKind::kMeasuredGpu : eval::LatencyKind::kPredicted;
  }
};

/// kUsage for options out of range; otherwise as prepare(), choose_lane_runner() and more_lane_devices().
Result<CampaignSetting> prepare_campaign(const LoopOptions& options);

/// The workspace, opened to write.
struct Desk {
  search::Workspace workspace;
  search::History history;
};
/// `notes` gets a line for what a process that was killed had left half done.
Result<Desk> open_desk(const std::string& workspace, std::vector<std::string>& notes);

class CampaignSession {
 public:
  /// Begins the campaign, or goes on with it from its incumbent, which passes the gate anew. kUsage where it is about
  /// something else. `desk` and `output` must outlive the session.
  static Result<std::unique_ptr<CampaignSession>> open(CampaignSetting setting, Desk& desk, const Output& output);

  CampaignSession(const CampaignSession&) = delete;
  CampaignSession& operator=(const CampaignSession&) = delete;
  ~CampaignSession() = default;

  [[nodiscard]] const search::Campaign& campaign() const { return *campaign_; }
  [[nodiscard]] const CampaignSetting& setting() const { return setting_; }
  /// Of the model, the runner, the campaign, its prior and its lanes.
  [[nodiscard]] const std::vector<std::string>& notes() const { return notes_; }

  /// By the options' proposer, until a rule ends it.
  Result<search::LoopEnd> run(const search::MoveOnRules& rules, const std::atomic<bool>& stop,
                              const std::function<void(const search::Trial& trial)>& on_trial);
  /// As run(), by a proposer of the caller's.
  Result<search::LoopEnd> run(search::Proposer& proposer, const search::MoveOnRules& rules,
                              const std::atomic<bool>& stop,
                              const std::function<void(const search::Trial& trial)>& on_trial);

 private:
  CampaignSession(CampaignSetting setting, Desk& desk, const Output& output);
  [[nodiscard]] Result<search::GateOptions> gate_options(uint64_t seed, const search::CampaignHeader& there);
  /// Where the incumbent is one that a trial was kept with, a note if this AMK makes another kernel of it.
  void note_another_kernel(const search::Campaign& there);
  /// The options' proposer, behind what tune-instruction has found for this model.
  [[nodiscard]] Result<std::unique_ptr<search::Proposer>> make_proposer();
  [[nodiscard]] std::unique_ptr<search::Proposer> make_search();
  [[nodiscard]] search::CampaignHeader header(const search::GateOptions& gate) const;
  Status begin_or_resume(std::optional<search::Campaign> there, const search::CampaignHeader& wanted);

  CampaignSetting setting_;
  Desk& desk_;
  Lanes lanes_;
  Progress progress_;
  std::vector<std::string> notes_;
  std::optional<search::Gate> gate_;
  std::vector<search::Gate*> more_gates_;  ///< owned by lanes_
  std::optional<search::Prior> prior_;     ///< none: the cost model alone ranks
  std::optional<search::Campaign> campaign_;
  std::unique_ptr<search::Proposer> proposer_;
};

/// One trial as a line for people.
[[nodiscard]] std::string trial_line(const search::Trial& trial);

/// Ctrl-C asks to stop after the trial that is running; a second one ends the program.
class StopOnInterrupt {
 public:
  StopOnInterrupt();
  ~StopOnInterrupt();
  StopOnInterrupt(const StopOnInterrupt&) = delete;
  StopOnInterrupt& operator=(const StopOnInterrupt&) = delete;

  /// Whether it was asked.
  [[nodiscard]] static const std::atomic<bool>& asked();

 private:
  void (*before_)(int) = SIG_DFL;
};

}  // namespace amk::cli
