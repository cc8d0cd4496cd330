// The pieces of the command line's grammar: checked values, and the options that verbs share.
//
// Only the files that declare verbs include this; verbs themselves take plain structs (cli/options.h).
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "cli/exit_code.h"
#include "cli/options.h"
#include "cli/output.h"

namespace amk::cli {

/// What runs when a verb was asked for.
using Action = std::function<Result<Exit>(Output&)>;

/// Options of this group stand in for the positional argument.
inline constexpr const char* kInsteadOfSource = "Measuring the validator itself";
/// Positional arguments of this group may be left out.
inline constexpr const char* kMayBeLeftOut = "May be left out";

/// An integer of [min, max], all of the text.
[[nodiscard]] CLI::Validator integer(uint64_t min, uint64_t max);
/// A finite number, all of the text.
[[nodiscard]] CLI::Validator decimal();

CLI::Option* add_integer(CLI::App& app, const std::string& name, uint32_t& value, uint64_t min, const std::string& doc);
CLI::Option* add_decimal(CLI::App& app, const std::string& name, double& value, const std::string& doc);
/// An optional integer: CLI11 converts, the callback remembers that it was given.
void add_index(CLI::App& app, const std::string& name, std::optional<uint32_t>& value, const std::string& doc);
void add_text(CLI::App& app, const std::string& name, std::optional<std::string>& value, const std::string& type,
              const std::string& doc);

/// The positional argument, which must be given.
CLI::Option* add_source(CLI::App& app, const std::string& name, std::string& value, const std::string& doc);
/// --gpu, --context, --rope-frequencies, --weights, --kv-dtype, --schedule, --set.
void add_schedule(CLI::App& app, ScheduleOptions& options);
/// --device, --threads.
void add_run(CLI::App& app, RunOptions& options, bool has_device = true);
void add_workspace(CLI::App& app, std::string& workspace);

/// Options of this group only show what there is, and stand in for the positional arguments, too.
inline constexpr const char* kListOnly = "What there is";

// Verbs that are declared in arguments_research.cpp.
Action declare_loop(CLI::App& app);
Action declare_tune_instruction(CLI::App& app);
Action declare_corpus(CLI::App& app);
Action declare_log(CLI::App& app);
Action declare_report(CLI::App& app);
Action declare_orchestrate(CLI::App& app);
Action declare_autoresearch(CLI::App& app);

}  // namespace amk::cli
