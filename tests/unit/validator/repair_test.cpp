// What a finding says would mend it, done as it says, mends it: a schedule can be repaired from the words alone.
#include <doctest/doctest.h>

#include <cstdio>
#include <string>

#include "support/lowered.h"
#include "support/rule_cases.h"
#include "validator/validator.h"

using namespace amk;

namespace {

/// Does what a finding about a race says; false when it says something else.
bool add_wait(schedule::Program& program, const validator::Finding& finding) {
  unsigned task = 0, counter = 0, threshold = 0;
  const std::string words(finding.mend_words());
  if (std::sscanf(words.c_str(), "let task %u wait for counter %u to reach %u,", &task, &counter, &threshold) != 3) {
    return false;
  }
  program.tasks.at(task).waits.push_back({CounterId(counter), threshold});
  return true;
}

/// Validates and does what the first finding says, again and again; how often, or 0 when it came to no end.
uint32_t rounds_to_repair(schedule::Program program) {
  constexpr uint32_t kRoundsMax = 20;
  validator::Validator validator;
  for (uint32_t round = 1; round <= kRoundsMax; ++round) {
    const std::vector<validator::Finding>& findings = validator.check(program);
    if (findings.empty()) return round;
    INFO(validator::describe(findings.front(), program));
    const bool understood = add_wait(program, findings.front());
    CHECK(understood);
    if (!understood) return 0;
  }
  return 0;
}

}  // namespace

TEST_CASE("the waits that findings ask for make a lowered program whole again, whichever task lost its own") {
  const test::LoweredModel model = test::open_model("toy");
  for (const bool fused : {true, false}) {
    const schedule::Program original = test::lower(model, "t4", fused ? schedule::ScheduleConfig{} : test::unfused());
    for (size_t i = 0; i < original.tasks.size(); ++i) {
      if (original.tasks[i].waits.empty()) continue;
      CAPTURE(fused);
      CAPTURE(i);
      schedule::Program broken = original;
      broken.tasks[i].waits.clear();
      CHECK(rounds_to_repair(broken) > 0);
    }
  }
}

TEST_CASE("the words of a race between two writes, and over a reused page, are enough to end it") {
  for (const test::RuleCase& test : test::rule_cases()) {
    if (test.rule != abi::Rule::kReadWrite && test.rule != abi::Rule::kWriteWrite) continue;
    INFO(std::string(test.what));
    CHECK(rounds_to_repair(test.broken()) == 2);
  }
}
