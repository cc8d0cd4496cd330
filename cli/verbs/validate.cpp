// amk validate: every finding of a program, in full.

#include "cli/job.h"
#include "cli/progress.h"
#include "cli/verbs/verbs.h"
#include "cli/verdict_text.h"
#include "eval/evaluate.h"
#include "eval/verdict_json.h"

namespace amk::cli {

Result<Exit> validate(const ValidateOptions& options, Output& output) {
  if (options.campaign || options.replay) return campaign(options, output);
  std::vector<std::string> notes;
  Progress progress(output);
  progress.step("reading the program");
  AMK_ASSIGN_OR_RETURN(schedule::Program program, read_program(options.source, options.schedule, notes));
  progress.step("validating");
  const eval::Verdict verdict = eval::verdict_of(validator::validate(std::move(program)));
  progress.stop();
  for (const std::string& note : notes) output.note(note);
  if (output.json()) output.document(std::string_view(eval::findings_to_json(verdict)));
  output.text(findings_text(verdict));
  return verdict.valid ? Exit::kDone : Exit::kNegative;
}

}  // namespace amk::cli
