// amk propose: the knobs of a schedule, and what turning each is predicted to do.

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "abi/dtype.h"
#include "cli/job.h"
#include "cli/progress.h"
#include "cli/table.h"
#include "cli/verbs/verbs.h"
#include "cli/verdict_text.h"
#include "eval/evaluate.h"
#include "schedule/cost_model.h"
#include "schedule/lowering.h"
#include "schedule/model_graph.h"
#include "schedule/schedule_config_json.h"
#include "search/history.h"
#include "search/search_space.h"
#include "search/trace_file.h"

namespace amk::cli {
namespace {

using search::Knob;

/// One knob turned to one value.
struct Proposal {
  std::string knob;
  std::string value;
  std::optional<double> latency_us;  ///< predicted; none where the schedule was refused
  std::string refusal;
  std::string schedule_id;
};

struct Incumbent {
  schedule::Prediction prediction;
  std::string schedule_id;
  size_t tasks = 0;
  std::optional<search::Campaign> campaign;  ///< whose incumbent it is
  std::optional<search::TraceFile> trace;    ///< the newest of the model, whatever its schedule

  /// The loss to work on: by the trace, else by the cost model, which knows of waiting and streaming only.
  [[nodiscard]] eval::Bottleneck loss() const {
    if (trace) return trace->largest_loss;
    return prediction.wait_us > prediction.stream_us ? eval::Bottleneck::kWait : eval::Bottleneck::kStream;
  }
};

/// Takes a campaign's incumbent over into the job.
Result<std::optional<search::Campaign>> take_campaign(const ProposeOptions& options, Job& job) {
  if (options.campaign.empty()) return std::optional<search::Campaign>();
  if (!options.schedule.schedule_file.empty() || !options.schedule.sets.empty()) {
    return Error{ErrorCode::kUsage, "expected no --schedule or --set beside --campaign, found one", options.campaign,
                 "leave --campaign out to look around another schedule"};
  }
  AMK_ASSIGN_OR_RETURN(const search::History history,
                       search::History::open_to_read(search::workspace_directory(options.workspace)));
  AMK_ASSIGN_OR_RETURN(std::optional<search::Campaign> found, history.read(options.campaign));
  if (!found) {
    AMK_ASSIGN_OR_RETURN(const std::vector<std::string> names, history.names());
    return Error{ErrorCode::kUsage,
                 fmt::format("expected one of the campaigns {}, found '{}'", fmt::join(names, ", "), options.campaign),
                 "--campaign", ""};
  }
  const search::CampaignHeader& about = found->header;
  if (about.model_name != job.checkpoint.name() || about.target != job.target->name) {
    return Error{ErrorCode::kUsage,
                 fmt::format("expected a campaign of {} for {}, found one of {} for {}", job.checkpoint.name(),
                             job.target->name, about.model_name, about.target),
                 options.campaign, "name its model, with its --weights and --gpu"};
  }
  const auto other = [&](const char* option, const auto& is, const auto& given) {
    return Error{ErrorCode::kUsage, fmt::format("expected {}, the campaign's, found {}", is, given), option,
                 fmt::format("give {} {}", option, is)};
  };
  if (about.kv_dtype != abi::dtype_name(job.kv_dtype))
    return other("--kv-dtype", about.kv_dtype, abi::dtype_name(job.kv_dtype));
  if (about.context != job.context) return other("--context", about.context, job.context);
  if (about.position != options.position) return other("--position", about.position, options.position);
  job.config = found->incumbent.config;
  return found;
}

/// Lowers, validates and predicts; a schedule that is refused says why.
void try_out(const Job& job, const schedule::ModelGraph& graph, uint32_t position, Proposal& proposal) {
  schedule::ScheduleConfig config = job.config;
  if (const Status set = schedule::set_knob(config, proposal.knob, proposal.value); !set) {
    proposal.refusal = set.error().message;
    return;
  }
  const schedule::LowerRequest request{&graph, job.target, config, job.context, job.kv_dtype};
  proposal.schedule_id = schedule::schedule_id(request);
  Result<schedule::Program> program = schedule::lower(request);
  if (!program) {
    proposal.refusal = program.error().text();
    return;
  }
  const validator::Validation validation = validator::validate(std::move(*program));
  if (!validation.validated) {
    proposal.refusal = validation.findings.empty()
                           ? validator::outcome_name(validation.outcome)
                           : validator::describe(validation.findings.front(), *validation.program);
    return;
  }
  proposal.latency_us = schedule::predict(validation.validated->program(), *job.target, position).latency_us;
}

std::vector<Proposal> neighbours(const std::vector<Knob>& knobs) {
  std::vector<Proposal> out;
  for (const Knob& knob : knobs) {
    for (const std::string& value : knob.neighbours) out.push_back({knob.path, value, {}, "", ""});
  }
  return out;
}

/// Fastest first; those without a latency last, in the order of the knobs.
void rank(std::vector<Proposal>& proposals) {
  std::stable_sort(proposals.begin(), proposals.end(), [](const Proposal& a, const Proposal& b) {
    if (a.latency_us.has_value() != b.latency_us.has_value()) return a.latency_us.has_value();
    return a.latency_us && *a.latency_us < *b.latency_us;
  });
}

// ---- JSON -----------------------------------------------------------------------------------------------------------

Json losses_json(const Knob& knob) {
  Json out = Json::array();
  for (const search::KnobLoss& of : knob.losses)
    out.push_back({{"loss", eval::bottleneck_name(of.loss)}, {"how", of.how}});
  return out;
}

Json knob_json(const Knob& knob) {
  const bool integer = knob.type == "integer";
  return {{"knob", knob.path},
          {"type", knob.type},
          {"default", Json::parse(knob.default_value)},
          {"present", Json::parse(knob.present)},
          {"min", integer ? Json(knob.min) : Json(nullptr)},
          {"max", integer ? Json(knob.max) : Json(nullptr)},
          {"step", integer ? Json(knob.step) : Json(nullptr)},
          {"unit", integer ? Json(knob.unit) : Json(nullptr)},
          {"values", integer ? Json(nullptr) : Json(knob.names)},
          {"auto", knob.has_auto ? Json(knob.auto_doc) : Json(nullptr)},
          {"pass", knob.pass},
          {"meaning", knob.doc},
          {"addresses", losses_json(knob)}};
}

Json trace_json(const std::optional<search::TraceFile>& trace) {
  if (!trace) return nullptr;
  return {{"file", trace->path},
          {"device", trace->device},
          {"schedule_id", trace->schedule_id},
          {"position", trace->position},
          {"span_us", json_number(trace->span_us)},
          {"latency_kind", "measured-gpu"},
          {"stream_us", json_number(trace->stream_us)},
          {"compute_us", json_number(trace->compute_us)},
          {"wait_us", json_number(trace->wait_us)},
          {"skew_us", json_number(trace->skew_us)},
          {"bottleneck", eval::bottleneck_name(trace->bottleneck)},
          {"largest_loss", eval::bottleneck_name(trace->largest_loss)}};
}

Json campaign_json(const std::optional<search::Campaign>& campaign) {
  if (!campaign) return nullptr;
  return {{"campaign", campaign->name},
          {"trial", campaign->incumbent.trial},
          {"trials", campaign->trials.size()},
          {"latency_us", json_number(campaign->incumbent.latency_us)},
          {"latency_kind", campaign->header.kind == eval::LatencyKind::kMeasuredGpu ? "measured-gpu" : "predicted"},
          {"speedup", json_number(search::speedup_of(*campaign))}};
}

/// The knobs against the loss to work on.
Json advice_json(const Incumbent& incumbent, const std::vector<Knob>& knobs) {
  Json against = Json::array();
  for (const search::Addressing& one : search::knobs_against(knobs, incumbent.loss()))
    against.push_back({{"knob", one.knob->path}, {"how", one.how}});
  return {{"loss", eval::bottleneck_name(incumbent.loss())},
          {"by", incumbent.trace ? "trace" : "cost-model"},
          {"knobs", std::move(against)}};
}

Json proposal_json(const Proposal& proposal, double incumbent_us) {
  const bool predicted = proposal.latency_us.has_value();
  return {{"knob", proposal.knob},
          {"value", Json::parse(proposal.value)},
          {"latency_us", predicted ? json_number(*proposal.latency_us) : Json(nullptr)},
          {"latency_kind", predicted ? Json("predicted") : Json(nullptr)},
          {"change_pct", predicted ? json_number(100 * (*proposal.latency_us / incumbent_us - 1)) : Json(nullptr)},
          {"schedule_id", proposal.schedule_id.empty() ? Json(nullptr) : Json(proposal.schedule_id)},
          {"refused", predicted ? Json(nullptr) : Json(proposal.refusal)}};
}

Json document(const Job& job, const Incumbent& incumbent, const ProposeOptions& options, const std::vector<Knob>& knobs,
              const std::vector<Proposal>& proposals) {
  const schedule::Prediction& prediction = incumbent.prediction;
  Json space = Json::array();
  for (const Knob& knob : knobs) space.push_back(knob_json(knob));
  Json tried = Json::array();
  for (const Proposal& proposal : proposals) tried.push_back(proposal_json(proposal, prediction.latency_us));
  return {{"model", job.checkpoint.name()},
          {"gpu", job.target->name},
          {"context", job.context},
          {"incumbent",
           {{"schedule", Json::parse(schedule::config_to_json(job.config))},
            {"schedule_id", incumbent.schedule_id},
            {"tasks", incumbent.tasks},
            {"latency_us", json_number(prediction.latency_us)},
            {"latency_kind", "predicted"},
            {"position", options.position},
            {"floor_us", json_number(prediction.floor_us)},
            {"wait_us", json_number(prediction.wait_us)},
            {"stream_us", json_number(prediction.stream_us)},
            {"bottleneck", prediction.bottleneck()},
            {"levels", prediction.levels}}},
          {"campaign", campaign_json(incumbent.campaign)},
          {"last_trace", trace_json(incumbent.trace)},
          {"advice", advice_json(incumbent, knobs)},
          {"knobs", std::move(space)},
          {"proposals", std::move(tried)},
          {"notes", job.notes}};
}

// ---- words ----------------------------------------------------------------------------------------------------------

std::string range_words(const Knob& knob) {
  if (knob.type != "integer") return fmt::format("{}", fmt::join(knob.names, " | "));
  return fmt::format("{}..{}{} {}{}", knob.min, knob.max, knob.step == 1 ? "" : fmt::format(" by {}", knob.step),
                     knob.unit, knob.has_auto ? " | auto" : "");
}

std::string incumbent_text(const Job& job, const Incumbent& incumbent, uint32_t position) {
  const schedule::Prediction& prediction = incumbent.prediction;
  Facts facts;
  facts.add("incumbent", fmt::format("{} on {}, context {}: schedule {}, {} tasks", job.checkpoint.name(),
                                     job.target->name, job.context, incumbent.schedule_id, grouped(incumbent.tasks)));
  facts.add("latency", fmt::format("{:.1f} us predicted at position {} (floor {:.1f} us)", prediction.latency_us,
                                   position, prediction.floor_us));
  facts.add("bottleneck",
            fmt::format("{}: the critical path waits {:.1f} us and streams {:.1f} us, over {} levels",
                        prediction.bottleneck(), prediction.wait_us, prediction.stream_us, prediction.levels));
  if (incumbent.trace) {
    const search::TraceFile& of = *incumbent.trace;
    facts.add("last trace",
              fmt::format("{}: schedule {} on {}, position {}: {:.1f} us measured, streaming {:.1f}, computing {:.1f}, "
                          "waiting {:.1f}, skew {:.1f}; largest loss {}",
                          eval::bottleneck_name(of.bottleneck), of.schedule_id, of.device, of.position, of.span_us,
                          of.stream_us, of.compute_us, of.wait_us, of.skew_us, eval::bottleneck_name(of.largest_loss)));
  }
  if (incumbent.campaign) {
    const search::Campaign& of = *incumbent.campaign;
    facts.add("campaign", fmt::format("{}: trial {} of {}, {:.2f} us ({}), {:.3f} times as fast as the start", of.name,
                                      of.incumbent.trial, of.trials.size(), of.incumbent.latency_us,
                                      search::latency_kind_text(of.header.kind), search::speedup_of(of)));
  }
  facts.add("schedule", schedule::config_to_json(job.config));
  return facts.text();
}

std::string advice_text(const Incumbent& incumbent, const std::vector<Knob>& knobs) {
  Facts facts;
  for (const search::Addressing& one : search::knobs_against(knobs, incumbent.loss()))
    facts.add(one.knob->path, one.how);
  return fmt::format("\nKnobs against {}, the loss to work on by {}\n{}", eval::bottleneck_name(incumbent.loss()),
                     incumbent.trace ? "the last trace" : "the cost model (predicted)", facts.text());
}

std::string knobs_text(const std::vector<Knob>& knobs) {
  std::string out = "\nKnobs\n";
  for (const Knob& knob : knobs) {
    out += fmt::format("{} = {} (default {}; pass {})\n  {}\n", knob.path, knob.present, knob.default_value, knob.pass,
                       knob.doc);
    if (knob.has_auto) out += fmt::format("  auto: {}\n", knob.auto_doc);
    out += fmt::format("  values: {}\n", range_words(knob));
    for (const search::KnobLoss& of : knob.losses)
      out += fmt::format("  against {}: {}\n", eval::bottleneck_name(of.loss), of.how);
  }
  return out;
}

/// Whether the model sees a difference at all.
bool differs(const Proposal& proposal, double incumbent_us) {
  constexpr double kVisiblePct = 0.05;
  return std::abs(100 * (*proposal.latency_us / incumbent_us - 1)) >= kVisiblePct;
}

std::string proposals_text(const std::vector<Proposal>& proposals, double incumbent_us) {
  Table table({{"latency", Align::kRight}, {"change", Align::kRight}, {"knob"}, {"value"}});
  std::string refused;
  std::vector<std::pair<std::string, std::string>> same;  // knob, values
  for (const Proposal& proposal : proposals) {
    if (!proposal.latency_us) {
      refused += fmt::format("{}={}: {}\n", proposal.knob, proposal.value, proposal.refusal);
    } else if (differs(proposal, incumbent_us)) {
      table.add({fmt::format("{:.1f} us", *proposal.latency_us),
                 fmt::format("{:+.1f}%", 100 * (*proposal.latency_us / incumbent_us - 1)), proposal.knob,
                 proposal.value});
    } else if (!same.empty() && same.back().first == proposal.knob) {
      same.back().second += " " + proposal.value;
    } else {
      same.emplace_back(proposal.knob, proposal.value);
    }
  }
  std::string out = "\nOne knob turned (predicted, not measured)\n" + table.text();
  Facts no_difference;
  for (const auto& [knob, values] : same) no_difference.add(knob, values);
  out += "\nNo difference predicted\n" + no_difference.text();
  if (!refused.empty()) out += "\nRefused\n" + refused;
  return out;
}

}  // namespace

Result<Exit> propose(const ProposeOptions& options, Output& output) {
  AMK_ASSIGN_OR_RETURN(Job job, prepare(options.model, options.schedule));
  if (options.position >= job.context) {
    return Error{ErrorCode::kUsage,
                 fmt::format("expected a position below {}, the context, found {}", job.context, options.position),
                 "--position", ""};
  }
  AMK_ASSIGN_OR_RETURN(std::optional<search::Campaign> campaign, take_campaign(options, job));
  Progress progress(output);
  progress.step("the incumbent");
  const schedule::ModelGraph graph = schedule::build_graph(job.checkpoint);
  AMK_ASSIGN_OR_RETURN(schedule::Program program,
                       schedule::lower({&graph, job.target, job.config, job.context, job.kv_dtype}));
  const validator::Validation validation = validator::validate(std::move(program));
  if (!validation.validated) {
    progress.stop();
    return report_refusal(eval::verdict_of(validation), output);
  }
  const schedule::Program& accepted = validation.validated->program();
  const Incumbent incumbent{
      schedule::predict(accepted, *job.target, options.position), accepted.meta.schedule_id, accepted.tasks.size(),
      std::move(campaign),
      search::newest_trace(search::workspace_directory(options.workspace), job.checkpoint.name(), job.target->name)};

  const std::vector<Knob> knobs = search::search_space(job.config);
  std::vector<Proposal> proposals = neighbours(knobs);
  ThreadPool pool(options.run.threads);
  std::atomic<size_t> next{0};
  pool.run_on_all([&](size_t) {
    for (size_t i = next++; i < proposals.size(); i = next++) {
      progress.step("trying neighbours", static_cast<uint32_t>(i), static_cast<uint32_t>(proposals.size()));
      try_out(job, graph, options.position, proposals[i]);
    }
  });
  rank(proposals);
  progress.stop();
  if (output.json()) output.document(document(job, incumbent, options, knobs, proposals));
  for (const std::string& note : job.notes) output.note(note);
  output.text(incumbent_text(job, incumbent, options.position) + advice_text(incumbent, knobs) + knobs_text(knobs) +
              proposals_text(proposals, incumbent.prediction.latency_us));
  return Exit::kDone;
}

}  // namespace amk::cli
