// The grammar of the verbs of the research loop: campaigns, plans of them, what they record, and their report.
#include "base/text.h"
#include "cli/grammar.h"
#include "cli/verbs/verbs.h"

namespace amk::cli {
namespace {

void add_optional_decimal(CLI::App& app, const std::string& name, std::optional<double>& value,
                          const std::string& doc) {
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
  add_optional_decimal(app, "--pct-of-floor", options.pct_of_floor,
                       "leave a campaign where 100 x floor / latency reaches this (default 95; 0: off)");
  add_optional_decimal(app, "--speedup", options.speedup,
                       "leave a campaign where start / incumbent reaches this (default 0: off)");
  app.add_option("--out", options.out, "directory of the report (default: reports/PLAN in the workspace)")
      ->type_name("DIR");
  add_schedule(app, options.schedule);
  add_run(app, options.run);
}

void add_move_on(CLI::App& app, LoopOptions& options) {
  app.add_option_function<uint32_t>(
         "--trials", [&options](const uint32_t& given) { options.trials = given; },
         "end after so many trials (default 50; none with --minutes or --overnight)")
      ->check(integer(1, UINT32_MAX))
      ->type_name("N");
  add_decimal(app, "--minutes", options.minutes, "end after so many minutes");
  app.add_flag("--overnight", options.overnight, "as --minutes 480");
  add_index(app, "--max-reverts", options.reverts_max,
            "end after so many trials without a keep (default 60, off with --minutes or --overnight; 0: off)");
  add_optional_decimal(app, "--pct-of-floor", options.pct_of_floor,
                       "end where 100 x floor / latency reaches this (default 95, off with --minutes or --overnight; "
                       "0: off)");
  add_decimal(app, "--speedup", options.speedup, "end where start / incumbent reaches this (default 0: off)");
}

void add_prior(CLI::App& app, LoopOptions& options) {
  app.add_option("--prior", options.prior,
                 "what seeds and ranks a new campaign: auto, learned from the workspace's corpus (default); none; or a "
                 "corpus to learn from in its place")
      ->type_name("auto|none|FILE");
  app.add_option("--corpus", options.corpora, "a corpus to learn from as well; repeatable")
      ->type_name("FILE")
      ->allow_extra_args(false);
  app.add_flag("--sample", options.sample, "draw schedules around the default, to record a corpus; no search")
      ->excludes("--proposer");
}

void add_lanes(CLI::App& app, LoopOptions& options) {
  app.add_option("--workers", options.workers, "judge so many candidates at once, each on a GPU of its own (default 1)")
      ->check(integer(1, 64))
      ->type_name("N");
  app.add_option("--worker-launch", options.worker_launch,
                 "start each worker by this command, as in \"srun --gres=gpu:1\"; it uses the first GPU it sees")
      ->type_name("CMD");
  app.add_option("--halving", options.halving,
                 "candidates a round: ranked by prediction, a quarter measured briefly, one decided (default 0: off)")
      ->check(integer(0, 256))
      ->type_name("N");
}

}  // namespace

Action declare_loop(CLI::App& app) {
  auto options = std::make_shared<LoopOptions>();
  add_source(app, "MODEL", options->model, "a checkpoint's directory, or a built-in model");
  add_workspace(app, options->workspace);
  app.add_option("--campaign", options->campaign,
                 "its name; one that is there goes on (default: after model, target and kind of latency)")
      ->type_name("NAME");
  app.add_option_function<uint64_t>(
         "--seed", [options](const uint64_t& given) { options->seed = given; },
         "of the search and of the tokens fed (default: the campaign's, or 1)")
      ->check(integer(0, UINT64_MAX))
      ->type_name("N");
  add_integer(app, "--position", options->position, 0, "position whose latency counts (default 0)");
  app.add_option_function<uint32_t>(
         "--positions", [options](const uint32_t& given) { options->compared_positions = given; },
         "positions compared with the oracle (default: the campaign's, or 8)")
      ->check(integer(1, UINT32_MAX))
      ->type_name("N");
  app.add_option_function<double>(
         "--min-gain", [options](const double& given) { options->min_gain_pct = given; },
         "percent that a keep must be faster (default: the campaign's, or 1)")
      ->type_name("X");
  add_decimal(app, "--epsilon", options->epsilon, "share of trials that are random neighbours (default 0.25)");
  app.add_option(
         "--proposer", options->proposer,
         "ask this command of a shell for candidates, the campaign as JSON on stdin, a schedule on stdout; or this "
         "shared library, a path that ends in .so")
      ->type_name("CMD|LIB");
  add_integer(app, "--proposer-seconds", options->proposer_seconds, 1, "time it has for an answer (default 60)");
  add_prior(app, *options);
  add_lanes(app, *options);
  add_move_on(app, *options);
  add_schedule(app, options->schedule);
  add_run(app, options->run);
  return [options](Output& output) { return loop(*options, output); };
}

Action declare_tune_instruction(CLI::App& app) {
  auto options = std::make_shared<TuneOptions>();
  add_source(app, "OP", options->instruction, "an instruction with build knobs, or the folder of several")
      ->required(false);
  add_source(app, "MODEL", options->model, "a checkpoint's directory, or a built-in model")->required(false);
  app.add_flag("--list", options->list, "instructions and their build knobs; nothing is run")->group(kListOnly);
  add_workspace(app, options->workspace);
  app.add_option_function<uint32_t>(
         "--position", [options](const uint32_t& given) { options->position = given; },
         "position that is measured (default: 0; the context's last for attention)")
      ->check(integer(0, UINT32_MAX))
      ->type_name("N");
  add_integer(app, "--positions", options->compared_positions, 1,
              "positions of the winner's megakernel compared with the oracle (default 8)");
  app.add_option("--seed", options->seed, "of the history and of the tokens fed (default 1)")
      ->check(integer(0, UINT64_MAX))
      ->type_name("N");
  add_integer(app, "--trials", options->trials, 1, "end after so many values (default: all there are)");
  add_decimal(app, "--minutes", options->minutes, "begin no trial after so many minutes");
  add_decimal(app, "--min-gain", options->min_gain_pct, "percent that a keep must be faster (default 1)");
  app.add_option("--write", options->write_file, "write the winner's schedule here, as --schedule takes it")
      ->type_name("FILE");
  add_schedule(app, options->schedule);
  add_run(app, options->run, false);
  return [options](Output& output) { return tune_instruction(*options, output); };
}

Action declare_corpus(CLI::App& app) {
  auto options = std::make_shared<CorpusOptions>();
  app.add_option("FILES", options->files, "files of trials (default: the workspace's corpus.jsonl)")
      ->type_name("")
      ->group(kMayBeLeftOut);
  add_workspace(app, options->workspace);
  app.add_option("--export", options->export_file, "write all of them here: each line once, sorted")->type_name("FILE");
  app.add_flag("--check", options->check, "say what priors they give; exit 1 where a line had to be passed over");
  app.add_flag(
      "--replay", options->replay,
      "hold out each model's shape in turn: trials that a search needs, without and with what the others teach");
  add_integer(app, "--seeds", options->seeds, 1, "searches of each sort in --replay (default 10)");
  return [options](Output& output) { return corpus(*options, output); };
}

Action declare_log(CLI::App& app) {
  auto options = std::make_shared<LogOptions>();
  add_workspace(app, options->workspace);
  app.add_option("--campaign", options->campaign, "the one to draw (default: the only one; of several, a list)")
      ->type_name("NAME");
  return [options](Output& output) { return log(*options, output); };
}

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
  add_decimal(app, "--minutes", options->minutes, "end after so many minutes; the trial that runs is finished");
  app.add_flag("--overnight", options->overnight, "as --minutes 480");
  add_integer(app, "--slice", options->slice, 1, "trials that a campaign is given at a time (default 16)");
  return [options](Output& output) { return autoresearch(*options, output); };
}

}  // namespace amk::cli
