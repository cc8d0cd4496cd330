// amk autoresearch: a plan worked on unattended, and a report at the end.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "cli/plan_session.h"
#include "cli/verbs/verbs.h"

namespace amk::cli {
namespace {

using Clock = std::chrono::steady_clock;
using search::MoveOn;

constexpr double kOvernightMinutes = 480;

/// How the whole run ended.
struct End {
  std::string rule;  ///< "all-moved-on", "trials", "minutes" or "interrupted"
  std::string why;
};

class Night {
 public:
  Night(const AutoresearchOptions& options, Desk& desk, search::Plan plan, Output& output)
      : options_(options),
        desk_(desk),
        plan_(std::move(plan)),
        output_(output),
        workspace_(search::workspace_directory(options.plan.workspace)),
        minutes_(options.overnight ? kOvernightMinutes : options.minutes) {}

  /// Slices, until nothing is left to give or to work on. What is killed meanwhile goes on with the same plan.
  Result<End> work() {
    // Of an earlier run: what failed then is tried again.
    for (search::PlannedCampaign& one : plan_.campaigns) {
      if (one.ended && one.ended->rule == MoveOn::kFailures) one.ended.reset();
    }
    while (true) {
      const std::unique_ptr<PlanView> view = look_at_plan(plan_, &desk_.history);
      const std::optional<size_t> next = search::next_campaign(view->standings);
      if (!next) return End{"all-moved-on", "every campaign has moved on, or cannot be read"};
      if (std::optional<End> over = spent()) return std::move(*over);
      output_.note(fmt::format("next: {}, because {}", plan_.campaigns[*next].campaign,
                               search::why_next(view->standings[*next])));
      AMK_TRY(give_slice(plan_.campaigns[*next], view->standings[*next]));
    }
  }

  [[nodiscard]] const search::Plan& plan() const { return plan_; }
  [[nodiscard]] uint32_t trials() const { return trials_; }
  [[nodiscard]] const Json& slices() const { return slices_; }
  /// Of every session and run, each once, with its campaign.
  [[nodiscard]] const std::vector<std::string>& notes() const { return notes_; }

 private:
  [[nodiscard]] double minutes_left() const {
    return minutes_ - std::chrono::duration<double, std::ratio<60>>(Clock::now() - begin_).count();
  }

  [[nodiscard]] std::optional<End> spent() const {
    if (StopOnInterrupt::asked()) return End{"interrupted", "asked to stop"};
    if (options_.trials && trials_ >= *options_.trials) return End{"trials", fmt::format("{} trials", trials_)};
    if (minutes_ > 0 && minutes_left() <= 0) return End{"minutes", fmt::format("{:.1f} minutes", minutes_)};
    return std::nullopt;
  }

  /// A campaign stays open from slice to slice, until it is another's turn: its gate verifies the incumbent anew.
  Status open(const search::PlannedCampaign& planned) {
    if (session_ && session_->campaign().name == planned.campaign) return {};
    session_.reset();
    AMK_ASSIGN_OR_RETURN(CampaignSetting setting, prepare_campaign(options_of(planned, options_.plan)));
    AMK_ASSIGN_OR_RETURN(session_, CampaignSession::open(std::move(setting), desk_, output_));
    take_notes(planned.campaign, session_->notes());
    return {};
  }

  void take_notes(const std::string& campaign, const std::vector<std::string>& notes) {
    for (const std::string& note : notes) {
      std::string with_name = fmt::format("{}: {}", campaign, note);
      if (std::ranges::find(notes_, with_name) == notes_.end()) notes_.push_back(std::move(with_name));
    }
  }

  struct Count {
    uint32_t trials = 0;
    uint32_t kept = 0;
  };
  static Count count_of(const search::Campaign& campaign) {
    const std::vector<search::Trial>& trials = campaign.trials;
    return {static_cast<uint32_t>(trials.size()),
            static_cast<uint32_t>(std::ranges::count(trials, search::Outcome::kKept, &search::Trial::outcome))};
  }

  [[nodiscard]] search::MoveOnRules rules() const {
    search::MoveOnRules out = plan_.rules();
    out.trials = options_.trials ? std::min(options_.slice, *options_.trials - trials_) : options_.slice;
    if (minutes_ > 0) out.minutes = std::max(minutes_left(), 1e-3);
    return out;
  }

  Status give_slice(search::PlannedCampaign& planned, const search::Standing& before) {
    const auto tell = [this](const search::Trial& trial) {
      static_cast<void>(output_.stream(fmt::format("{}: {}", session_->campaign().name, trial_line(trial))));
    };
    const Count had = before.campaign == nullptr ? Count{} : count_of(*before.campaign);
    search::Slice slice{planned.campaign, 0, 0, MoveOn::kFailures, ""};
    const auto work = [&]() -> Result<search::LoopEnd> {
      AMK_TRY(open(planned));
      return session_->run(rules(), StopOnInterrupt::asked(), tell);
    };
    const Result<search::LoopEnd> end = work();
    // A run that ends with an error has remembered the trials before it.
    const Count has = session_ ? count_of(session_->campaign()) : had;
    if (end) {
      slice.ended_by = end->rule;
      slice.why = end->why;
      take_notes(planned.campaign, end->notes);
    } else {
      slice.why = end.error().text();  // this campaign's trouble; the others go on
      session_.reset();
    }
    slice.trials = has.trials - had.trials;
    slice.kept = has.kept - had.kept;
    trials_ += slice.trials;
    if (slice.ended_by == MoveOn::kFailures || slice.ended_by == MoveOn::kExhausted)
      planned.ended = {slice.ended_by, slice.why, has.trials};
    slices_.push_back({{"campaign", slice.campaign},
                       {"trials", slice.trials},
                       {"kept", slice.kept},
                       {"ended_by", search::kMoveOnNames[static_cast<size_t>(slice.ended_by)]},
                       {"why", slice.why}});
    ++plan_.slices;
    plan_.last = std::move(slice);
    return search::write_plan(workspace_, plan_);
  }

  const AutoresearchOptions& options_;
  Desk& desk_;
  search::Plan plan_;
  Output& output_;
  std::filesystem::path workspace_;
  double minutes_;
  Clock::time_point begin_ = Clock::now();
  uint32_t trials_ = 0;
  Json slices_ = Json::array();
  std::vector<std::string> notes_;
  std::unique_ptr<CampaignSession> session_;
};

bool failed(const search::Standing& of) {
  return !of.unreadable.empty() || (of.moved_on && of.moved_on->rule == MoveOn::kFailures);
}

}  // namespace

Result<Exit> autoresearch(const AutoresearchOptions& options, Output& output) {
  if (!(options.minutes >= 0 && options.minutes <= 1e6)) {
    return Error{ErrorCode::kUsage, fmt::format("expected a number from 0 to 1e6, found {}", options.minutes),
                 "--minutes", ""};
  }
  std::vector<std::string> notes;
  AMK_ASSIGN_OR_RETURN(Desk desk, open_desk(options.plan.workspace, notes));
  const std::filesystem::path workspace = search::workspace_directory(options.plan.workspace);
  AMK_ASSIGN_OR_RETURN(search::Plan plan, make_or_extend(options.plan, workspace));
  const StopOnInterrupt guard;
  Night night(options, desk, std::move(plan), output);
  AMK_ASSIGN_OR_RETURN(const End end, night.work());
  const std::unique_ptr<PlanView> view = look_at_plan(night.plan(), &desk.history);
  notes.insert(notes.end(), night.notes().begin(), night.notes().end());
  const Result<ReportPaths> paths = write_plan_report(*view, options.plan, workspace, output);
  if (!paths) notes.push_back("the report could not be written: " + paths.error().text());
  Json campaigns = Json::array();
  for (const search::Standing& one : view->standings) campaigns.push_back(standing_json(one));
  if (output.json()) {
    output.document({{"plan", view->plan.name},
                     {"ended_by", end.rule},
                     {"why", end.why},
                     {"trials", night.trials()},
                     {"slices", night.slices()},
                     {"campaigns", std::move(campaigns)},
                     {"html", paths ? Json(paths->html) : Json(nullptr)},
                     {"markdown", paths ? Json(paths->markdown) : Json(nullptr)},
                     {"notes", notes}});
  }
  output.text(fmt::format("\nended by {}: {}\n\n{}", end.rule, end.why, standings_text(*view)));
  if (paths) output.text(fmt::format("\n{}\n{}\n", paths->html, paths->markdown));
  for (const std::string& note : notes) output.note(note);
  return std::ranges::all_of(view->standings, failed) ? Exit::kNegative : Exit::kDone;
}

}  // namespace amk::cli
