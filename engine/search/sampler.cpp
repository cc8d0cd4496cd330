#include "search/sampler.h"

#include <algorithm>
#include <set>

#include "schedule/schedule_config_json.h"
#include "search/proposer.h"
#include "search/search_space.h"
#include "search/tried.h"

namespace amk::search {
namespace {

using schedule::ScheduleConfig;

std::vector<std::string> values_of(const Knob& knob) {
  if (knob.type != "integer") return knob.neighbours;
  std::vector<std::string> out;
  const uint64_t low = (uint64_t{knob.min} + knob.step - 1) / knob.step * knob.step;
  for (uint64_t value = low; value <= knob.max; value *= 2) out.push_back(std::to_string(value));
  if (knob.has_auto) out.emplace_back("\"auto\"");
  std::erase(out, knob.present);
  return out;
}

void turn_one(ScheduleConfig& config, std::set<std::string>& turned, Random& random) {
  std::vector<Knob> knobs = search_space(config);
  std::erase_if(knobs, [&](const Knob& knob) {
    return !changes_a_pass(knob.path) || turned.contains(knob.path) || values_of(knob).empty();
  });
  if (knobs.empty()) return;
  const Knob& knob = knobs[random.below(knobs.size())];
  const std::vector<std::string> values = values_of(knob);
  turned.insert(knob.path);
  // A value that is refused leaves the knob as it is: the draw turns one fewer.
  ScheduleConfig with = config;
  if (schedule::set_knob(with, knob.path, values[random.below(values.size())]).ok()) config = std::move(with);
}

class Sampler final : public Proposer {
 public:
  Sampler(const SampleOptions& options, Rank plausible) : options_(options), plausible_(std::move(plausible)) {}

  Result<std::optional<Proposal>> next(const Campaign& campaign) override {
    const std::set<std::string> tried = tried_in(campaign);
    Random random(mix64(campaign.header.seed ^ mix64(trials_drawn(campaign) + uint64_t{1})));
    std::optional<ScheduleConfig> drawn;
    for (uint32_t i = 0; i < options_.draws; ++i) {
      ScheduleConfig config = sample_near({}, options_.knobs_max, random);
      if (tried.contains(schedule::config_to_json(config))) continue;
      drawn = std::move(config);
      if (plausible_(*drawn)) break;
    }
    if (!drawn) return std::optional<Proposal>();
    return std::optional(
        Proposal{*drawn, describe_change(campaign.incumbent.config, *drawn), "", "sample", "", std::nullopt});
  }

 private:
  SampleOptions options_;
  Rank plausible_;
};

}  // namespace

ScheduleConfig sample_near(const ScheduleConfig& base, uint32_t knobs_max, Random& random) {
  ScheduleConfig out = base;
  std::set<std::string> turned;
  const uint64_t count = 1 + random.below(knobs_max);
  for (uint64_t i = 0; i < count; ++i) turn_one(out, turned, random);
  return out;
}

std::unique_ptr<Proposer> make_sampler(const SampleOptions& options, Rank plausible) {
  return std::make_unique<Sampler>(options, std::move(plausible));
}

}  // namespace amk::search
