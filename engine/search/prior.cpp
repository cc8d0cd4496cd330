#include "search/prior.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "base/sha256.h"
#include "eval/statistics.h"
#include "schedule/schedule_config_json.h"
#include "schedule/target.h"
#include "search/prior_features.h"
#include "search/ranking.h"
#include "search/svr.h"

namespace amk::search {
namespace {

constexpr size_t kCampaignTrialsMin = 4;  ///< fewer say nothing about an order
constexpr size_t kTrainingRowsMax = 1200;
constexpr size_t kSearchRowsMax = 360;  ///< rows that parameters are chosen with
constexpr size_t kFoldsMax = 6;
constexpr size_t kBestOfModel = 3;
constexpr std::string_view kVersion = "prior 3\n";
/// log(latency / the start's) beyond which slow is slow: what counts is the order of what is fast.
constexpr double kLogRatioMax = 0.3;

/// A trial that something is learned from.
struct Row {
  SparseRow features;  ///< less the campaign's means
  double log_predicted = 0;
  double log_ratio = 0;  ///< latency over the campaign's start's
  double target = 0;     ///< log_ratio up to kLogRatioMax, less the campaign's mean
  uint32_t campaign = 0;
  uint32_t shape = 0;
  uint32_t model = 0;
  const CorpusTrial* trial = nullptr;
};

constexpr std::array kCosts = {0.01, 0.03, 0.1, 0.3, 1.0};
constexpr std::array kStrengths = {0.0, 0.5, 1.0};

// ---- rows -----------------------------------------------------------------------------------------------------------

class Rows {
 public:
  /// The trials of one campaign, in order.
  void add(std::span<const CorpusTrial> trials) {
    std::vector<const Trial*> all;
    for (const CorpusTrial& of : trials) all.push_back(&of.trial);
    const std::vector<std::optional<double>> came = log_ratios_to_start(all);
    std::vector<Row> found;
    for (size_t i = 0; i < trials.size(); ++i) {
      const CorpusTrial& of = trials[i];
      if (!came[i] || !of.trial.facts || !of.about.shape) continue;
      Row row;
      row.log_predicted = std::log(of.trial.facts->predicted_us);
      row.log_ratio = *came[i];
      row.trial = &of;
      found.push_back(std::move(row));
    }
    left_out += static_cast<uint32_t>(trials.size() - (found.size() < kCampaignTrialsMin ? 0 : found.size()));
    if (found.size() < kCampaignTrialsMin) return;
    keep(std::move(found));
    for (const CorpusTrial& of : trials) snapshot += of.line + "\n";
  }

  std::vector<Row> rows;
  std::string snapshot;
  uint32_t left_out = 0;
  uint32_t campaigns = 0;
  std::map<std::string, uint32_t> columns;  ///< of features, by name
  std::map<std::string, uint32_t> shapes;
  std::map<std::string, uint32_t> models;

 private:
  static uint32_t number_of(std::map<std::string, uint32_t>& numbers, const std::string& name) {
    return numbers.emplace(name, static_cast<uint32_t>(numbers.size())).first->second;
  }

  void keep(std::vector<Row> found) {
    std::vector<std::map<uint32_t, double>> features;
    std::map<uint32_t, double> means;
    double mean = 0;
    const auto count = static_cast<double>(found.size());
    for (const Row& row : found) {
      std::map<uint32_t, double>& of = features.emplace_back();
      const CorpusTrial& trial = *row.trial;
      for (const PriorFeature& feature : prior_features(trial.trial.proposal.config, *trial.trial.facts, trial.about)) {
        const uint32_t column = number_of(columns, feature.name);
        of[column] = feature.value;
        means[column] += feature.value / count;
      }
      mean += std::min(row.log_ratio, kLogRatioMax) / count;
    }
    for (size_t i = 0; i < found.size(); ++i) {
      Row& row = found[i];
      for (const auto& [column, of] : means) {
        const auto value = features[i].find(column);
        row.features.emplace_back(column, (value == features[i].end() ? 0 : value->second) - of);
      }
      row.target = std::min(row.log_ratio, kLogRatioMax) - mean;
      row.campaign = campaigns;
      row.shape = number_of(shapes, shape_text(*row.trial->about.shape));
      row.model = number_of(models, group_of(row.trial->about));
      rows.push_back(std::move(row));
    }
    ++campaigns;
  }
};

/// The campaigns of one kind and architecture.
Rows rows_of(const Corpus& corpus, eval::LatencyKind kind, uint32_t architecture) {
  Rows out;
  const std::vector<CorpusTrial>& all = corpus.trials;
  for (size_t begin = 0; begin < all.size();) {
    size_t end = begin + 1;
    while (end < all.size() && same_campaign(all[begin], all[end])) ++end;
    const Result<const abi::TargetInfo*> target = schedule::find_target(all[begin].about.target);
    if (all[begin].about.kind == kind && target && (*target)->sm == architecture)
      out.add(std::span(all).subspan(begin, end - begin));
    begin = end;
  }
  return out;
}

/// At most `most` of them, evenly spread: every campaign keeps its share.
std::vector<const Row*> some_of(const std::vector<Row>& rows, size_t most) {
  std::vector<const Row*> out;
  const size_t count = std::min(rows.size(), most);
  for (size_t i = 0; i < count; ++i) out.push_back(&rows[i * rows.size() / count]);
  return out;
}

// ---- learning -------------------------------------------------------------------------------------------------------

Svr train(const std::vector<const Row*>& rows, double cost) {
  std::vector<SparseRow> features;
  std::vector<double> targets;
  for (const Row* row : rows) {
    features.push_back(row->features);
    targets.push_back(row->target);
  }
  SvrOptions options;
  options.cost = cost;
  return Svr::train(features, targets, options);
}

/// Which fold a row is held out in, and what a fold is made of.
struct Folds {
  std::string of;
  size_t count = 0;
  std::vector<size_t> fold;
};

/// Whole shapes where there are several, else whole campaigns, else trials. A shape that has more than half of the rows
/// is held out campaign by campaign all the same: the little that is left would say nothing of what all can teach.
Folds folds_of(const std::vector<const Row*>& rows, size_t shapes, size_t campaigns) {
  Folds out;
  out.of = shapes > 1 ? "shapes" : campaigns > 1 ? "campaigns" : "trials";
  std::map<uint32_t, size_t> of_shape;
  for (const Row* row : rows) ++of_shape[row->shape];
  std::map<std::pair<uint32_t, size_t>, size_t> groups;  // a shape, and a part of it
  for (size_t i = 0; i < rows.size(); ++i) {
    const Row& row = *rows[i];
    const bool whole = shapes > 1 && 2 * of_shape[row.shape] <= rows.size();
    const size_t part = whole ? 0 : campaigns > 1 ? row.campaign : i;
    out.fold.push_back(groups.emplace(std::pair{row.shape, part}, groups.size()).first->second % kFoldsMax);
  }
  out.count = std::min(kFoldsMax, groups.size());
  return out;
}

/// The cost model's word and what was learned, in shares: logarithms of latencies, up to a constant of the campaign.
double mixed(double log_predicted, double learned, double strength) {
  return (1 - strength) * log_predicted + strength * learned;
}

/// The rank correlation in each campaign, weighted by its trials; `learned` is of each row.
double order_quality(const std::vector<const Row*>& rows, const std::vector<double>& learned, double strength) {
  std::map<uint32_t, std::pair<std::vector<double>, std::vector<double>>> of;
  for (size_t i = 0; i < rows.size(); ++i) {
    of[rows[i]->campaign].first.push_back(mixed(rows[i]->log_predicted, learned[i], strength));
    of[rows[i]->campaign].second.push_back(rows[i]->log_ratio);
  }
  double sum = 0;
  for (const auto& [campaign, pair] : of)
    sum += rank_correlation(pair.first, pair.second).value_or(0) * static_cast<double>(pair.first.size());
  return sum / static_cast<double>(rows.size());
}

/// What is said of each row, by what was learned without its fold.
std::vector<double> held_out(const std::vector<const Row*>& rows, const Folds& folds, double cost) {
  std::vector<double> out(rows.size(), 0);
  for (size_t fold = 0; fold < folds.count; ++fold) {
    std::vector<const Row*> training;
    for (size_t i = 0; i < rows.size(); ++i) {
      if (folds.fold[i] != fold) training.push_back(rows[i]);
    }
    if (training.size() < 2) continue;
    const Svr svr = train(training, cost);
    for (size_t i = 0; i < rows.size(); ++i) {
      if (folds.fold[i] == fold) out[i] = svr.predict(rows[i]->features);
    }
  }
  return out;
}

/// The cost that gives the best order of what was held out; with its strength in the summary.
double choose(const Rows& rows, PriorSummary& summary) {
  const std::vector<const Row*> some = some_of(rows.rows, kSearchRowsMax);
  const Folds folds = folds_of(some, rows.shapes.size(), rows.campaigns);
  summary.held_out = folds.of;
  summary.cost_model_rank_correlation = order_quality(some, std::vector<double>(some.size(), 0), 0);
  summary.rank_correlation = summary.cost_model_rank_correlation;
  constexpr double kBetter = 0.005;  // less is chance
  double best = kCosts.front();
  for (const double cost : kCosts) {
    const std::vector<double> learned = held_out(some, folds, cost);
    for (const double strength : kStrengths) {
      const double quality = order_quality(some, learned, strength);
      if (quality < summary.cost_model_rank_correlation + kBetter || quality <= summary.rank_correlation) continue;
      best = cost;
      summary.rank_correlation = quality;
      summary.strength = strength;
    }
  }
  return best;
}

std::vector<schedule::ScheduleConfig> best_of_models(const std::vector<Row>& rows) {
  std::map<uint32_t, std::vector<const Row*>> by_model;
  for (const Row& row : rows) by_model[row.model].push_back(&row);
  for (auto& [model, list] : by_model) {
    std::ranges::stable_sort(list, {}, &Row::log_ratio);
  }
  std::vector<schedule::ScheduleConfig> out;
  std::set<std::string> seen;
  for (size_t place = 0; place < kBestOfModel; ++place) {
    for (const auto& [model, list] : by_model) {
      if (place >= list.size()) continue;
      const schedule::ScheduleConfig& config = list[place]->trial->trial.proposal.config;
      if (seen.insert(schedule::config_to_json(config)).second) out.push_back(config);
    }
  }
  return out;
}

}  // namespace

struct Prior::Impl {
  Svr svr;
  std::map<std::string, uint32_t> columns;
  PriorSummary summary;
  std::vector<schedule::ScheduleConfig> best;
  std::string snapshot;
  std::string id;
};

Prior::Prior(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Prior::Prior(Prior&&) noexcept = default;
Prior& Prior::operator=(Prior&&) noexcept = default;
Prior::~Prior() = default;

Result<Prior> Prior::learn(const Corpus& corpus, eval::LatencyKind kind, const std::string& target) {
  AMK_ASSIGN_OR_RETURN(const abi::TargetInfo* info, schedule::find_target(target));
  Rows rows = rows_of(corpus, kind, info->sm);
  if (rows.rows.size() < kTrialsMin) {
    return Error{
        ErrorCode::kBadInput,
        fmt::format(
            "expected at least {} trials to learn a prior from ({}, sm_{}), found {}, and {} that lack "
            "a latency, the model's shape or what became of the trial before, or whose campaign has fewer than {}",
            kTrialsMin, latency_kind_text(kind), info->sm, rows.rows.size(), rows.left_out, kCampaignTrialsMin),
        "the corpus", "more campaigns make it"};
  }
  PriorSummary summary;
  summary.kind = kind;
  summary.architecture = info->sm;
  summary.trials = static_cast<uint32_t>(rows.rows.size());
  summary.campaigns = rows.campaigns;
  summary.shapes = static_cast<uint32_t>(rows.shapes.size());
  summary.left_out = rows.left_out;
  const double cost = choose(rows, summary);
  Svr svr = train(some_of(rows.rows, kTrainingRowsMax), cost);
  const std::string id = sha256_hex(std::string(kVersion) + rows.snapshot).substr(0, 12);
  return Prior(std::make_unique<Impl>(Impl{std::move(svr), std::move(rows.columns), std::move(summary),
                                           best_of_models(rows.rows), std::move(rows.snapshot), id}));
}

double Prior::expected_us(const schedule::ScheduleConfig& config, const ProgramFacts& facts,
                          const CampaignHeader& about) const {
  if (impl_->summary.strength == 0) return facts.predicted_us;
  SparseRow row;
  for (const PriorFeature& feature : prior_features(config, facts, about)) {
    // A value that no trial had says nothing.
    if (const auto column = impl_->columns.find(feature.name); column != impl_->columns.end())
      row.emplace_back(column->second, feature.value);
  }
  std::ranges::sort(row);
  // What is learned has no unit: the floor, alike for every schedule of a model, lends it one.
  const double learned = std::log(facts.floor_us) + impl_->svr.predict(row);
  return std::exp(mixed(std::log(facts.predicted_us), learned, impl_->summary.strength));
}

const std::vector<schedule::ScheduleConfig>& Prior::best_schedules() const { return impl_->best; }
const std::string& Prior::id() const { return impl_->id; }
const std::string& Prior::snapshot() const { return impl_->snapshot; }
const PriorSummary& Prior::summary() const { return impl_->summary; }

std::string Prior::text() const {
  const PriorSummary& of = impl_->summary;
  return fmt::format(
      "prior {}: learned from {} trials of {} campaigns and {} shapes ({}, sm_{}); with {} held out its order "
      "correlates {:.2f} with what came, the cost model's {:.2f}",
      impl_->id, of.trials, of.campaigns, of.shapes, latency_kind_text(of.kind), of.architecture, of.held_out,
      of.rank_correlation, of.cost_model_rank_correlation);
}

}  // namespace amk::search
