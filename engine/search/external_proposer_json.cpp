#include <algorithm>

#include "ipc/run_command.h"
#include "schedule/schedule_config_json.h"
#include "search/proposer.h"
#include "search/search_space.h"
#include "search/trial_json.h"

namespace amk::search {
namespace {

constexpr size_t kNoteBytesMax = 1000;

Json knob_state(const Knob& knob) {
  Json neighbours = Json::array();
  for (const std::string& value : knob.neighbours) neighbours.push_back(Json::parse(value));
  return {{"knob", knob.path},
          {"present", Json::parse(knob.present)},
          {"neighbours", std::move(neighbours)},
          {"meaning", knob.doc}};
}

Json state_of(const Campaign& campaign) {
  Json trials = Json::array();
  for (const Trial& trial : campaign.trials) trials.push_back(to_json(trial));
  Json in_flight = Json::array();
  for (const Proposal& proposal : campaign.in_flight) {
    in_flight.push_back(
        {{"change", proposal.change}, {"schedule", Json::parse(schedule::config_to_json(proposal.config))}});
  }
  Json knobs = Json::array();
  for (const Knob& knob : search_space(campaign.incumbent.config)) knobs.push_back(knob_state(knob));
  return {{"campaign", campaign.name},
          {"about", to_json(campaign.header)},
          {"start", to_json(campaign.start)},
          {"incumbent", to_json(campaign.incumbent)},
          {"next_trial", campaign.trials.size() + 1},
          {"trials", std::move(trials)},
          {"in_flight", std::move(in_flight)},
          {"knobs", std::move(knobs)}};
}

class CommandProposer final : public Proposer {
 public:
  explicit CommandProposer(CommandOptions options) : options_(std::move(options)) {}

  Result<std::optional<Proposal>> next(const Campaign& campaign) override {
    AMK_ASSIGN_OR_RETURN(const std::string answer,
                         ipc::run_command({"/bin/sh", "-c", options_.command}, state_of(campaign).dump() + "\n",
                                          {options_.time, options_.answer_bytes}));
    try {
      return read(Json::parse(answer), campaign);
    } catch (const Json::exception& problem) {
      return refuse(problem.what());
    }
  }

 private:
  Result<std::optional<Proposal>> read(const Json& answer, const Campaign& campaign) const {
    if (answer.value("done", false)) return std::optional<Proposal>();
    if (!answer.at("schedule").is_object()) return refuse("a schedule that is no object");
    Json whole = Json::parse(schedule::config_to_json(campaign.incumbent.config));
    whole.merge_patch(answer.at("schedule"));
    AMK_ASSIGN_OR_RETURN(const schedule::ScheduleConfig config,
                         schedule::config_from_json(whole.dump(), options_.command));
    const std::string note = answer.value("note", "").substr(0, kNoteBytesMax);
    return std::optional(
        Proposal{config, describe_change(campaign.incumbent.config, config), "", "command", plain_text(note)});
  }

  /// Bytes that are no UTF-8 would be refused where the trial is written.
  static std::string plain_text(const std::string& text) {
    return Json::parse(Json(text).dump(-1, ' ', false, Json::error_handler_t::replace)).get<std::string>();
  }

  Error refuse(const std::string& found) const {
    return {ErrorCode::kBadInput, "expected {\"schedule\": {...}} or {\"done\": true}, found " + found,
            options_.command, "docs/research-loop.md says what a proposer is asked and answers"};
  }

  CommandOptions options_;
};

}  // namespace

std::unique_ptr<Proposer> make_command_proposer(const CommandOptions& options) {
  return std::make_unique<CommandProposer>(options);
}

}  // namespace amk::search
