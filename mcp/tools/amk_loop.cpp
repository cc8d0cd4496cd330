// amk_loop: a campaign of the research loop, as a run.
#include <fmt/format.h>

#include "mcp/tools/amk_command.h"
#include "mcp/tools/schemas.h"
#include "mcp/tools/toolset.h"

namespace amk::mcp {
namespace {

/// A property whose default is told in words: what is left out depends on other properties, or is a fraction.
template <typename T>
Json told_property(const char* type, const std::string& doc, T min, T max, const std::string& default_text) {
  return {{"type", type},
          {"minimum", min},
          {"maximum", max},
          {"description", fmt::format("{} From {} to {}; default {}.", doc, min, max, default_text)}};
}

Json number_property(const std::string& doc, double min, double max, const std::string& default_text) {
  return told_property("number", doc, min, max, default_text);
}

Json whole_property(const std::string& doc, uint64_t min, uint64_t max, const std::string& default_text) {
  return told_property("integer", doc, min, max, default_text);
}

Json loop_properties() {
  return {
      {"model", model_property()},
      {"campaign", text_property("Its name: letters, digits, '-', '_' and '.'; default: model, target, and measured "
                                 "or predicted. One that is there goes on.",
                                 64)},
      {"trials", whole_property("End after so many trials.", 1, 100000, "50, or no bound with minutes")},
      {"minutes",
       number_property("End after so many minutes; the trial that runs is finished; 0 is no bound.", 0, 10000, "0")},
      {"max_reverts", whole_property("End after so many trials without a keep; 0 is no bound.", 0, 100000,
                                     "60, or no bound with minutes")},
      {"pct_of_floor", number_property("End so near to the memory's limit, in percent; 0 is no bound.", 0, 100,
                                       "95, or no bound with minutes")},
      {"speedup", number_property("End when so many times as fast as the start; 0 is no bound.", 0, 1000, "0")},
      {"min_gain", number_property("Percent that a candidate must be faster, with 95% confidence.", 0, 50, "1")},
      {"epsilon", number_property("Share of trials that are random neighbours.", 0, 1, "0.25")},
      {"position", integer_property("Position whose latency counts, below the context.", 0, 1048575, 0)},
      {"positions", integer_property("Positions compared with the oracle.", 1, 1048576, 8)},
      {"seed",
       whole_property("Seed of the search and of the tokens fed.", 0, 9007199254740991, "the campaign's, or 1")}};
}

}  // namespace

Story loop_story(const Json& document) {
  const Json& incumbent = member(document, "incumbent");
  return {
      fmt::format("Campaign {}: {} trials, {} kept; incumbent {} us ({}), {} times as fast as the start; ended by "
                  "{}: {}.",
                  text_in(document, "campaign"), to_line(member(document, "trials")), to_line(member(document, "kept")),
                  number_text(member(incumbent, "latency_us"), 2), text_in(document, "latency_kind"),
                  number_text(member(document, "speedup"), 3), text_in(document, "ended_by"), text_in(document, "why")),
      "amk_history says what was tried and why; amk_compile with result.incumbent.schedule makes the bundle."};
}

Tool amk_loop(RunStore& store) {
  Tool out;
  out.name = "amk_loop";
  out.title = "Search for a faster schedule";
  out.description =
      "Searches for a faster schedule of a model: candidates are proposed, proved safe, compared with the oracle and "
      "timed (measured on this machine's GPU, else predicted), and kept only where they are faster with confidence. "
      "Every trial is remembered in the workspace's history, and a campaign goes on where it was. Starts a run that "
      "reports trials, the best so far and the time left: where it does not end within wait_s, ask amk_run_status with "
      "its run_id. Ending it loses at most the trial that is running.";
  out.input_schema = object_schema(with_wait(with_device(with_schedule(loop_properties()))), {"model"},
                                   {{"model", "toy"}, {"gpu", "none"}, {"trials", 20}});
  out.output_schema = run_schema();
  out.starts_run = true;
  out.call = [&store](const Json& arguments, CallContext& context) {
    const auto command = [&](const std::filesystem::path&) {
      Json all = arguments;
      all["workspace"] = store.workspace().string();
      return amk_command("loop", all, "model", {"wait_s"});
    };
    return start_run(store, "amk_loop", arguments, command, context);
  };
  return out;
}

}  // namespace amk::mcp
