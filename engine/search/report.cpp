#include "search/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "schedule/schedule_config_json.h"
#include "search/ranking.h"
#include "search/report_analysis.h"
#include "search/report_charts.h"
#include "search/search_space.h"

namespace amk::search {
namespace {

const char* kind_of(const Campaign& campaign) { return latency_kind_text(campaign.header.kind); }

bool measured(const Campaign& campaign) { return campaign.header.kind == eval::LatencyKind::kMeasuredGpu; }

std::string signed_percent(double ratio) { return fmt::format("{:+.2f}%", 100 * (ratio - 1)); }

/// "-2.10% (-2.40% to -1.80%)"; predictions are exact.
std::string change_text(const eval::Estimate& ratio) {
  if (ratio.low == ratio.high) return signed_percent(ratio.value);
  if (!std::isfinite(ratio.low) || !std::isfinite(ratio.high)) return signed_percent(ratio.value) + " (undecided)";
  return fmt::format("{} ({} to {})", signed_percent(ratio.value), signed_percent(ratio.low),
                     signed_percent(ratio.high));
}

double pct_of_floor(const Incumbent& of) { return 100 * of.floor_us / of.latency_us; }

uint32_t kept_in(const Campaign& campaign) {
  return static_cast<uint32_t>(std::ranges::count(campaign.trials, Outcome::kKept, &Trial::outcome));
}

std::string plural(size_t count, const char* what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

// ---- the best schedule ----------------------------------------------------------------------------------------------

ReportSection best_section(const ReportSubject& subject) {
  const Campaign& campaign = *subject.campaign;
  ReportSection out{"Best schedule", {}};
  const std::vector<KnobChange> changes = changed_knobs(campaign.start.config, campaign.incumbent.config);
  if (changes.empty() && kept_in(campaign) > 0) {
    out.blocks.emplace_back(ReportText{
        fmt::format("Trial {} went back to the schedule that the campaign started from, {}: nothing better was found.",
                    campaign.incumbent.trial, campaign.start.schedule_id)});
  } else if (changes.empty()) {
    out.blocks.emplace_back(ReportText{
        fmt::format("No candidate was kept: the best schedule is the one that the campaign started from, {}.",
                    campaign.start.schedule_id)});
  } else {
    out.blocks.emplace_back(ReportText{fmt::format("Schedule {} of trial {} differs from the start, {}, in {}.",
                                                   campaign.incumbent.schedule_id, campaign.incumbent.trial,
                                                   campaign.start.schedule_id, plural(changes.size(), "knob"))});
    ReportTable table{{{"knob", false, true}, {"start", false, true}, {"best", false, true}, {"turned by trial", true}},
                      {}};
    for (const KnobChange& change : changes)
      table.rows.push_back({change.path, change.from, change.to, std::to_string(turned_by(campaign, change.path))});
    out.blocks.emplace_back(std::move(table));
  }
  if (!subject.bottleneck.empty()) out.blocks.emplace_back(ReportText{subject.bottleneck});
  out.blocks.emplace_back(
      ReportCode{"The whole schedule, as --schedule takes it", schedule::config_to_json(campaign.incumbent.config)});
  return out;
}

// ---- trajectory -----------------------------------------------------------------------------------------------------

Trajectory trajectory_of(const Campaign& campaign) {
  Trajectory out;
  out.start_us = campaign.start.latency_us;
  out.floor_us = campaign.incumbent.floor_us;
  out.trials = static_cast<uint32_t>(campaign.trials.size());
  for (const Trial& trial : campaign.trials) {
    if (!trial.measurement) {
      out.without_latency.push_back(trial.number);
      continue;
    }
    const Measurement& of = *trial.measurement;
    out.points.push_back({trial.number, of.latency_us, of.incumbent_us * of.ratio.low, of.incumbent_us * of.ratio.high,
                          trial.outcome == Outcome::kKept});
  }
  return out;
}

ReportSection trajectory_section(const Campaign& campaign) {
  ReportSection out{"Trajectory", {}};
  if (campaign.trials.empty()) {
    out.blocks.emplace_back(ReportText{"No trial has been made yet."});
    return out;
  }
  out.blocks.emplace_back(ReportChart{
      trajectory_svg(trajectory_of(campaign)),
      fmt::format("Latency ({}) of each trial{}. The line is the incumbent; filled dots were kept, crosses at the foot "
                  "are trials without a latency, marks at the upper edge are slower than the chart is high. The floor "
                  "is {:.2f} us.",
                  kind_of(campaign),
                  measured(campaign) ? ", with the 95% interval of its ratio to the incumbent"
                                     : "; predictions have no interval",
                  campaign.incumbent.floor_us)});
  ReportTable table{{{"trial", true},
                     {"kept", false, true},
                     {fmt::format("us ({})", kind_of(campaign)), true},
                     {"against the incumbent", true},
                     {"proposed by"}},
                    {}};
  table.rows.push_back({"0", "", fmt::format("{:.2f}", campaign.start.latency_us), "", "start"});
  for (const Trial& trial : campaign.trials) {
    if (trial.outcome != Outcome::kKept || !trial.measurement) continue;
    table.rows.push_back({std::to_string(trial.number), trial.proposal.change,
                          fmt::format("{:.2f}", trial.measurement->latency_us), change_text(trial.measurement->ratio),
                          trial.proposal.proposer + (trial.proposal.note.empty() ? "" : ": " + trial.proposal.note)});
  }
  out.blocks.emplace_back(std::move(table));
  return out;
}

// ---- knobs ----------------------------------------------------------------------------------------------------------

ReportSection effects_section(const Campaign& campaign) {
  constexpr size_t kLabelMax = 44;
  ReportSection out{"What each knob does", {}};
  const std::vector<KnobEffect> effects = knob_effects(campaign);
  if (effects.empty()) {
    out.blocks.emplace_back(ReportText{"No trial with a latency turned one knob alone."});
    return out;
  }
  std::vector<EffectRow> rows;
  ReportTable table{{{"knob", false, true},
                     {"value", false, true},
                     {fmt::format("latency ({})", kind_of(campaign)), true},
                     {"trials", true},
                     {"kept", true}},
                    {}};
  for (const KnobEffect& of : effects) {
    const std::string label = of.value.size() <= kLabelMax ? of.value : of.value.substr(0, kLabelMax - 1) + "…";
    rows.push_back({of.knob, label, of.ratio,
                    fmt::format("{}{}", signed_percent(of.ratio.value),
                                of.trials > 1 ? fmt::format(", {} trials", of.trials) : "")});
    table.rows.push_back(
        {of.knob, of.value, change_text(of.ratio), std::to_string(of.trials), std::to_string(of.kept)});
  }
  out.blocks.emplace_back(ReportChart{
      effects_svg(rows),
      fmt::format(
          "Change of the latency ({}) against the incumbent of that time, from trials that turned this one knob. "
          "{}",
          kind_of(campaign),
          measured(campaign) ? "Intervals are of 95%; of several trials, from the lowest bound to the highest."
                             : "Predictions are exact; a line spans several trials.")});
  out.blocks.emplace_back(std::move(table));
  return out;
}

// ---- roofline -------------------------------------------------------------------------------------------------------

ReportSection roofline_section(const ReportSubject& subject) {
  const Campaign& campaign = *subject.campaign;
  ReportSection out{"Roofline", {}};
  const std::vector<RooflineBar> bars = {{"start", campaign.start.latency_us, campaign.start.floor_us},
                                         {"best", campaign.incumbent.latency_us, campaign.incumbent.floor_us}};
  out.blocks.emplace_back(ReportChart{
      roofline_svg(bars),
      fmt::format(
          "The floor is the time that the weights and the history of one pass take at {}; latencies are {}.",
          measured(campaign) ? "the bandwidth that was measured on this GPU" : "the target's sustained bandwidth",
          kind_of(campaign))});
  ReportTable table{{{""},
                     {fmt::format("latency, us ({})", kind_of(campaign)), true},
                     {"floor, us", true},
                     {"% of the floor", true},
                     {"bytes", true},
                     {"bandwidth it comes to", true},
                     {"bandwidth of the floor", true}},
                    {}};
  const auto row = [&](const char* name, const Incumbent& of, const std::optional<uint64_t>& bytes) {
    const auto rate = [&](double us) {
      return bytes ? fmt::format("{:.0f} GB/s", static_cast<double>(*bytes) / us / 1e3) : std::string("not known");
    };
    table.rows.push_back({name, fmt::format("{:.2f}", of.latency_us), fmt::format("{:.2f}", of.floor_us),
                          fmt::format("{:.1f}", pct_of_floor(of)), bytes ? human_bytes(*bytes) : "not known",
                          rate(of.latency_us), rate(of.floor_us)});
  };
  row("start", campaign.start, subject.start_bytes);
  row("best", campaign.incumbent, subject.best_bytes);
  out.blocks.emplace_back(std::move(table));
  if (!subject.unknown.empty()) out.blocks.emplace_back(ReportNote{"Bytes are not known: " + subject.unknown});
  return out;
}

// ---- timelines ------------------------------------------------------------------------------------------------------

ReportSection timeline_section(const ReportSubject& subject) {
  ReportSection out{"Timeline of each SM, before and after", {}};
  double span = 0;
  for (const auto* picture : {&subject.before, &subject.after}) {
    if (*picture) span = std::max(span, (*picture)->timeline.span_us);
  }
  const auto add = [&](const char* when, const std::optional<TimelinePicture>& picture) {
    if (!picture) return;
    out.blocks.emplace_back(ReportChart{
        timeline_svg(picture->timeline, span),
        fmt::format("{}: schedule {}, {:.1f} us, {} ({}). Both pictures have one scale.", when, picture->schedule_id,
                    picture->timeline.span_us, latency_kind_text(picture->kind), picture->about)});
  };
  add("Before", subject.before);
  add("After", subject.after);
  if (!subject.timeline_missing.empty()) out.blocks.emplace_back(ReportNote{subject.timeline_missing});
  return out;
}

// ---- what did not win -----------------------------------------------------------------------------------------------

ReportSection reasons_section(const Campaign& campaign) {
  ReportSection out{"Tried and not kept", {}};
  const std::vector<ReasonGroup> groups = reasons_against(campaign);
  if (groups.empty()) {
    out.blocks.emplace_back(ReportText{"Nothing that was tried was given up."});
    return out;
  }
  ReportTable table{{{"trials", true}, {"outcome"}, {"why"}, {"for example"}}, {}};
  for (const ReasonGroup& group : groups) {
    std::string examples;
    for (const uint32_t number : group.examples) {
      const Trial& trial = campaign.trials[number - 1];
      examples += fmt::format("{}{}: {}", examples.empty() ? "" : "; ", number, trial.proposal.change);
    }
    table.rows.push_back({std::to_string(group.trials), kOutcomeNames[static_cast<size_t>(group.outcome)], group.reason,
                          std::move(examples)});
  }
  out.blocks.emplace_back(std::move(table));
  return out;
}

ReportSection trials_section(const Campaign& campaign) {
  ReportSection out{"Every trial", {}};
  if (campaign.trials.empty()) {
    out.blocks.emplace_back(ReportText{"Nothing was tried yet."});
    return out;
  }
  ReportTable table{{{"trial", true}, {"outcome"}, {"change", false, true}, {"why"}, {"proposed by"}}, {}};
  for (const Trial& trial : campaign.trials) {
    table.rows.push_back({std::to_string(trial.number), kOutcomeNames[static_cast<size_t>(trial.outcome)],
                          trial.proposal.change, trial.reason, trial.proposal.proposer});
  }
  out.blocks.emplace_back(std::move(table));
  return out;
}

// ---- ranking --------------------------------------------------------------------------------------------------------

ReportSection ranking_section(const ReportSubject& subject) {
  const Campaign& campaign = *subject.campaign;
  ReportSection out{"How good the ranking was", {}};
  if (!measured(campaign)) {
    out.blocks.emplace_back(ReportText{
        "Every latency of this campaign is the cost model's own prediction: there is nothing measured to compare it "
        "with. A campaign on a GPU says how well predictions rank."});
    return out;
  }
  std::vector<double> predicted;
  std::vector<double> found;
  std::vector<ScatterPoint> points;
  for (size_t i = 0; i < campaign.trials.size() && i < subject.predicted_us.size(); ++i) {
    const Trial& trial = campaign.trials[i];
    if (!trial.measurement || !subject.predicted_us[i]) continue;
    predicted.push_back(*subject.predicted_us[i]);
    found.push_back(trial.measurement->latency_us);
    points.push_back({predicted.back(), found.back(), trial.outcome == Outcome::kKept});
  }
  const RankQuality quality = rank_quality(campaign.trials);
  if (quality.prior) {
    out.blocks.emplace_back(ReportText{fmt::format(
        "What the prior expected of each trial orders what came with a rank correlation of {:.2f}; the "
        "cost model alone: {} ({} trials).",
        *quality.prior, quality.cost_model ? fmt::format("{:.2f}", *quality.cost_model) : "none", quality.trials)});
  }
  const std::optional<double> correlation = rank_correlation(predicted, found);
  if (!correlation) {
    out.blocks.emplace_back(ReportNote{
        subject.unknown.empty() ? "Fewer than three trials that differ have both a measured and a predicted latency."
                                : "Predictions are not known: " + subject.unknown});
    return out;
  }
  out.blocks.emplace_back(
      ReportText{fmt::format("Spearman's rank correlation of predicted and measured latency over {} trials: {:.2f}. 1 "
                             "would be the same order, "
                             "0 none at all.",
                             points.size(), *correlation)});
  out.blocks.emplace_back(ReportChart{scatter_svg(points, "predicted, us", "measured on GPU, us"),
                                      "A dot a trial: what the cost model predicts, and what was measured. Filled dots "
                                      "were kept."});
  return out;
}

std::string about_text(const CampaignHeader& of) {
  return fmt::format("{} for {}, weights {}, KV caches {}, context {}, position {}, seed {}; outputs computed on {}",
                     of.model_name, of.target, of.weights, of.kv_dtype, of.context, of.position, of.seed, of.device);
}

std::vector<ReportTile> tiles_of(const Campaign& campaign) {
  const Incumbent& start = campaign.start;
  const Incumbent& best = campaign.incumbent;
  const double speedup = speedup_of(campaign);
  return {{"Speed-up over the start", fmt::format("{:.3f}×", speedup),
           measured(campaign) ? "product of paired ratios" : "predicted", speedup > 1},
          {"Latency, us a token", fmt::format("{:.1f}", best.latency_us),
           fmt::format("from {:.1f}, {}", start.latency_us, kind_of(campaign))},
          {"Of the floor", fmt::format("{:.1f}%", pct_of_floor(best)),
           fmt::format("from {:.1f}%; floor {:.1f} us", pct_of_floor(start), best.floor_us)},
          {"Trials", std::to_string(campaign.trials.size()),
           fmt::format("{} kept, {} without a keep at the end", kept_in(campaign), reverts_in_a_row(campaign))}};
}

}  // namespace

ReportPart campaign_part(const ReportSubject& subject, bool titled) {
  const Campaign& campaign = *subject.campaign;
  ReportPart out;
  if (titled) out.title = campaign.name;
  out.about = about_text(campaign.header);
  out.badges = {measured(campaign) ? "measured on GPU" : "predicted, not measured"};
  out.tiles = tiles_of(campaign);
  out.sections = {best_section(subject),     trajectory_section(campaign), effects_section(campaign),
                  roofline_section(subject), timeline_section(subject),    reasons_section(campaign),
                  ranking_section(subject),  trials_section(campaign)};
  return out;
}

Report campaigns_report(std::span<const ReportSubject> subjects) {
  Report out;
  const bool one = subjects.size() == 1;
  out.title = one ? "Campaign " + subjects.front().campaign->name : plural(subjects.size(), "campaign");
  if (!one) out.about = "Measured and predicted latencies are never compared with each other.";
  for (const ReportSubject& subject : subjects) out.parts.push_back(campaign_part(subject, !one));
  return out;
}

Report plan_report(const Plan& plan, std::span<const Standing> standings, std::span<const ReportSubject> subjects) {
  Report out;
  out.title = "Plan " + plan.name;
  const auto moved_on = std::ranges::count_if(standings, [](const Standing& of) { return of.moved_on.has_value(); });
  out.about = fmt::format("{}, {} of which moved on; {} so far.", plural(standings.size(), "campaign"), moved_on,
                          plural(plan.slices, "slice"));
  ReportPart overview;
  ReportTable table{{{"campaign", false, true},
                     {"us a token", true},
                     {"latencies"},
                     {"× start", true},
                     {"% of the floor", true},
                     {"trials", true},
                     {"kept", true},
                     {"state"}},
                    {}};
  for (const Standing& of : standings) {
    if (of.campaign == nullptr) {
      table.rows.push_back({of.planned->campaign, "", "", "", "", "0", "0", state_text(of)});
      continue;
    }
    const Campaign& campaign = *of.campaign;
    table.rows.push_back({campaign.name, fmt::format("{:.2f}", campaign.incumbent.latency_us), kind_of(campaign),
                          fmt::format("{:.3f}", of.speedup), fmt::format("{:.1f}", pct_of_floor(campaign.incumbent)),
                          std::to_string(campaign.trials.size()), std::to_string(of.kept), state_text(of)});
  }
  ReportSection section{"How each campaign stands", {}};
  section.blocks.emplace_back(std::move(table));
  const std::optional<size_t> next = next_campaign(standings);
  section.blocks.emplace_back(ReportText{
      next ? fmt::format("Next: {}, because {}.", standings[*next].planned->campaign, why_next(standings[*next]))
           : "All campaigns have moved on, or cannot be read."});
  overview.sections.push_back(std::move(section));
  out.parts.push_back(std::move(overview));
  for (const ReportSubject& subject : subjects) out.parts.push_back(campaign_part(subject, true));
  return out;
}

}  // namespace amk::search
