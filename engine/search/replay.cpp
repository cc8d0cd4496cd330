#include "search/replay.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "base/random.h"
#include "eval/statistics.h"
#include "schedule/schedule_config_json.h"
#include "search/prior.h"
#include "search/ranking.h"

namespace amk::search {
namespace {

constexpr size_t kPoolMin = 20;

/// A schedule that was measured.
struct Entry {
  double latency_us = 0;
  double predicted_us = 0;
  double expected_us = 0;  ///< by the prior
  const CorpusTrial* trial = nullptr;
};

/// The trials of a model; of a schedule that was measured twice the first.
std::vector<Entry> pool_of(const std::vector<const CorpusTrial*>& trials) {
  std::vector<Entry> out;
  std::set<std::string> seen;
  for (size_t begin = 0; begin < trials.size();) {
    size_t end = begin;
    std::vector<const Trial*> campaign;
    while (end < trials.size() && same_campaign(*trials[begin], *trials[end]))
      campaign.push_back(&trials[end++]->trial);
    const std::vector<std::optional<double>> came = log_ratios_to_start(campaign);
    std::optional<double> start_us;
    for (size_t i = 0; i < campaign.size(); ++i) {
      if (!came[i] || !campaign[i]->facts || !trials[begin + i]->about.shape) continue;
      if (!start_us) start_us = campaign[i]->measurement->latency_us / std::exp(*came[i]);
      if (!seen.insert(schedule::config_to_json(campaign[i]->proposal.config)).second) continue;
      out.push_back({*start_us * std::exp(*came[i]), campaign[i]->facts->predicted_us, 0, trials[begin + i]});
    }
    begin = end;
  }
  return out;
}

/// Indices of a pool in the order in which a search tries them.
class Search {
 public:
  Search(const std::vector<Entry>& pool, const ReplayOptions& options, uint64_t seed, bool warm)
      : pool_(pool), options_(options), seed_(seed), warm_(warm), left_(pool.size()) {
    std::iota(left_.begin(), left_.end(), size_t{0});
    if (warm) draw_first();
  }

  std::vector<size_t> order(size_t trials) {
    std::vector<size_t> out;
    while (out.size() < trials && !left_.empty()) {
      const size_t next = next_of(out.size());
      std::erase(left_, next);
      std::erase(first_, next);
      out.push_back(next);
    }
    return out;
  }

 private:
  [[nodiscard]] double rank(size_t entry) const { return warm_ ? pool_[entry].expected_us : pool_[entry].predicted_us; }

  void draw_first() {
    Random random(mix64(seed_ ^ 0x7072696f72ULL));
    std::vector<size_t> all = left_;
    for (size_t i = 0; i < std::min<size_t>(options_.sample, all.size()); ++i) {
      std::swap(all[i], all[i + random.below(all.size() - i)]);
      first_.push_back(all[i]);
    }
    std::ranges::stable_sort(first_, {}, [&](size_t entry) { return rank(entry); });
  }

  size_t next_of(size_t trial) {
    if (trial < options_.prior_trials && !first_.empty()) return first_.front();
    Random random(mix64(seed_ ^ mix64(trial + 1)));
    const bool at_random = random.uniform() < options_.epsilon;
    std::vector<size_t> drawn = left_;
    const size_t count = at_random ? 1 : std::min<size_t>(options_.draw, drawn.size());
    for (size_t i = 0; i < count; ++i) std::swap(drawn[i], drawn[i + random.below(drawn.size() - i)]);
    drawn.resize(count);
    return *std::ranges::min_element(drawn, {}, [&](size_t entry) { return rank(entry); });
  }

  const std::vector<Entry>& pool_;
  const ReplayOptions& options_;
  uint64_t seed_;
  bool warm_;
  std::vector<size_t> left_;
  std::vector<size_t> first_;
};

uint32_t trials_until(const std::vector<Entry>& pool, const std::vector<size_t>& order, double latency_us) {
  uint32_t out = 0;
  for (const size_t entry : order) {
    ++out;
    if (pool[entry].latency_us <= latency_us) break;
  }
  return out;
}

ReplayRun run_of(const std::vector<Entry>& pool, const ReplayOptions& options, uint64_t seed) {
  const auto budget = static_cast<size_t>(std::ceil(options.share * static_cast<double>(pool.size())));
  const std::vector<size_t> cold = Search(pool, options, seed, false).order(budget);
  const std::vector<size_t> warm = Search(pool, options, seed, true).order(pool.size());
  ReplayRun out;
  out.seed = seed;
  const size_t best = *std::ranges::min_element(cold, {}, [&](size_t entry) { return pool[entry].latency_us; });
  out.best_us = pool[best].latency_us;
  const double reached = out.best_us * (1 + options.tolerance);
  out.cold_trials = trials_until(pool, cold, reached);
  out.warm_trials = trials_until(pool, warm, reached);
  return out;
}

double median_of(const std::vector<ReplayRun>& runs, uint32_t ReplayRun::*which) {
  std::vector<double> values;
  for (const ReplayRun& run : runs) values.push_back(run.*which);
  return eval::quantile(values, 0.5);
}

/// How well `what` orders the pool.
double quality(const std::vector<Entry>& pool, double Entry::*what) {
  std::vector<double> came;
  std::vector<double> said;
  for (const Entry& entry : pool) {
    came.push_back(entry.latency_us);
    said.push_back(entry.*what);
  }
  return rank_correlation(said, came).value_or(0);
}

/// What is left of the corpus without a shape.
Corpus without(const Corpus& corpus, const ModelShape& shape) {
  Corpus out;
  std::ranges::copy_if(corpus.trials, std::back_inserter(out.trials), [&](const CorpusTrial& of) {
    return !of.about.shape || shape_text(*of.about.shape) != shape_text(shape);
  });
  return out;
}

ReplayResult replay_model(const Corpus& corpus, const std::vector<const CorpusTrial*>& trials,
                          const ReplayOptions& options) {
  ReplayResult out;
  const CampaignHeader& about = trials.front()->about;
  out.model = group_of(about);
  std::vector<Entry> pool = pool_of(trials);
  out.pool = static_cast<uint32_t>(pool.size());
  if (pool.size() < kPoolMin) {
    out.why_not = fmt::format("expected at least {} schedules with a latency, found {}", kPoolMin, pool.size());
    return out;
  }
  const Result<Prior> prior = Prior::learn(without(corpus, *pool.front().trial->about.shape), about.kind, about.target);
  if (!prior) {
    out.why_not = prior.error().text();
    return out;
  }
  out.prior = prior->text();
  for (Entry& entry : pool) {
    const CorpusTrial& of = *entry.trial;
    entry.expected_us = prior->expected_us(of.trial.proposal.config, *of.trial.facts, of.about);
  }
  out.cost_model_rank_correlation = quality(pool, &Entry::predicted_us);
  out.prior_rank_correlation = quality(pool, &Entry::expected_us);
  for (uint64_t seed = 1; seed <= options.seeds; ++seed) out.runs.push_back(run_of(pool, options, seed));
  out.cold_median = median_of(out.runs, &ReplayRun::cold_trials);
  out.warm_median = median_of(out.runs, &ReplayRun::warm_trials);
  return out;
}

}  // namespace

std::vector<ReplayResult> replay(const Corpus& corpus, eval::LatencyKind kind, const ReplayOptions& options) {
  std::map<std::string, std::vector<const CorpusTrial*>> models;
  for (const CorpusTrial& of : corpus.trials) {
    if (of.about.kind == kind) models[group_of(of.about)].push_back(&of);
  }
  std::vector<ReplayResult> out;
  for (const auto& [name, trials] : models) out.push_back(replay_model(corpus, trials, options));
  return out;
}

}  // namespace amk::search
