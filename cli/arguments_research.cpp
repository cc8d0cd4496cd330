// The grammar of the verbs that work on plans of campaigns, and of their report.
#include "base/text.h"
#include "cli/grammar.h"
#include "cli/verbs/verbs.h"

namespace amk::cli {
namespace {

void add_decimal(CLI::App& app, const std::string& name, std::optional<double>& value, const std::string& doc) {
  app.add_option_function<double>(
         name, [&value](const double& given) { value = given; }, doc)
      ->check(decimal())
      ->type_name("X");
}

void add_plan(CLI::App& app, PlanOptions& options) {
  app.add_option("MODEL", options.models,
                 "checkpoints' directories or built-in models; toy:int8 is one with its weights quantised")
      ->type_name("")
      ->group(kMayBeLeftOut);
  add_workspace(app, options.workspace);
  app.add_option("--plan", options.plan, "the plan's name (default: default)")->type_name("NAME");
  add_integer(app, "--position", options.position, 0, "position whose latency counts, of new campaigns (default 0)");
  app.add_option_function<uint64_t>(
         "--seed", [&options](const uint64_t& given) { options.seed = given; }, "of new campaigns (default 1)")
      ->check(integer(0, UINT64_MAX))
      ->type_name("N");
  add_index(app, "--max-reverts", options.reverts_max,
            "leave a campaign after so many trials without a keep (default 60; 0: off)");
  add_decimal(app, "--pct-of-floor", options.pct_of_floor,
              "leave a campaign where 100 x floor / latency reaches this (default 95; 0: off)");
  add_decimal(app, "--speedup", options.speedup,
              "leave a campaign where start / incumbent reaches this (default 0: off)");
  app.add_option("--out", options.out, "directory of the report (default: reports/PLAN in the workspace)")
      ->type_name("DIR");
  add_schedule(app, options.schedule);
  add_run(app, options.run);
}

}  // namespace

Action declare_report(CLI::App& app) {
  auto options = std::make_shared<ReportOptions>();
  add_workspace(app, options->workspace);
  app.add_option("--campaign", options->campaigns, "what it is about (default: all); repeatable")
      ->type_name("NAME")
      ->allow_extra_args(false);
  app.add_option("--out", options->out, "directory of report.html and report.md (default .)")->type_name("DIR");
  app.add_option("--trace-before", options->trace_before,
                 "the start's timeline: a file of amk trace --timeline --json (default: what the workspace has)")
      ->type_name("FILE");
  app.add_option("--trace-after", options->trace_after, "the best schedule's timeline, likewise")->type_name("FILE");
  app.add_flag("--trace", options->trace, "trace both here, on this machine's GPU");
  add_run(app, options->run, false);
  return [options](Output& output) { return report(*options, output); };
}

Action declare_orchestrate(CLI::App& app) {
  auto options = std::make_shared<OrchestrateOptions>();
  add_source(app, "ACTION", options->action, "plan, status, next, record or report");
  add_plan(app, options->plan);
  app.add_option("--campaign", options->campaign, "record: whose candidate it is")->type_name("NAME");
  app.add_option("--note", options->note, "record: why it is proposed")->type_name("TEXT");
  return [options](Output& output) { return orchestrate(*options, output); };
}

Action declare_autoresearch(CLI::App& app) {
  auto options = std::make_shared<AutoresearchOptions>();
  add_plan(app, options->plan);
  add_index(app, "--trials", options->trials, "end after so many trials in all (default: when all have moved on)");
  cli::add_decimal(app, "--minutes", options->minutes, "end after so many minutes; the trial that runs is finished");
  app.add_flag("--overnight", options->overnight, "as --minutes 480");
  add_integer(app, "--slice", options->slice, 1, "trials that a campaign is given at a time (default 16)");
  return [options](Output& output) { return autoresearch(*options, output); };
}

}  // namespace amk::cli
