#include "search/tune_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>

#include "base/files.h"
#include "schedule/schedule_config_json.h"
#include "search/search_space.h"
#include "search/tried.h"

namespace amk::search {
namespace {

constexpr uint64_t kTunedBytesMax = uint64_t{16} << 20;

/// JSON has no infinity: null stands for it.
Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

/// Of the instruction alone: "us" and not "latency_us", which is a pass's.
Json times_json(const Measurement& of) {
  return {
      {"us", number(of.latency_us)},
      {"best_us", number(of.incumbent_us)},
      {"floor_us", number(of.floor_us)},
      {"ratio", {{"value", number(of.ratio.value)}, {"low", number(of.ratio.low)}, {"high", number(of.ratio.high)}}},
      {"blocks", of.blocks},
      {"position", of.position}};
}

Json about_json(const TunedAbout& about) {
  return {{"model", about.model_name}, {"target", about.target},     {"device", about.device},
          {"weights", about.weights},  {"kv_dtype", about.kv_dtype}, {"context", about.context},
          {"position", about.position}};
}

std::filesystem::path directory_of(const Workspace& workspace) { return workspace.history().parent_path(); }

std::filesystem::path tuned_file(const std::filesystem::path& workspace, const std::string& target) {
  return workspace / "tuned" / (target + ".json");
}

/// The value of a knob, by the one writer of schedules.
Json present(const schedule::ScheduleConfig& config, std::string path) {
  std::replace(path.begin(), path.end(), '.', '/');
  return Json::parse(schedule::config_to_json(config)).at(Json::json_pointer("/" + path));
}

Json knob_values(const Instruction& instruction, const schedule::ScheduleConfig& config) {
  Json out = Json::object();
  for (const abi::BuildKnobInfo* knob : instruction.knobs) out[knob->path] = present(config, knob->path);
  return out;
}

/// {"tuned": [entries]}; an empty one where there is no file.
Result<Json> read_entries(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return Json{{"tuned", Json::array()}};
  AMK_ASSIGN_OR_RETURN(const std::string text, read_file(path, kTunedBytesMax));
  Json out = Json::parse(text, nullptr, false);
  if (out.is_object() && out.contains("tuned") && out["tuned"].is_array()) return out;
  return Error{ErrorCode::kBadInput, "expected what amk tune-instruction writes, found something else", path.string(),
               "move the file away"};
}

/// A text of an entry; empty where it has none.
std::string text_of(const Json& entry, const char* key) {
  return entry.is_object() && entry.contains(key) && entry[key].is_string() ? entry[key].get<std::string>() : "";
}

bool is_about(const Json& entry, const TunedAbout& about) {
  return text_of(entry, "model") == about.model_name && text_of(entry, "weights") == about.weights &&
         text_of(entry, "kv_dtype") == about.kv_dtype;
}

/// What an entry says, with values that a schedule can have. Throws Json::exception where it is no entry.
Result<Tuned> tuned_from(const Json& entry, const std::string& location) {
  Tuned out{entry.at("instruction").get<std::string>(), entry.at("model").get<std::string>(), {}};
  schedule::ScheduleConfig config;
  for (const auto& [path, value] : entry.at("knobs").items()) {
    if (const Status set = schedule::set_knob(config, path, value.dump()); !set)
      return Error{ErrorCode::kBadInput, set.error().message, location, "tune the instruction again"};
    out.knobs.emplace_back(path, value.dump());
  }
  return out;
}

class TunedFirst final : public Proposer {
 public:
  TunedFirst(std::vector<Tuned> tuned, std::unique_ptr<Proposer> inner)
      : tuned_(std::move(tuned)), inner_(std::move(inner)) {}

  Result<std::optional<Proposal>> next(const Campaign& campaign) override {
    schedule::ScheduleConfig config = campaign.incumbent.config;
    std::string note;
    for (const Tuned& of : tuned_) {
      for (const auto& [path, value] : of.knobs) AMK_TRY(schedule::set_knob(config, path, value));
      note += fmt::format("{}{} tuned on {}", note.empty() ? "" : ", ", of.folder, of.model_name);
    }
    const auto is_tuned = [](const Proposal& proposal) { return proposal.proposer == kName; };
    const bool proposed = std::ranges::any_of(campaign.trials, is_tuned, &Trial::proposal) ||
                          std::ranges::any_of(campaign.in_flight, is_tuned);
    if (proposed || tried_in(campaign).contains(schedule::config_to_json(config))) return inner_->next(campaign);
    return std::optional(Proposal{config, describe_change(campaign.incumbent.config, config), "", kName, note});
  }

 private:
  static constexpr const char* kName = "tuned";
  std::vector<Tuned> tuned_;
  std::unique_ptr<Proposer> inner_;
};

}  // namespace

Json to_json(const TuneTrial& trial) {
  const Correctness& of = trial.correctness;
  const Json correctness = {{"correct", of.correct},
                            {"repeatable", of.repeatable},
                            {"max_abs_err", number(of.max_abs_err)},
                            {"tolerance", number(of.tolerance)},
                            {"compared_positions", of.compared_positions},
                            {"device", of.device}};
  return {{"trial", trial.number},
          {"knob", trial.knob.empty() ? Json(nullptr) : Json(trial.knob)},
          {"value", trial.knob.empty() ? Json(nullptr) : Json(trial.value)},
          {"outcome", kOutcomeNames[static_cast<size_t>(trial.outcome)]},
          {"reason", trial.reason},
          {"kernel_hash", trial.kernel_hash.empty() ? Json(nullptr) : Json(trial.kernel_hash)},
          {"registers", trial.build.registers},
          {"local_bytes", trial.build.local_bytes},
          {"correctness", of.established ? correctness : Json(nullptr)},
          {"times", trial.measurement ? times_json(*trial.measurement) : Json(nullptr)},
          {"seconds", number(trial.seconds)}};
}

Json knobs_fragment(const Instruction& instruction, const schedule::ScheduleConfig& config) {
  Json out = Json::object();
  for (const abi::BuildKnobInfo* knob : instruction.knobs)
    out["instruction_knobs"][knob->folder][knob->name] = present(config, knob->path);
  return out;
}

Json to_json(const TunedAbout& about, const Instruction& instruction, const TuneResult& result) {
  Json trials = Json::array();
  for (const TuneTrial& trial : result.trials) trials.push_back(to_json(trial));
  const bool won = !(result.winner == result.start);
  return {{"about", about_json(about)},
          {"instruction", instruction.name},
          {"folder", instruction.folder},
          {"tasks", {{"kept", result.kept_tasks}, {"others", result.other_tasks}, {"levels", result.levels}}},
          {"ended_by", result.ended_by},
          {"start", to_json(result.start_trial)},
          {"trials", std::move(trials)},
          {"won", won},
          {"ratio", number(result.gain)},
          {"knobs", knob_values(instruction, result.winner)},
          {"fragment", knobs_fragment(instruction, result.winner)},
          {"schedule", Json::parse(schedule::config_to_json(result.winner))},
          {"whole_verified", won && result.verdict.correct}};
}

Status check_tuned_file(const Workspace& workspace, const std::string& target) {
  AMK_TRY(read_entries(tuned_file(directory_of(workspace), target)));
  return {};
}

Status append_tune_trial(const Workspace& workspace, const TunedAbout& about, const Instruction& instruction,
                         const TuneTrial& trial) {
  Json line = {{"about", about_json(about)}, {"instruction", instruction.name}};
  line.update(to_json(trial));
  const std::filesystem::path folder = directory_of(workspace) / "tuned";
  std::error_code problem;
  std::filesystem::create_directories(folder, problem);
  return append_line(folder / "trials.jsonl", line.dump());
}

Status write_winner(const Workspace& workspace, const TunedAbout& about, const Instruction& instruction,
                    const TuneResult& result) {
  if (result.winner == result.start) return {};
  const std::filesystem::path path = tuned_file(directory_of(workspace), about.target);
  AMK_ASSIGN_OR_RETURN(Json file, read_entries(path));
  Json& entries = file["tuned"];
  Json kept = Json::array();
  for (const Json& entry : entries) {
    const bool same = is_about(entry, about) && text_of(entry, "instruction") == instruction.folder;
    if (!same) kept.push_back(entry);
  }
  Json entry = about_json(about);
  entry["instruction"] = instruction.folder;
  entry["ratio"] = number(result.gain);
  entry["knobs"] = knob_values(instruction, result.winner);
  kept.push_back(std::move(entry));
  entries = std::move(kept);
  return write_file_atomic(path, file.dump(2) + "\n");
}

Result<std::vector<Tuned>> read_tuned(const std::filesystem::path& workspace, const TunedAbout& about) {
  const std::filesystem::path path = tuned_file(workspace, about.target);
  AMK_ASSIGN_OR_RETURN(const Json file, read_entries(path));
  std::vector<Tuned> out;
  try {
    std::map<std::string, const Json*> chosen;  // by folder
    for (const Json& entry : file["tuned"]) {
      const Json*& of = chosen[entry.at("instruction").get<std::string>()];
      if (of == nullptr || is_about(entry, about) || !is_about(*of, about)) of = &entry;
    }
    for (const auto& [folder, entry] : chosen) {
      AMK_ASSIGN_OR_RETURN(Tuned tuned, tuned_from(*entry, path.string()));
      out.push_back(std::move(tuned));
    }
  } catch (const Json::exception& broken) {
    return Error{ErrorCode::kBadInput, std::string("expected what amk tune-instruction writes: ") + broken.what(),
                 path.string(), "move the file away"};
  }
  return out;
}

std::unique_ptr<Proposer> propose_tuned_first(std::vector<Tuned> tuned, std::unique_ptr<Proposer> inner) {
  if (tuned.empty()) return inner;
  return std::make_unique<TunedFirst>(std::move(tuned), std::move(inner));
}

}  // namespace amk::search
