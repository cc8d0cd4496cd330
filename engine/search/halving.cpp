#include "search/halving.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/assert.h"

namespace amk::search {
namespace {

/// Candidates that go on from the rung that ranks by prediction, with measurements.
constexpr size_t kRankedForOneBuilt = 4;

size_t built_of(size_t candidates) { return (candidates + kRankedForOneBuilt - 1) / kRankedForOneBuilt; }

/// One that is still there, and by what it is ranked: a predicted latency, then a ratio to the incumbent.
struct Ranked {
  Contender contender;
  double score = 0;
};

class Round {
 public:
  Round(Gate& gate, const HalvingOptions& options, const OnLeft& on_left, size_t candidates)
      : gate_(gate), options_(options), on_left_(on_left), rungs_(rungs_of(candidates, gate.kind())) {}

  Result<std::optional<Trial>> judge(const std::vector<Proposal>& proposals) {
    for (const Proposal& proposal : proposals) here_.push_back({Contender(proposal)});
    AMK_TRY(rank_by_prediction());
    for (uint32_t blocks = options_.first_blocks; here_.size() > 1 && !stopped_; blocks *= 2) AMK_TRY(measure(blocks));
    if (here_.empty() || stopped_) return std::optional<Trial>();
    AMK_ASSIGN_OR_RETURN(Trial decided, gate_.decide(here_.front().contender, 0));
    return std::optional(std::move(decided));
  }

 private:
  /// The first rung. What has no prediction is no program: the gate says why.
  Status rank_by_prediction() {
    ++rung_;
    std::vector<Ranked> ranked;
    for (Ranked& each : here_) {
      const std::optional<double> us = gate_.predict(each.contender);
      if (us) {
        each.score = *us;
        ranked.push_back(std::move(each));
        continue;
      }
      AMK_ASSIGN_OR_RETURN(const Trial refused, gate_.decide(each.contender, 0));
      if (!tell(refused)) return {};
    }
    here_ = std::move(ranked);
    const bool measures = gate_.kind() == eval::LatencyKind::kMeasuredGpu;
    leave_all_but(measures ? built_of(here_.size()) : 1,
                  [](double us) { return fmt::format("{:.2f} us, predicted", us); });
    return {};
  }

  /// A rung of so many blocks more for each.
  Status measure(uint32_t blocks) {
    ++rung_;
    for (Ranked& each : here_) {
      make_room_for(each);
      AMK_TRY(gate_.try_out(each.contender, blocks));
      if (each.contender.over()) {
        if (!tell(each.contender.trial())) return {};
        continue;
      }
      each.score = *each.contender.ratio();
    }
    std::erase_if(here_, [](const Ranked& each) { return each.contender.over(); });
    leave_all_but((here_.size() + 1) / 2, [](double ratio) {
      return fmt::format("{:.2f}% {}", 100 * std::abs(1 - ratio), ratio <= 1 ? "faster" : "slower");
    });
    return {};
  }

  /// Unloads the worst of those that are loaded, where there is no room for one more. Those of this rung have scores of
  /// this rung, the others of the last: either way the worst is the least likely to be wanted again.
  void make_room_for(const Ranked& wanted) {
    if (wanted.contender.loaded()) return;
    while (true) {
      Ranked* worst = nullptr;
      uint32_t loaded = 0;
      for (Ranked& each : here_) {
        if (!each.contender.loaded()) continue;
        ++loaded;
        if (worst == nullptr || each.score > worst->score) worst = &each;
      }
      if (worst == nullptr || loaded < gate_.room()) return;
      worst->contender.unload();
    }
  }

  template <typename Text>
  void leave_all_but(size_t going_on, const Text& score_text) {
    std::ranges::stable_sort(here_, {}, &Ranked::score);
    const size_t all = here_.size();
    // The worst first: what is told last is what came furthest.
    for (size_t place = all; place > std::max<size_t>(going_on, 1); --place) {
      Ranked& last = here_[place - 1];
      const auto& measured = last.contender.trial().measurement;
      const std::string after = measured ? fmt::format(" after {} blocks", measured->blocks) : "";
      const Trial left = last.contender.give_up(fmt::format("left at rung {} of {}: {}{}, place {} of {}", rung_,
                                                            rungs_, score_text(last.score), after, place, all));
      here_.pop_back();
      if (!tell(left)) return;
    }
  }

  bool tell(const Trial& trial) {
    stopped_ = stopped_ || !on_left_(trial);
    return !stopped_;
  }

  Gate& gate_;
  const HalvingOptions& options_;
  const OnLeft& on_left_;
  uint32_t rungs_;
  uint32_t rung_ = 0;  ///< counted from 1
  bool stopped_ = false;
  std::vector<Ranked> here_;
};

}  // namespace

uint32_t rungs_of(size_t candidates, eval::LatencyKind kind) {
  if (candidates <= 1) return 1;
  uint32_t out = 2;  // the ranking, and the decision
  if (kind == eval::LatencyKind::kPredicted) return out;
  for (size_t left = built_of(candidates); left > 1; left = (left + 1) / 2) ++out;
  return out;
}

Result<std::optional<Trial>> judge_round(Gate& gate, const std::vector<Proposal>& proposals,
                                         const HalvingOptions& options, const OnLeft& on_left) {
  AMK_ASSERT(options.first_blocks > 0, "a rung measures something");
  return Round(gate, options, on_left, proposals.size()).judge(proposals);
}

}  // namespace amk::search
