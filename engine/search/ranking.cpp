#include "search/ranking.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace amk::search {
namespace {

constexpr size_t kPairsMin = 3;

/// Ranks counted from 1; equal values share the mean of theirs.
std::vector<double> ranks_of(std::span<const double> values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, {}, [&](size_t i) { return values[i]; });
  std::vector<double> out(values.size());
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    for (size_t i = begin; i < end; ++i) out[order[i]] = static_cast<double>(begin + end + 1) / 2;
    begin = end;
  }
  return out;
}

/// Where the trial's ratio counts from: log(latency / the start's) of what it was compared with. Lanes may have
/// replaced that since.
std::optional<double> came_from(const Trial& trial, const std::vector<std::optional<double>>& out, double incumbent) {
  const std::optional<uint32_t> against = trial.measurement->against;
  if (!against) return incumbent;
  if (*against == 0) return 0;
  return *against < trial.number ? out[*against - 1] : std::nullopt;
}

}  // namespace

std::vector<std::optional<double>> log_ratios_to_start(std::span<const Trial* const> trials) {
  std::vector<std::optional<double>> out(trials.size());
  double incumbent = 0;  // log(its latency / the start's)
  for (size_t i = 0; i < trials.size(); ++i) {
    const Trial& trial = *trials[i];
    if (trial.number != i + 1) break;
    if (!trial.measurement || !(trial.measurement->ratio.value > 0)) continue;
    const std::optional<double> from = came_from(trial, out, incumbent);
    if (!from) continue;
    out[i] = *from + std::log(trial.measurement->ratio.value);
    if (trial.outcome == Outcome::kKept) incumbent = *out[i];
  }
  return out;
}

std::optional<double> rank_correlation(std::span<const double> a, std::span<const double> b) {
  if (a.size() != b.size() || a.size() < kPairsMin) return std::nullopt;
  const std::vector<double> x = ranks_of(a);
  const std::vector<double> y = ranks_of(b);
  const double mean = static_cast<double>(a.size() + 1) / 2;
  double xx = 0;
  double yy = 0;
  double xy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    xx += (x[i] - mean) * (x[i] - mean);
    yy += (y[i] - mean) * (y[i] - mean);
    xy += (x[i] - mean) * (y[i] - mean);
  }
  if (xx == 0 || yy == 0) return std::nullopt;
  return xy / std::sqrt(xx * yy);
}

RankQuality rank_quality(std::span<const Trial> trials, uint32_t from) {
  std::vector<const Trial*> all;
  for (const Trial& trial : trials) all.push_back(&trial);
  const std::vector<std::optional<double>> came = log_ratios_to_start(all);
  std::vector<double> found;
  std::vector<double> cost;
  std::vector<double> found_with_prior;
  std::vector<double> prior;
  for (size_t i = 0; i < trials.size(); ++i) {
    if (!came[i] || !trials[i].facts || trials[i].number < from) continue;
    found.push_back(*came[i]);
    cost.push_back(trials[i].facts->predicted_us);
    if (!trials[i].proposal.prior_us) continue;
    found_with_prior.push_back(*came[i]);
    prior.push_back(*trials[i].proposal.prior_us);
  }
  return {static_cast<uint32_t>(found.size()), rank_correlation(cost, found),
          rank_correlation(prior, found_with_prior)};
}

}  // namespace amk::search
