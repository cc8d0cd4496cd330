#include "fuzz/program_properties.h"

#include <algorithm>

#include "base/assert.h"
#include "schedule/program_json.h"
#include "validator/validator.h"

namespace amk::fuzz {
namespace {

bool same(const validator::Finding& a, const validator::Finding& b) {
  return a.rule == b.rule && a.tasks == b.tasks && a.buffer == b.buffer && a.begin == b.begin && a.end == b.end &&
         a.message == b.message;
}

void check_words(const validator::Finding& finding, const schedule::Program& program) {
  AMK_ASSERT(!finding.message.empty(), "a finding says what was expected and what was found");
  for (const TaskId task : finding.tasks) {
    AMK_ASSERT(task.index() < program.tasks.size(), "a finding names tasks that exist");
  }
  const std::string text = validator::describe(finding, program);
  AMK_ASSERT(text.starts_with(finding.id()), "a finding's text starts with its rule: " + text);
}

void check_round_trip(const schedule::Program& program) {
  const std::string text = schedule::program_to_json(program);
  const Result<schedule::Program> again = schedule::program_from_json(text, "round trip");
  AMK_ASSERT(again.ok(), "an accepted program is read back from its JSON");
  AMK_ASSERT(*again == program, "an accepted program is read back unchanged");
}

}  // namespace

void check_properties(const schedule::Program& program) {
  static validator::Validator used;
  validator::Validator fresh;
  const std::vector<validator::Finding>& findings = fresh.check(program);
  const validator::Outcome outcome = fresh.outcome();
  AMK_ASSERT(std::ranges::equal(used.check(program), findings, same), "a used validator finds what a fresh one does");
  AMK_ASSERT(used.outcome() == outcome, "a used validator judges as a fresh one does");
  AMK_ASSERT(findings.empty() == (outcome != validator::Outcome::kRejected),
             "rejected exactly when there is a finding");
  for (const validator::Finding& finding : findings) check_words(finding, program);

  schedule::Program renumbered = program;
  std::ranges::reverse(renumbered.placement.queues);
  used.check(renumbered);
  AMK_ASSERT(used.outcome() == outcome, "the numbers of the SMs do not matter to the verdict");
  if (outcome == validator::Outcome::kAccepted) check_round_trip(program);
}

}  // namespace amk::fuzz
