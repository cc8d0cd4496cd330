// What tuning leaves in a workspace, and how the loop gets it.
//
//   tuned/TARGET.json   the winners: for each model and instruction the values of its build knobs
//   tuned/trials.jsonl  every value that was tried, a line each: times of an instruction alone, not of a pass, and so
//                       no rows of the corpus
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/result.h"
#include "search/proposer.h"
#include "search/trial_json.h"
#include "search/tune.h"
#include "search/workspace.h"

namespace amk::search {

/// What was tuned; what a winner is found by.
struct TunedAbout {
  std::string model_name;
  std::string target;
  std::string device;
  std::string weights;
  std::string kv_dtype;
  uint32_t context = 0;
  uint32_t position = 0;  ///< that was measured
};

[[nodiscard]] Json to_json(const TuneTrial& trial);
/// {"about", "instruction", "tasks", "start", "trials", "kept", "winner", "schedule", ...}: docs/cli.md has the keys.
[[nodiscard]] Json to_json(const TunedAbout& about, const Instruction& instruction, const TuneResult& result);

/// Values of an instruction's build knobs in a schedule: {"instruction_knobs": {"gemv": {"pairs_ahead": 4, ...}}}, as
/// --schedule takes it.
[[nodiscard]] Json knobs_fragment(const Instruction& instruction, const schedule::ScheduleConfig& config);

/// kBadInput where tuned/TARGET.json is none of ours, and so no place for a winner: better to know before than after.
Status check_tuned_file(const Workspace& workspace, const std::string& target);

/// Adds a trial to tuned/trials.jsonl of the workspace, whose lock this process holds.
Status append_tune_trial(const Workspace& workspace, const TunedAbout& about, const Instruction& instruction,
                         const TuneTrial& trial);

/// Adds the winner, where there is one, to tuned/TARGET.json. kBadInput where that is none of ours: it stays as it is.
Status write_winner(const Workspace& workspace, const TunedAbout& about, const Instruction& instruction,
                    const TuneResult& result);

/// A winner that stands in tuned/TARGET.json.
struct Tuned {
  std::string folder;
  std::string model_name;
  std::vector<std::pair<std::string, std::string>> knobs;  ///< path and value
};
/// One an instruction: this model's where there is one, with these weights and caches, else the last other one. Nothing
/// where nothing was tuned. kBadInput where the file is none of ours, or has values that are not legal.
Result<std::vector<Tuned>> read_tuned(const std::filesystem::path& workspace, const TunedAbout& about);

/// Proposes the incumbent with those knobs first ("tuned"), once in a campaign; what `inner` proposes after that.
[[nodiscard]] std::unique_ptr<Proposer> propose_tuned_first(std::vector<Tuned> tuned, std::unique_ptr<Proposer> inner);

}  // namespace amk::search
