// Plans as the command line has them: made, taken up again, and read together with their campaigns.
//
// Owns what orchestrate and autoresearch share. Who changes a plan holds the workspace (Desk).
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cli/campaign_session.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/report_facts.h"
#include "search/orchestrate.h"
#include "search/plan_file.h"

namespace amk::cli {

/// The campaigns that the options ask for. kUsage for what prepare_campaign() refuses and for two of one name.
Result<std::vector<search::PlannedCampaign>> planned_campaigns(const PlanOptions& options);

/// The plan of that name with the campaigns added that it lacks, or a new one of them; it is on the disk when this
/// returns. kUsage where there is neither plan nor model, or where a campaign of the plan is about something else.
Result<search::Plan> make_or_extend(const PlanOptions& options, const std::filesystem::path& workspace);

/// kUsage, with the names there are, where there is no such plan.
Result<search::Plan> existing_plan(const std::string& name, const std::filesystem::path& workspace);

/// The options that begin a planned campaign, or go on with it.
[[nodiscard]] LoopOptions options_of(const search::PlannedCampaign& planned, const PlanOptions& options);

/// A plan and its campaigns as they are now. `standings` point into the other two: it is not moved once made.
struct PlanView {
  search::Plan plan;
  std::vector<std::optional<search::Campaign>> campaigns;
  std::vector<search::Standing> standings;

  PlanView() = default;
  PlanView(const PlanView&) = delete;
  PlanView& operator=(const PlanView&) = delete;
};
/// A campaign whose history cannot be read (a foreign commit, say) is shown as such; the others stand as they are.
/// Null: nothing has begun.
[[nodiscard]] std::unique_ptr<PlanView> look_at_plan(search::Plan plan, const search::History* history);

[[nodiscard]] Json standing_json(const search::Standing& standing);
/// One line a campaign.
[[nodiscard]] std::string standings_text(const PlanView& view);

/// The wake-up report, written; where it went.
Result<ReportPaths> write_plan_report(const PlanView& view, const PlanOptions& options,
                                      const std::filesystem::path& workspace, const Output& output);

}  // namespace amk::cli
