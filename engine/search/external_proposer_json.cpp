#include <filesystem>

#include "ipc/run_command.h"
#include "ipc/worker_client.h"
#include "schedule/schedule_config_json.h"
#include "search/proposer.h"
#include "search/search_space.h"
#include "search/trial_json.h"

namespace amk::search {
namespace {

namespace fs = std::filesystem;

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

/// Asks, and reads what is answered.
class ExternalProposer : public Proposer {
 public:
  explicit ExternalProposer(ExternalOptions options) : options_(std::move(options)) {}

  Result<std::optional<Proposal>> next(const Campaign& campaign) final {
    AMK_ASSIGN_OR_RETURN(const std::string answer, ask(state_of(campaign).dump()));
    try {
      return read(Json::parse(answer), campaign);
    } catch (const Json::exception& problem) {
      return refuse(problem.what());
    }
  }

 protected:
  virtual Result<std::string> ask(const std::string& state) = 0;
  /// For Proposal::proposer.
  [[nodiscard]] virtual const char* sort() const = 0;

  [[nodiscard]] const ExternalOptions& options() const { return options_; }

 private:
  Result<std::optional<Proposal>> read(const Json& answer, const Campaign& campaign) const {
    if (answer.value("done", false)) return std::optional<Proposal>();
    if (!answer.at("schedule").is_object()) return refuse("a schedule that is no object");
    Json whole = Json::parse(schedule::config_to_json(campaign.incumbent.config));
    whole.merge_patch(answer.at("schedule"));
    AMK_ASSIGN_OR_RETURN(const schedule::ScheduleConfig config,
                         schedule::config_from_json(whole.dump(), options_.named));
    const std::string note = answer.value("note", "");
    const schedule::ScheduleConfig& present = campaign.incumbent.config;
    return std::optional(Proposal{config, describe_change(present, config), only_knob(present, config), sort(), note});
  }

  Error refuse(const std::string& found) const {
    return {ErrorCode::kBadInput, "expected {\"schedule\": {...}} or {\"done\": true}, found " + found, options_.named,
            "docs/research-loop.md says what a proposer is asked and answers"};
  }

  ExternalOptions options_;
};

class CommandProposer final : public ExternalProposer {
 public:
  using ExternalProposer::ExternalProposer;

 private:
  Result<std::string> ask(const std::string& state) override {
    return ipc::run_command({"/bin/sh", "-c", options().named}, state + "\n", {options().time, options().answer_bytes});
  }
  [[nodiscard]] const char* sort() const override { return "command"; }
};

class LibraryProposer final : public ExternalProposer {
 public:
  LibraryProposer(ExternalOptions options, ipc::WorkerCommand host)
      : ExternalProposer(std::move(options)), host_(ipc::WorkerClient::when_called(std::move(host))) {}

  Status load() {
    AMK_TRY(call("load", Json::object()));
    return {};
  }

 private:
  Result<std::string> ask(const std::string& state) override {
    AMK_ASSIGN_OR_RETURN(const Json answer,
                         call("propose", {{"state", state}, {"answer_bytes", options().answer_bytes}}));
    return answer.get<std::string>();
  }
  [[nodiscard]] const char* sort() const override { return "library"; }

  /// What ends the host is the library's fault, not ours.
  Result<Json> call(const char* name, const Json& params) {
    Result<Json> out = host_.call(name, params, options().time);
    if (out.ok()) return out;
    Error error = out.error();
    error.code = ErrorCode::kBadInput;
    error.location = options().named;
    return error;
  }

  ipc::WorkerClient host_;
};

/// The file of a word that ends in .so, or .so and a version.
std::optional<fs::path> library_in(const std::string& named) {
  const std::string file = fs::path(named).filename().string();
  if (named.find_first_of(" \t\n") != std::string::npos) return std::nullopt;
  if (!file.ends_with(".so") && file.find(".so.") == std::string::npos) return std::nullopt;
  return fs::path(named);
}

}  // namespace

Result<std::unique_ptr<Proposer>> make_external_proposer(const ExternalOptions& options) {
  const std::optional<fs::path> library = library_in(options.named);
  if (!library) return std::unique_ptr<Proposer>(std::make_unique<CommandProposer>(options));
  std::error_code problem;
  if (!fs::is_regular_file(*library, problem)) {
    return Error{ErrorCode::kBadInput, "expected a shared library, found no such file", options.named,
                 "a command that ends so is none where it is 'sh -c', or has a blank"};
  }
  AMK_ASSIGN_OR_RETURN(ipc::WorkerCommand host, ipc::installed_worker());
  host.arguments.insert(host.arguments.end(), {"--proposer", fs::absolute(*library, problem).string()});
  auto out = std::make_unique<LibraryProposer>(options, std::move(host));
  AMK_TRY(out->load());
  return std::unique_ptr<Proposer>(std::move(out));
}

}  // namespace amk::search
