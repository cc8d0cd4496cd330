// Every verb: a function from its options to what is printed and how the program ends.
#pragma once

#include "base/result.h"
#include "cli/exit_code.h"
#include "cli/options.h"
#include "cli/output.h"

namespace amk::cli {

Result<Exit> doctor(const DoctorOptions& options, Output& output);
Result<Exit> compile(const CompileOptions& options, Output& output);
Result<Exit> eval(const EvalOptions& options, Output& output);
Result<Exit> generate(const GenerateOptions& options, Output& output);
Result<Exit> validate(const ValidateOptions& options, Output& output);
/// --campaign and --replay of validate: the validator is what is judged.
Result<Exit> campaign(const ValidateOptions& options, Output& output);
Result<Exit> propose(const ProposeOptions& options, Output& output);
Result<Exit> quantize(const QuantizeOptions& options, Output& output);
Result<Exit> loop(const LoopOptions& options, Output& output);
Result<Exit> tune_instruction(const TuneOptions& options, Output& output);
Result<Exit> corpus(const CorpusOptions& options, Output& output);
Result<Exit> log(const LogOptions& options, Output& output);
Result<Exit> report(const ReportOptions& options, Output& output);
Result<Exit> orchestrate(const OrchestrateOptions& options, Output& output);
Result<Exit> autoresearch(const AutoresearchOptions& options, Output& output);
Result<Exit> bench(const BenchOptions& options, Output& output);
Result<Exit> trace(const TraceOptions& options, Output& output);
Result<Exit> inspect(const InspectOptions& options, Output& output);

}  // namespace amk::cli
