// What the command line says, as plain structs: the verbs take these and never see the parser.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace amk::cli {

/// How the model is read, which schedule for which GPU. Empty strings: not given.
struct ScheduleOptions {
  std::string gpu;                ///< --gpu: a target, "auto" or "none"
  uint32_t context = 0;           ///< --context: positions; 0: the model's default
  std::string schedule_file;      ///< --schedule: knobs as JSON, a file or the text itself
  std::vector<std::string> sets;  ///< --set: "knob=value", after the file, in order
  std::string rope_frequencies;   ///< --rope-frequencies: "float32" or "stored"
  std::string weights;            ///< --weights: "stored", or what they are quantised to: "int8", "int4:64"
  std::string kv_dtype;           ///< --kv-dtype: "f32", "f16" or "bf16"
  [[nodiscard]] bool any() const {
    return !gpu.empty() || context != 0 || !schedule_file.empty() || !sets.empty() || !rope_frequencies.empty() ||
           !weights.empty() || !kv_dtype.empty();
  }
};

struct RunOptions {
  std::string device;    ///< --device: "cpu", "cuda" or "auto"
  uint32_t threads = 0;  ///< --threads; 0: every core
};

struct DoctorOptions {};

struct CompileOptions {
  std::string model;
  ScheduleOptions schedule;
  RunOptions run;
  std::string out = ".";
  std::string dump_passes;  ///< a directory; empty: no dump
  uint32_t positions = 16;
  uint64_t seed = 1;
};

struct EvalOptions {
  std::string model;
  ScheduleOptions schedule;
  RunOptions run;
  uint32_t positions = 16;
  uint64_t seed = 1;
  std::string perplexity_file;  ///< empty: none
};

struct QuantizeOptions {
  std::string model;
  std::string weights;  ///< empty: not given
  RunOptions run;
  std::optional<uint32_t> positions;  ///< none: 16, or all of the text
  uint64_t seed = 1;
  std::string text_file;  ///< whose tokens are fed; empty: tokens from the seed
};

struct GenerateOptions {
  std::string source;  ///< a model or a bundle
  ScheduleOptions schedule;
  RunOptions run;
  std::string model_dir;  ///< where a bundle's model is now
  std::optional<std::string> prompt;
  std::optional<std::string> prompt_ids;
  std::optional<std::string> prompt_file;
  bool no_special_tokens = false;
  uint32_t max_tokens = 64;
  double temperature = 0;
  uint32_t top_k = 0;
  double top_p = 1;
  uint64_t seed = 0;
  bool ignore_eos = false;
  bool verify = false;
  std::string logits_file;  ///< empty: none
};

struct ValidateOptions {
  std::string source;  ///< a program's JSON, a bundle or a model; empty with `campaign` or `replay`
  ScheduleOptions schedule;
  bool campaign = false;           ///< --campaign: the validator is measured, on programs drawn from `seed`
  uint64_t count = 7160;           ///< --count
  uint64_t seed = 1;               ///< --seed
  std::optional<uint64_t> replay;  ///< --replay: one program of a campaign, by its own seed
};

struct ProposeOptions {
  std::string model;
  ScheduleOptions schedule;
  RunOptions run;
  uint32_t position = 0;
  std::string workspace;  ///< empty: $AMK_HOME, else .amk
  std::string campaign;   ///< whose incumbent is meant; empty: the schedule that the options say
};

struct LoopOptions {
  std::string model;
  ScheduleOptions schedule;
  RunOptions run;
  std::string workspace;  ///< empty: $AMK_HOME, else .amk
  std::string campaign;   ///< empty: named after the model, the target and how latencies come about
  std::optional<uint64_t> seed;
  uint32_t position = 0;
  std::optional<uint32_t> compared_positions;  ///< none: the campaign's, or 8
  std::optional<uint32_t> trials;
  double minutes = 0;
  bool overnight = false;
  std::optional<uint32_t> reverts_max;  ///< none: 60, or off where the run has a time
  std::optional<double> pct_of_floor;   ///< none: 95, or off where the run has a time
  double speedup = 0;
  std::optional<double> min_gain_pct;  ///< none: the campaign's, or 1
  double epsilon = 0.25;
  std::string proposer;  ///< a shell's command or a shared library; empty: the built-in search
  uint32_t proposer_seconds = 60;
  std::string prior = "auto";        ///< "auto", "none", or a corpus that it is learned from
  std::vector<std::string> corpora;  ///< beside the workspace's
  bool sample = false;               ///< draw schedules, and search for nothing
  uint32_t workers = 1;              ///< lanes; with a GPU, one each
  std::string worker_launch;         ///< a command that starts a worker, with blanks between its words; empty: none
  uint32_t halving = 0;              ///< candidates of a round; 0: each goes to the decision
};

struct CorpusOptions {
  std::vector<std::string> files;  ///< empty: the workspace's
  std::string workspace;
  std::string export_file;
  bool check = false;
  bool replay = false;
  uint32_t seeds = 10;
};

struct TuneOptions {
  std::string instruction;  ///< empty with `list`
  std::string model;        ///< empty with `list`
  bool list = false;
  ScheduleOptions schedule;
  RunOptions run;
  std::string workspace;             ///< empty: $AMK_HOME, else .amk
  std::optional<uint32_t> position;  ///< none: the context's last where it attends, otherwise 0
  uint32_t compared_positions = 8;
  uint64_t seed = 1;
  uint32_t trials = 0;  ///< 0: as many as there are
  double minutes = 0;
  double min_gain_pct = 1;
  std::string write_file;  ///< empty: none
};

struct LogOptions {
  std::string workspace;
  std::string campaign;  ///< empty: the only one, or all in short
};

struct ReportOptions {
  std::string workspace;
  std::vector<std::string> campaigns;  ///< empty: all
  std::string out = ".";
  std::string trace_before;  ///< documents of amk trace; empty: what the workspace has
  std::string trace_after;
  bool trace = false;  ///< make them here, on this machine's GPU
  RunOptions run;
};

/// What a plan's campaigns have in common, and when each is left.
struct PlanOptions {
  std::vector<std::string> models;  ///< MODEL or MODEL:WEIGHTS
  std::string workspace;
  std::string plan = "default";
  ScheduleOptions schedule;
  RunOptions run;
  uint32_t position = 0;
  std::optional<uint64_t> seed;
  std::optional<uint32_t> reverts_max;  ///< of a plan that is made; otherwise it changes the plan
  std::optional<double> pct_of_floor;
  std::optional<double> speedup;
  std::string out;  ///< where the report goes; empty: reports/PLAN in the workspace
};

struct OrchestrateOptions {
  std::string action;  ///< "plan", "status", "next", "record" or "report"
  PlanOptions plan;
  std::string campaign;  ///< of record
  std::string note;
};

struct AutoresearchOptions {
  PlanOptions plan;
  std::optional<uint32_t> trials;
  double minutes = 0;
  bool overnight = false;
  uint32_t slice = 16;
};

struct BenchOptions {
  std::string model;
  ScheduleOptions schedule;
  RunOptions run;
  std::string positions = "0";  ///< numbers with commas between them
  uint32_t rounds = 200;
  uint32_t checked = 8;  ///< positions compared with the oracle
  uint64_t seed = 1;
  bool no_rivals = false;
  bool samples = false;  ///< every round's time in the document
  std::string svg_file;  ///< empty: none
};

struct TraceOptions {
  std::string model;
  ScheduleOptions schedule;
  RunOptions run;
  uint32_t position = 0;
  uint32_t runs = 21;
  std::string perfetto_file;  ///< empty: none
  std::string svg_file;       ///< empty: none
  bool timeline = false;      ///< every task's times in the document
  std::string workspace;      ///< where the trace is left; empty: nowhere
};

struct InspectOptions {
  std::string source;  ///< a model, a bundle or a program's JSON
  ScheduleOptions schedule;
  uint32_t position = 0;
  std::optional<uint32_t> level;
  std::optional<uint32_t> sm;
  std::optional<uint32_t> task;
};

}  // namespace amk::cli
