#include "cli/arguments.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "base/text.h"
#include "cli/grammar.h"
#include "cli/options.h"
#include "cli/verbs/verbs.h"
#include "model/checkpoint.h"
#include "schedule/target.h"

namespace amk::cli {
namespace {

// ---- verbs ----------------------------------------------------------------------------------------------------------

Action declare_doctor(CLI::App&) {
  return [](Output& output) { return doctor({}, output); };
}

Action declare_compile(CLI::App& app) {
  auto options = std::make_shared<CompileOptions>();
  add_source(app, "MODEL", options->model, "a checkpoint's directory, or a built-in model");
  app.add_option("--out", options->out, "directory the bundle is put in (default .)")->type_name("DIR");
  add_integer(app, "--positions", options->positions, 1, "positions compared with the oracle (default 16)");
  app.add_option("--seed", options->seed, "seed of the tokens fed for that (default 1)")
      ->check(integer(0, UINT64_MAX))
      ->type_name("N");
  app.add_option("--dump-passes", options->dump_passes, "write the program after each lowering pass here, as JSON")
      ->type_name("DIR");
  add_schedule(app, options->schedule);
  add_run(app, options->run);
  return [options](Output& output) { return compile(*options, output); };
}

Action declare_eval(CLI::App& app) {
  auto options = std::make_shared<EvalOptions>();
  add_source(app, "MODEL", options->model, "a checkpoint's directory, or a built-in model");
  add_integer(app, "--positions", options->positions, 1, "positions compared with the oracle (default 16)");
  app.add_option("--seed", options->seed, "seed of the tokens fed for that (default 1)")
      ->check(integer(0, UINT64_MAX))
      ->type_name("N");
  app.add_option("--perplexity", options->perplexity_file,
                 "a text whose perplexity is computed too, by program and oracle")
      ->type_name("FILE");
  add_schedule(app, options->schedule);
  add_run(app, options->run);
  return [options](Output& output) { return eval(*options, output); };
}

Action declare_quantize(CLI::App& app) {
  auto options = std::make_shared<QuantizeOptions>();
  add_source(app, "MODEL", options->model, "a checkpoint's directory, or a built-in model");
  app.add_option("--weights", options->weights,
                 "int8 or int4, with a scale for 128 columns of a row, :64 or the whole :row; must be given")
      ->type_name("FORMAT");
  app.add_option_function<uint32_t>(
         "--positions", [options](const uint32_t& given) { options->positions = given; },
         "positions that both models are run for (default 16; of a text, all)")
      ->check(integer(1, UINT32_MAX))
      ->type_name("N");
  CLI::Option* seed = app.add_option("--seed", options->seed, "seed of the tokens fed to both (default 1)")
                          ->check(integer(0, UINT64_MAX))
                          ->type_name("N");
  app.add_option("--text", options->text_file, "feed the tokens of this text, and say both models' perplexity, too")
      ->type_name("FILE")
      ->excludes(seed);
  add_run(app, options->run, false);
  return [options](Output& output) { return quantize(*options, output); };
}

Action declare_generate(CLI::App& app) {
  auto options = std::make_shared<GenerateOptions>();
  add_source(app, "MODEL|BUNDLE", options->source,
             "a checkpoint's directory, a built-in model, or a bundle that compile wrote");
  add_text(app, "--prompt", options->prompt, "TEXT", "text to continue");
  add_text(app, "--prompt-ids", options->prompt_ids, "IDS", "token ids to continue, as in 1,2,3");
  add_text(app, "--prompt-file", options->prompt_file, "FILE", "file with the text to continue; - is standard input");
  app.add_flag("--no-special-tokens", options->no_special_tokens,
               "do not let the tokenizer add its own tokens to the prompt");
  add_integer(app, "--max-tokens", options->max_tokens, 0, "tokens to generate at most (default 64)");
  app.add_option("--temperature", options->temperature, "0 takes the best token, more takes chances (default 0)")
      ->check(decimal())
      ->type_name("X");
  add_integer(app, "--top-k", options->top_k, 0, "draw among the K best; 0 is all (default 0)");
  app.add_option("--top-p", options->top_p, "draw among the fewest that sum to P (default 1)")
      ->check(decimal())
      ->type_name("P");
  app.add_option("--seed", options->seed, "seed of the draws (default 0)")
      ->check(integer(0, UINT64_MAX))
      ->type_name("N");
  app.add_flag("--ignore-eos", options->ignore_eos, "go on after the model's stop tokens");
  app.add_flag("--verify", options->verify, "compare every position with the oracle; exit 1 where they differ");
  app.add_option("--logits", options->logits_file, "save the prompt's logits, float32 [positions, vocab], as 'logits'")
      ->type_name("FILE.safetensors");
  app.add_option("--model-dir", options->model_dir, "where a bundle's model is now (default: where it was)")
      ->type_name("DIR");
  add_schedule(app, options->schedule);
  add_run(app, options->run);
  return [options](Output& output) { return generate(*options, output); };
}

void add_campaign(CLI::App& app, ValidateOptions& options) {
  CLI::Option* campaign = app.add_flag("--campaign", options.campaign,
                                       "judge programs drawn from a seed, and compare with what is known of each")
                              ->group(kInsteadOfSource);
  app.add_option("--count", options.count, "programs to draw (default 7160)")
      ->check(integer(1, UINT32_MAX))
      ->type_name("N")
      ->needs(campaign)
      ->group(kInsteadOfSource);
  app.add_option("--seed", options.seed, "seed of the campaign (default 1)")
      ->check(integer(0, UINT64_MAX))
      ->type_name("N")
      ->needs(campaign)
      ->group(kInsteadOfSource);
  app.add_option_function<uint64_t>(
         "--replay", [&options](const uint64_t& given) { options.replay = given; },
         "one program of a campaign, by its own seed: the program, and both findings about it")
      ->check(integer(0, (uint64_t{1} << 53) - 1))
      ->type_name("SEED")
      ->excludes(campaign)
      ->group(kInsteadOfSource);
}

Action declare_validate(CLI::App& app) {
  auto options = std::make_shared<ValidateOptions>();
  add_source(app, "FILE|BUNDLE|MODEL", options->source, "a program's JSON, a bundle, or a model to lower")
      ->required(false);
  add_schedule(app, options->schedule);
  add_campaign(app, *options);
  return [options](Output& output) { return validate(*options, output); };
}

Action declare_propose(CLI::App& app) {
  auto options = std::make_shared<ProposeOptions>();
  add_source(app, "MODEL", options->model, "a checkpoint's directory, or a built-in model");
  add_integer(app, "--position", options->position, 0, "position whose latency is predicted (default 0)");
  add_workspace(app, options->workspace);
  app.add_option("--campaign", options->campaign, "start from the incumbent of this campaign of the workspace")
      ->type_name("NAME");
  add_schedule(app, options->schedule);
  add_run(app, options->run, false);
  return [options](Output& output) { return propose(*options, output); };
}

Action declare_inspect(CLI::App& app) {
  auto options = std::make_shared<InspectOptions>();
  add_source(app, "MODEL|BUNDLE|FILE", options->source, "a model to lower, a bundle, or a program's JSON");
  add_integer(app, "--position", options->position, 0, "position whose latency is predicted (default 0)");
  add_index(app, "--level", options->level, "list the tasks of this level");
  add_index(app, "--sm", options->sm, "list the queue of this SM");
  add_index(app, "--task", options->task, "show this task");
  add_schedule(app, options->schedule);
  return [options](Output& output) { return inspect(*options, output); };
}

Action declare_bench(CLI::App& app) {
  auto options = std::make_shared<BenchOptions>();
  add_source(app, "MODEL", options->model, "a checkpoint's directory, or a built-in model");
  app.add_option("--positions", options->positions, "positions to measure at, as in 0,2047 (default 0)")
      ->type_name("LIST");
  add_integer(app, "--rounds", options->rounds, 1, "rounds that every contender is timed in (default 200)");
  add_integer(app, "--checked", options->checked, 1, "positions compared with the oracle before (default 8)");
  app.add_option("--seed", options->seed, "seed of tokens, histories and the bootstrap (default 1)")
      ->check(integer(0, UINT64_MAX))
      ->type_name("N");
  app.add_flag("--no-rivals", options->no_rivals, "measure the megakernel alone");
  app.add_flag("--samples", options->samples, "with --json: every round's time, too");
  app.add_option("--svg", options->svg_file, "write a bar chart here")->type_name("FILE");
  add_schedule(app, options->schedule);
  add_run(app, options->run, false);
  return [options](Output& output) { return bench(*options, output); };
}

Action declare_trace(CLI::App& app) {
  auto options = std::make_shared<TraceOptions>();
  add_source(app, "MODEL", options->model, "a checkpoint's directory, or a built-in model");
  add_integer(app, "--position", options->position, 0, "position of the pass (default 0)");
  add_integer(app, "--runs", options->runs, 1, "traced launches; the median one is reported (default 21)");
  app.add_option("--perfetto", options->perfetto_file, "write events for ui.perfetto.dev here")->type_name("FILE");
  app.add_option("--svg", options->svg_file, "write a timeline, a row an SM, here")->type_name("FILE");
  app.add_flag("--timeline", options->timeline, "with --json: every task's times, too");
  app.add_option("--workspace", options->workspace, "leave the trace there, for propose, orchestrate and report")
      ->type_name("DIR");
  add_schedule(app, options->schedule);
  add_run(app, options->run, false);
  return [options](Output& output) { return trace(*options, output); };
}

struct Verb {
  const char* name;
  const char* doc;
  const char* example;
  Action (*declare)(CLI::App&);
};

/// The names that stand for something: what a verb's help ends with.
std::string name_lists() {
  return fmt::format("Targets: {}\nBuilt-in models: {}", join(schedule::target_names()), join(model::builtin_models()));
}

constexpr Verb kVerbs[] = {
    {"doctor", "What this machine has, and what will work on it", "amk doctor", declare_doctor},
    {"compile", "Compile a model into a validated, verified bundle",
     "amk compile models/shakespeare-llama-3m --gpu h100 --out build", declare_compile},
    {"eval", "Say whether a schedule is valid, correct and how fast",
     "amk eval synthetic:smollm2-135m --set pipelining_depth=8 --json", declare_eval},
    {"quantize", "What quantising a model's weights costs in accuracy, and saves in bytes",
     "amk quantize models/shakespeare-llama-3m --weights int4", declare_quantize},
    {"generate", "Continue a prompt",
     "amk generate models/shakespeare-llama-3m --prompt ROMEO: --max-tokens 64 --verify", declare_generate},
    {"validate", "Prove a program safe, or say everything that is wrong with it",
     "amk validate build/shakespeare-llama-3m.h100.amk/program.json", declare_validate},
    {"propose", "The knobs of a schedule, and what turning each is predicted to do", "amk propose toy --gpu a100",
     declare_propose},
    {"loop", "Search for a faster schedule: propose, judge, keep or revert, remember",
     "amk loop toy --gpu h100 --trials 20", declare_loop},
    {"tune-instruction", "Vary one instruction's build knobs, alone on this machine's GPU",
     "amk tune-instruction gate_up synthetic:llama-3.2-1b --write tuned.json", declare_tune_instruction},
    {"log", "What a campaign of loop tried, kept and refused", "amk log --campaign toy-h100-predicted", declare_log},
    {"corpus", "What was tried so far, by model; merged; and what a prior makes of it", "amk corpus --replay",
     declare_corpus},
    {"orchestrate", "Several campaigns as one plan: where each stands, and which to work on next",
     "amk orchestrate plan toy toy-2l:int8", declare_orchestrate},
    {"autoresearch", "Work on a plan of campaigns unattended, and write a report at the end",
     "amk autoresearch toy toy-2l --trials 40", declare_autoresearch},
    {"report", "A page about campaigns: best schedule, trajectory, knobs, roofline, timelines",
     "amk report --campaign toy-h100-predicted --out report", declare_report},
    {"inspect", "A program in words: levels, tasks, bytes, critical path", "amk inspect toy-2l --level 3",
     declare_inspect},
    {"bench", "The megakernel against cuBLAS and the memory's limit, on this machine's GPU",
     "amk bench synthetic:llama-3.2-1b --positions 0,2047 --svg bench.svg", declare_bench},
    {"trace", "Where a pass's time goes, task by task, on this machine's GPU",
     "amk trace synthetic:llama-3.2-1b --svg trace.svg --perfetto trace.json", declare_trace},
};

// ---- parsing --------------------------------------------------------------------------------------------------------

struct Grammar {
  CLI::App app{
      "AMK: a Llama checkpoint as one persistent GPU kernel, validated before it runs and verified against an oracle."};
  std::vector<Action> actions;
  std::vector<CLI::App*> verbs;
  bool json = false;
  bool quiet = false;
  bool progress_lines = false;
};

void add_output(CLI::App& app, Grammar& grammar) {
  app.add_flag("--json", grammar.json, "print one JSON document, and nothing else, on stdout");
  app.add_flag("--quiet", grammar.quiet, "no notes and no progress on stderr");
  app.add_flag("--progress-lines", grammar.progress_lines,
               "progress on stderr as lines of JSON, for programs that run this one");
}

void declare(Grammar& grammar) {
  CLI::App& app = grammar.app;
  app.name("amk");
  app.set_version_flag("--version", std::string("amk ") + AMK_VERSION);
  app.get_formatter()->label("SUBCOMMAND", "VERB");
  app.get_formatter()->label("REQUIRED", "");
  add_output(app, grammar);
  app.require_subcommand(0, 1);
  app.allow_extras();
  app.footer(
      "amk VERB --help explains a verb. Exit codes: 0 done, 1 the verdict is negative, 2 usage, 3 unsupported or bad "
      "input, 4 internal error.");
  for (const Verb& verb : kVerbs) {
    CLI::App* sub = app.add_subcommand(verb.name, verb.doc);
    sub->allow_extras();
    sub->group("Verbs");
    const bool takes_names = verb.declare != declare_doctor && verb.declare != declare_log &&
                             verb.declare != declare_corpus && verb.declare != declare_report;
    sub->footer(fmt::format("Example: {}{}", verb.example, takes_names ? "\n" + name_lists() : ""));
    grammar.actions.push_back(verb.declare(*sub));
    grammar.verbs.push_back(sub);
    add_output(*sub, grammar);
  }
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

Error unknown_option(const CLI::App& app, const std::string& given, const std::string& verb) {
  const std::string name = given.substr(0, given.find('='));
  const std::vector<std::string> names = option_names(app);
  const std::vector<std::string_view> views(names.begin(), names.end());
  return {ErrorCode::kUsage,
          fmt::format("expected an option of {}, found '{}'{}", verb, name, did_you_mean(name, views)), "",
          fmt::format("{} --help lists them", verb)};
}

Status check_extras(const CLI::App& app, const std::string& verb) {
  std::vector<std::string> extras = app.remaining();
  std::erase(extras, "--");  // only says that what follows is no option
  for (const std::string& extra : extras) {
    if (extra.starts_with("-") && extra != "-") return unknown_option(app, extra, verb);
  }
  if (extras.empty()) return {};
  return Error{ErrorCode::kUsage, fmt::format("expected nothing more, found '{}'", extras.front()), "",
               fmt::format("{} --help shows what it takes", verb)};
}

/// Whether an option was given that stands in for the positional argument.
bool has_stand_in(const CLI::App& app) {
  return std::ranges::any_of(app.get_options(), [](const CLI::Option* option) {
    return (option->get_group() == kInsteadOfSource || option->get_group() == kListOnly) && option->count() > 0;
  });
}

/// Options that stand in for it: "--campaign or --replay".
std::string stand_ins(const CLI::App& app) {
  const bool lists = std::ranges::any_of(app.get_options(),
                                         [](const CLI::Option* option) { return option->get_group() == kListOnly; });
  return lists ? "--list" : "--campaign or --replay";
}

Status check_positional(const CLI::App& app, const std::string& verb) {
  const bool needed = !has_stand_in(app);
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_positional() || (option->count() > 0) == needed || option->get_group() == kMayBeLeftOut) continue;
    if (!needed) {
      return Error{ErrorCode::kUsage,
                   fmt::format("expected no {} beside {}, found one", option->get_name(true), stand_ins(app)), verb,
                   "leave it out"};
    }
    return Error{ErrorCode::kUsage, fmt::format("expected {}, found nothing", option->get_name(true)), verb,
                 fmt::format("{} --help has an example; built-in models: {}", verb, join(model::builtin_models()))};
  }
  return {};
}

Error no_verb(const CLI::App& app) {
  std::vector<std::string_view> names;
  for (const Verb& verb : kVerbs) names.emplace_back(verb.name);
  const std::string hint = fmt::format("verbs are {}; amk --help says what they do", join(names));
  const std::vector<std::string> extras = app.remaining();
  if (extras.empty()) return {ErrorCode::kUsage, "expected a verb, found nothing", "", hint};
  if (extras.front().starts_with("-")) return unknown_option(app, extras.front(), "amk");
  return {ErrorCode::kUsage,
          fmt::format("expected a verb, found '{}'{}", extras.front(), did_you_mean(extras.front(), names)), "", hint};
}

Result<Request> request_of(const Grammar& grammar) {
  for (size_t i = 0; i < grammar.verbs.size(); ++i) {
    if (!grammar.verbs[i]->parsed()) continue;
    const std::string verb = fmt::format("amk {}", kVerbs[i].name);
    AMK_TRY(check_extras(grammar.app, "amk"));
    AMK_TRY(check_extras(*grammar.verbs[i], verb));
    AMK_TRY(check_positional(*grammar.verbs[i], verb));
    return Request{"", grammar.actions[i], grammar.quiet, grammar.progress_lines};
  }
  return no_verb(grammar.app);
}

}  // namespace

bool wants_json(int argc, const char* const* argv) {
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--json") return true;
  }
  return false;
}

Result<Request> parse_arguments(int argc, const char* const* argv) {
  Grammar grammar;
  declare(grammar);
  try {
    grammar.app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return Request{grammar.app.help(), {}};
  } catch (const CLI::CallForVersion& version) {
    return Request{std::string(version.what()) + "\n", {}};
  } catch (const CLI::RequiredError&) {
    return request_of(grammar);  // unknown options first: a misspelt one may be why something is missing
  } catch (const CLI::ParseError& problem) {
    return Error{ErrorCode::kUsage, problem.what(), "", "amk --help, or amk VERB --help"};
  }
  return request_of(grammar);
}

}  // namespace amk::cli
