#include "search/tried.h"

#include "schedule/schedule_config_json.h"

namespace amk::search {

std::set<std::string> tried_in(const Campaign& campaign) {
  std::set<std::string> out = {schedule::config_to_json(campaign.start.config),
                               schedule::config_to_json(campaign.incumbent.config)};
  for (const Trial& trial : campaign.trials) out.insert(schedule::config_to_json(trial.proposal.config));
  for (const Proposal& proposal : campaign.in_flight) out.insert(schedule::config_to_json(proposal.config));
  return out;
}

uint32_t trials_drawn(const Campaign& campaign) {
  return static_cast<uint32_t>(campaign.trials.size() + campaign.in_flight.size());
}

}  // namespace amk::search
