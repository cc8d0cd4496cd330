// amk corpus: what was tried so far, by model; merged into one file; and the flywheel's experiment over it.

#include "search/corpus.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "cli/table.h"
#include "cli/verbs/verbs.h"
#include "eval/statistics.h"
#include "search/prior.h"
#include "search/replay.h"
#include "search/workspace.h"

namespace amk::cli {
namespace {

using search::Corpus;
using search::CorpusTrial;

constexpr std::array kKinds = {eval::LatencyKind::kMeasuredGpu, eval::LatencyKind::kPredicted};

/// One model, target, position and kind.
struct Group {
  const search::CampaignHeader* about = nullptr;
  uint32_t trials = 0;
  std::array<uint32_t, search::kOutcomeCount> outcomes{};
  std::vector<double> latencies;
  uint32_t learnable = 0;
};

std::map<std::string, Group> groups_of(const Corpus& corpus) {
  std::map<std::string, Group> out;
  for (const CorpusTrial& of : corpus.trials) {
    Group& group = out[search::group_of(of.about)];
    group.about = &of.about;
    ++group.trials;
    ++group.outcomes[static_cast<size_t>(of.trial.outcome)];
    if (of.trial.measurement) group.latencies.push_back(of.trial.measurement->latency_us);
    if (of.trial.measurement && of.trial.facts && of.about.shape) ++group.learnable;
  }
  return out;
}

Result<Corpus> read_all(const CorpusOptions& options) {
  std::vector<std::string> paths = options.files;
  if (paths.empty()) paths.push_back((search::workspace_directory(options.workspace) / "corpus.jsonl").string());
  std::vector<Corpus> read;
  for (const std::string& path : paths) {
    AMK_ASSIGN_OR_RETURN(Corpus corpus, search::read_corpus(path));
    read.push_back(std::move(corpus));
  }
  return search::merge_corpora(std::move(read));
}

// ---- what is told ---------------------------------------------------------------------------------------------------

const char* kind_name(eval::LatencyKind kind) {
  return kind == eval::LatencyKind::kMeasuredGpu ? "measured-gpu" : "predicted";
}

Json group_json(const Group& group) {
  Json outcomes = Json::object();
  for (size_t i = 0; i < group.outcomes.size(); ++i) outcomes[search::kOutcomeNames[i]] = group.outcomes[i];
  const auto at = [&](double q) {
    return group.latencies.empty() ? Json(nullptr) : json_number(eval::quantile(group.latencies, q));
  };
  const search::CampaignHeader& about = *group.about;
  return {{"model", about.model_name},
          {"weights", about.weights},
          {"target", about.target},
          {"position", about.position},
          {"latency_kind", kind_name(about.kind)},
          {"shape", about.shape ? Json(search::shape_text(*about.shape)) : Json(nullptr)},
          {"trials", group.trials},
          {"outcomes", std::move(outcomes)},
          {"learnable", group.learnable},
          {"latency_us", {{"best", at(0)}, {"p10", at(0.1)}, {"median", at(0.5)}, {"p90", at(0.9)}}}};
}

Json run_json(const search::ReplayRun& run) {
  return {{"seed", run.seed},
          {"best_us", json_number(run.best_us)},
          {"cold_trials", run.cold_trials},
          {"warm_trials", run.warm_trials}};
}

Json replay_json(const std::vector<search::ReplayResult>& results) {
  Json out = Json::array();
  for (const search::ReplayResult& of : results) {
    Json one = {{"model", of.model}, {"pool", of.pool}};
    one["why_not"] = of.why_not.empty() ? Json(nullptr) : Json(of.why_not);
    if (of.why_not.empty()) {
      Json runs = Json::array();
      for (const search::ReplayRun& run : of.runs) runs.push_back(run_json(run));
      one.update({{"prior", of.prior},
                  {"rank_correlation",
                   {{"prior", json_number(of.prior_rank_correlation)},
                    {"cost_model", json_number(of.cost_model_rank_correlation)}}},
                  {"cold_median", json_number(of.cold_median)},
                  {"warm_median", json_number(of.warm_median)},
                  {"runs", std::move(runs)}});
    }
    out.push_back(std::move(one));
  }
  return out;
}

std::string groups_text(const std::map<std::string, Group>& groups) {
  Table table({{"trials", Align::kRight},
               {"kept", Align::kRight},
               {"reverted", Align::kRight},
               {"others", Align::kRight},
               {"best us", Align::kRight},
               {"p10", Align::kRight},
               {"p90", Align::kRight},
               {"model, weights, target, position, kind"}});
  for (const auto& [name, group] : groups) {
    const auto at = [&](double q) {
      return group.latencies.empty() ? "-" : fmt::format("{:.2f}", eval::quantile(group.latencies, q));
    };
    const uint32_t kept = group.outcomes[static_cast<size_t>(search::Outcome::kKept)];
    const uint32_t reverted = group.outcomes[static_cast<size_t>(search::Outcome::kReverted)];
    table.add({std::to_string(group.trials), std::to_string(kept), std::to_string(reverted),
               std::to_string(group.trials - kept - reverted), at(0), at(0.1), at(0.9), name});
  }
  return table.text();
}

std::string replay_text(const std::vector<search::ReplayResult>& results) {
  Table table({{"pool", Align::kRight},
               {"rank: cost", Align::kRight},
               {"prior", Align::kRight},
               {"trials: cold", Align::kRight},
               {"warm", Align::kRight},
               {"held out"}});
  std::string why;
  for (const search::ReplayResult& of : results) {
    if (!of.why_not.empty()) {
      why += fmt::format("{}: {}\n", of.model, of.why_not);
      continue;
    }
    table.add({std::to_string(of.pool), fmt::format("{:.2f}", of.cost_model_rank_correlation),
               fmt::format("{:.2f}", of.prior_rank_correlation), fmt::format("{:.1f}", of.cold_median),
               fmt::format("{:.1f}", of.warm_median), of.model});
  }
  return (table.empty() ? "" : "\nTrials until the cold search's best, medians over seeds\n" + table.text()) +
         (why.empty() ? "" : "\nNot replayed\n" + why);
}

/// What a prior would be learned from, for each architecture and kind.
Json priors_json(const Corpus& corpus, std::string& text) {
  std::map<std::pair<uint32_t, eval::LatencyKind>, std::string> targets;
  for (const CorpusTrial& of : corpus.trials) {
    for (const abi::TargetInfo& target : abi::kTargets) {
      if (of.about.target == target.name) targets.emplace(std::pair(target.sm, of.about.kind), of.about.target);
    }
  }
  Json out = Json::array();
  for (const auto& [key, target] : targets) {
    const Result<search::Prior> prior = search::Prior::learn(corpus, key.second, target);
    const std::string line = prior ? prior->text() : "no prior: " + prior.error().text();
    text += line + "\n";
    out.push_back({{"architecture", key.first},
                   {"latency_kind", kind_name(key.second)},
                   {"prior", prior ? Json(prior->id()) : Json(nullptr)},
                   {"text", line}});
  }
  return out;
}

}  // namespace

Result<Exit> corpus(const CorpusOptions& options, Output& output) {
  AMK_ASSIGN_OR_RETURN(const Corpus all, read_all(options));
  const std::map<std::string, Group> groups = groups_of(all);
  Json list = Json::array();
  for (const auto& [name, group] : groups) list.push_back(group_json(group));
  Json document = {{"trials", all.trials.size()}, {"groups", std::move(list)}};
  std::string text = groups_text(groups);
  if (options.check) {
    text += "\n";
    document["priors"] = priors_json(all, text);
  }
  if (options.replay) {
    search::ReplayOptions replay;
    replay.seeds = options.seeds;
    std::vector<search::ReplayResult> results;
    for (const eval::LatencyKind kind : kKinds) {
      std::vector<search::ReplayResult> of = search::replay(all, kind, replay);
      std::move(of.begin(), of.end(), std::back_inserter(results));
    }
    document["replay"] = replay_json(results);
    text += replay_text(results);
  }
  if (!options.export_file.empty()) AMK_TRY(write_file_atomic(options.export_file, search::corpus_text(all)));
  document["notes"] = all.notes;
  if (output.json()) output.document(document);
  output.text(text);
  for (const std::string& note : all.notes) output.note(note);
  return options.check && !all.notes.empty() ? Exit::kNegative : Exit::kDone;
}

}  // namespace amk::cli
