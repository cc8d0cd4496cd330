#include "search/report_analysis.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <numeric>
#include <utility>

#include "search/search_space.h"

namespace amk::search {
namespace {

constexpr size_t kExamples = 3;

/// What is gathered of one value.
struct Gathered {
  std::vector<double> ratios;
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  uint32_t kept = 0;
};

/// Each run of digits, with its points, as '#'. Digits within a word are left: they are names.
std::string without_numbers(const std::string& text) {
  std::string out;
  const auto letter = [](char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_'; };
  const auto digit = [](char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; };
  for (size_t i = 0; i < text.size();) {
    if (!digit(text[i]) || (i > 0 && letter(text[i - 1]))) {
      out += text[i++];
      continue;
    }
    while (i < text.size() &&
           (digit(text[i]) || ((text[i] == '.' || text[i] == ',') && i + 1 < text.size() && digit(text[i + 1]))))
      ++i;
    out += '#';
  }
  return out;
}

std::string reason_key(const Trial& trial) {
  const bool whole = trial.outcome == Outcome::kRefused || trial.outcome == Outcome::kBroken;
  const size_t end = whole ? std::string::npos : trial.reason.find(": ");
  return without_numbers(trial.reason.substr(0, end));
}

}  // namespace

std::vector<KnobEffect> knob_effects(const Campaign& campaign) {
  std::map<std::pair<std::string, std::string>, Gathered> by_value;
  schedule::ScheduleConfig incumbent = campaign.start.config;
  uint32_t kept = 0;  // the trial of the incumbent
  for (const Trial& trial : campaign.trials) {
    const std::vector<KnobChange> changes = changed_knobs(incumbent, trial.proposal.config);
    // In lanes a trial may have been compared with an incumbent that was replaced meanwhile.
    if (changes.size() == 1 && trial.measurement && trial.measurement->against.value_or(kept) == kept) {
      Gathered& of = by_value[{changes.front().path, changes.front().to}];
      of.ratios.push_back(trial.measurement->ratio.value);
      of.low = std::min(of.low, trial.measurement->ratio.low);
      of.high = std::max(of.high, trial.measurement->ratio.high);
      of.kept += trial.outcome == Outcome::kKept ? 1 : 0;
    }
    if (trial.outcome != Outcome::kKept) continue;
    incumbent = trial.proposal.config;
    kept = trial.number;
  }
  std::vector<KnobEffect> out;
  for (const Knob& knob : search_space(campaign.start.config)) {
    const size_t first = out.size();
    for (const auto& [key, of] : by_value) {
      if (key.first != knob.path) continue;
      out.push_back({key.first,
                     key.second,
                     static_cast<uint32_t>(of.ratios.size()),
                     of.kept,
                     {eval::quantile(of.ratios, 0.5), of.low, of.high}});
    }
    std::stable_sort(out.begin() + static_cast<std::ptrdiff_t>(first), out.end(),
                     [](const KnobEffect& a, const KnobEffect& b) { return a.ratio.value < b.ratio.value; });
  }
  return out;
}

std::vector<ReasonGroup> reasons_against(const Campaign& campaign) {
  std::vector<ReasonGroup> out;
  for (const Trial& trial : campaign.trials) {
    if (trial.outcome == Outcome::kKept) continue;
    const std::string key = reason_key(trial);
    auto group = std::ranges::find_if(
        out, [&](const ReasonGroup& of) { return of.outcome == trial.outcome && of.reason == key; });
    if (group == out.end()) group = out.insert(out.end(), ReasonGroup{trial.outcome, key, 0, {}});
    ++group->trials;
    if (group->examples.size() < kExamples) group->examples.push_back(trial.number);
  }
  std::ranges::stable_sort(out, std::greater<>(), &ReasonGroup::trials);
  return out;
}

uint32_t turned_by(const Campaign& campaign, const std::string& knob) {
  uint32_t out = 0;
  schedule::ScheduleConfig incumbent = campaign.start.config;
  for (const Trial& trial : campaign.trials) {
    if (trial.outcome != Outcome::kKept) continue;
    for (const KnobChange& change : changed_knobs(incumbent, trial.proposal.config)) {
      if (change.path == knob) out = trial.number;
    }
    incumbent = trial.proposal.config;
  }
  return out;
}

}  // namespace amk::search
