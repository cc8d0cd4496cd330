// Each rule of rule.def: a program that it alone rejects, one edit away from one that is accepted.
#include <doctest/doctest.h>

#include <limits>
#include <map>
#include <set>
#include <string>

#include "support/golden_file.h"
#include "support/mini_program.h"
#include "support/rule_cases.h"
#include "validator/validator.h"

using namespace amk;
using abi::Rule;
using test::Diamond;
using test::MiniProgram;
using test::RuleCase;

namespace {

/// The rules broken, each once.
std::set<Rule> broken_rules(const schedule::Program& program, const validator::TestHooks& hooks = {}) {
  validator::Validator validator(hooks);
  std::set<Rule> rules;
  for (const validator::Finding& finding : validator.check(program)) {
    rules.insert(finding.rule);
    INFO(validator::describe(finding, program));
    CHECK_FALSE(finding.message.empty());
  }
  CHECK((validator.outcome() == validator::Outcome::kAccepted) == rules.empty());
  return rules;
}

/// What remains of the findings of a case with one rule switched off.
validator::Outcome outcome_without(const RuleCase& test, Rule off) {
  validator::TestHooks hooks = test.hooks;
  hooks.switched_off = off;
  validator::Validator validator(hooks);
  validator.check(test.broken());
  return validator.outcome();
}

}  // namespace

TEST_CASE("each case is rejected by its rule and by no other, and its neighbour, one edit away, is accepted") {
  for (const RuleCase& test : test::rule_cases()) {
    INFO(std::string(test.what));
    CHECK(broken_rules(test.neighbour()).empty());
    CHECK(broken_rules(test.broken(), test.hooks) == std::set<Rule>{test.rule});
    const uint64_t edits = test::edits_between(test.neighbour(), test.broken());
    CHECK(edits == (test.hooks.instruction_arch_min == 0 ? 1 : 0));
  }
}

TEST_CASE("every rule of the table has a case and a neighbour") {
  std::map<Rule, int> cases;
  for (const RuleCase& test : test::rule_cases()) ++cases[test.rule];
  for (const abi::RuleInfo& rule : abi::kRules) {
    INFO(std::string(rule.id));
    CHECK(cases[rule.rule] > 0);
  }
}

TEST_CASE("a validator without any one rule lets a case through, and it is that rule's") {
  for (const abi::RuleInfo& rule : abi::kRules) {
    INFO("without " << rule.id);
    uint32_t let_through = 0;
    for (const RuleCase& test : test::rule_cases()) {
      INFO(std::string(test.what));
      const bool accepted = outcome_without(test, rule.rule) == validator::Outcome::kAccepted;
      CHECK(accepted == (test.rule == rule.rule));
      let_through += accepted ? 1 : 0;
    }
    CHECK(let_through > 0);
  }
}

TEST_CASE("no instruction of today asks for more than the oldest target has, so arch.instruction needs a hook") {
  for (const abi::TargetInfo& target : abi::kTargets) {
    for (const abi::OpcodeInfo& opcode : abi::kOpcodes) CHECK(target.sm >= opcode.min_arch);
  }
}

TEST_CASE("the words of a finding are as recorded, for every rule") {
  std::string text;
  for (const RuleCase& test : test::rule_cases()) {
    const schedule::Program program = test.broken();
    validator::Validator validator(test.hooks);
    text += std::string("# ") + test.what + "\n";
    for (const validator::Finding& finding : validator.check(program)) {
      CHECK(finding.message.find("expected ") != std::string::npos);
      CHECK(finding.message.find("found ") != std::string::npos);
      text += validator::describe(finding, program) + "\n";
    }
    text += "\n";
  }
  CHECK(test::is_golden("tests/golden/validator/messages.txt", text));
}

TEST_CASE("a finding names rule, tasks, bytes and what would mend it") {
  Diamond diamond;
  diamond.task(diamond.sum).waits.pop_back();
  validator::Validation validation = validator::validate(diamond.program);
  CHECK(validation.outcome == validator::Outcome::kRejected);
  CHECK_FALSE(validation.validated.has_value());
  REQUIRE(validation.findings.size() == 1);
  const std::string text = validator::describe(validation.findings[0], *validation.program);
  INFO(text);
  CHECK(text.find("hazard.read-write: task 2 't2', task 1 't1', buffer 3 'b' bytes [0, 256)") == 0);
  CHECK(text.ends_with(
      "mend: let task 2 wait for counter 1 to reach 1, which task 1 increments, or put both in one queue"));
  diamond.task(diamond.sum).waits.push_back({CounterId(1), 1});
  CHECK(broken_rules(diamond.program).empty());
}

TEST_CASE("all findings are collected, not only the first") {
  Diamond diamond;
  diamond.program.launch.threads_per_block = 1;
  diamond.program.counters[0].initial = 5;
  diamond.task(diamond.sum).waits.pop_back();
  diamond.page(diamond.d).size = 0;
  CHECK(broken_rules(diamond.program) ==
        std::set<Rule>{Rule::kThreads, Rule::kCounterZero, Rule::kReadWrite, Rule::kPageBounds});
}

TEST_CASE("a chain of order through other tasks and queues is order enough") {
  MiniProgram chain(3);
  const BufferId a = chain.vector("a"), b = chain.vector("b"), c = chain.vector("c"), d = chain.vector("d");
  const TaskId first = chain.fill(0, a);
  const TaskId second = chain.fill(1, b);
  chain.wait(second, {first});
  const TaskId third = chain.fill(1, c);  // after `second` by its queue
  const TaskId fourth = chain.add(2, a, b, d);
  chain.wait(fourth, {third});  // so after all of them
  CHECK(broken_rules(chain.program).empty());
  chain.program.tasks[second.index()].waits.clear();  // now nothing orders the fill of a before its reader
  CHECK(broken_rules(chain.program) == std::set<Rule>{Rule::kReadWrite});
}

TEST_CASE("tiles are covered byte for byte: a gap and an overlap are found") {
  const auto tiled = [](uint32_t second_begin, uint32_t second_count) {
    MiniProgram program(3);
    const BufferId a = program.vector("a"), b = program.vector("b");
    const BufferId c = program.vector("c");
    const TaskId low = program.fill(0, a, 0, 32);
    const TaskId high = program.fill(1, a, second_begin, second_count);
    const TaskId other = program.fill(2, b);
    const TaskId sum = program.add(2, a, b, c);
    program.wait(sum, {low, high});
    (void)other;
    return broken_rules(program.program);
  };
  CHECK(tiled(32, 32).empty());
  CHECK(tiled(33, 31) == std::set<Rule>{Rule::kUnwritten});
  CHECK(tiled(31, 33) == std::set<Rule>{Rule::kWriteWrite});
}

TEST_CASE("a race is one finding, whichever of reader and writer is looked at first") {
  for (const bool reader_first : {true, false}) {
    MiniProgram program(2);
    const BufferId a = program.vector("a"), b = program.vector("b"), c = program.vector("c"), d = program.vector("d");
    program.fill(0, b);
    if (reader_first) program.fill(1, d);  // tasks are looked at by turns, so this one keeps the writer back
    const TaskId reader = program.add(0, b, a, c);
    const TaskId writer = program.fill(1, a);
    validator::Validator validator;
    const std::vector<validator::Finding>& findings = validator.check(program.program);
    REQUIRE(findings.size() == 1);
    CHECK(findings[0].rule == Rule::kReadWrite);
    CHECK(findings[0].buffer == a);
    CHECK(findings[0].tasks == std::vector{reader, writer});
  }

  MiniProgram late(1);  // the write comes after the read for certain: no race, but nothing to read
  const BufferId a = late.vector("a"), b = late.vector("b");
  late.add(0, a, a, b);
  late.fill(0, a);
  CHECK(broken_rules(late.program) == std::set<Rule>{Rule::kUnwritten});
}

TEST_CASE("one fault that many tasks meet is one finding, which names the first and counts the rest") {
  constexpr uint32_t kReaders = 20;
  // Nobody writes `a`; or who does is waited for by none.
  for (const bool written : {false, true}) {
    MiniProgram program(kReaders + 1);
    const BufferId a = program.vector("a");
    for (uint32_t i = 1; i <= kReaders; ++i) program.add(i, a, a, program.vector("y" + std::to_string(i)));
    if (written) program.fill(0, a);
    validator::Validator validator;
    const std::vector<validator::Finding>& findings = validator.check(program.program);
    REQUIRE(findings.size() == 1);
    const std::string text = validator::describe(findings[0], program.program);
    INFO(text);
    CHECK(findings[0].rule == (written ? Rule::kReadWrite : Rule::kUnwritten));
    CHECK(findings[0].tasks.size() == 8);
    CHECK(text.find(written ? "; likewise 19 other tasks, of which 13 are not named"
                            : "; likewise 19 other tasks, of which 12 are not named") != std::string::npos);
  }
}

TEST_CASE("two faults are two findings, though the same tasks meet both") {
  MiniProgram program(4);
  const BufferId a = program.vector("a"), b = program.vector("b");
  for (uint32_t i = 0; i < 4; ++i) program.add(i, a, b, program.vector("y" + std::to_string(i)));
  validator::Validator validator;
  const std::vector<validator::Finding>& findings = validator.check(program.program);
  REQUIRE(findings.size() == 2);
  CHECK(findings[0].buffer == a);
  CHECK(findings[1].buffer == b);
  CHECK(findings[1].tasks.size() == 4);
}

TEST_CASE("values outside their tables are refused, not looked up") {
  Diamond kind;
  kind.program.buffers[kind.c.index()].kind = static_cast<abi::BufferKind>(200);
  CHECK(broken_rules(kind.program).contains(Rule::kBufferShape));
  Diamond dtype;
  dtype.program.buffers[dtype.c.index()].shape.dtype = static_cast<abi::Dtype>(200);
  CHECK(broken_rules(dtype.program).contains(Rule::kBufferShape));
  Diamond space;
  space.program.buffers[space.c.index()].space = static_cast<schedule::Space>(200);
  CHECK(broken_rules(space.program).contains(Rule::kBufferSpace));
  Diamond table_space;  // not scratch memory, and still no space that there is
  table_space.program.buffers[1].space = static_cast<schedule::Space>(200);
  CHECK(broken_rules(table_space.program) == std::set<Rule>{Rule::kBufferSpace});
  Diamond opcode;
  opcode.task(opcode.sum).opcode = static_cast<abi::Opcode>(200);
  CHECK(broken_rules(opcode.program).contains(Rule::kReference));
  Diamond span;
  span.task(span.sum).ranges[0].span = static_cast<abi::Span>(200);
  CHECK(broken_rules(span.program).contains(Rule::kReference));
  Diamond operand;
  operand.task(operand.sum).ranges[0].operand = 200;
  CHECK(broken_rules(operand.program).contains(Rule::kReference));
  Diamond backend;
  backend.program.launch.stream_backend = static_cast<abi::StreamBackend>(200);
  CHECK(broken_rules(backend.program) == std::set<Rule>{Rule::kBackend});
  Diamond eps;
  eps.task(eps.sum).opcode = abi::Opcode::kRmsNorm;
  eps.task(eps.sum).params = abi::RmsNormParams{64, std::numeric_limits<float>::quiet_NaN()};
  CHECK_FALSE(broken_rules(eps.program).empty());
}

TEST_CASE("a program beyond the IR's limits is refused before tables are made for it") {
  Diamond queues;
  queues.program.placement.queues.resize(200000);  // vector clocks would take 160 GB
  CHECK(broken_rules(queues.program) == std::set<Rule>{Rule::kCapacity});
  Diamond scratch;
  scratch.program.scratch_bytes = UINT64_MAX;
  scratch.page(scratch.d).offset = UINT64_MAX - 127 - 256;
  CHECK(broken_rules(scratch.program) == std::set<Rule>{Rule::kCapacity});
  Diamond extents;
  for (uint64_t& extent : extents.program.buffers[extents.c.index()].shape.extent) extent = UINT64_MAX;
  CHECK(broken_rules(extents.program).contains(Rule::kBufferShape));
}

TEST_CASE("empty programs are judged, not tripped over") {
  CHECK(broken_rules(schedule::Program()).contains(Rule::kTarget));
  MiniProgram no_tasks(1);
  CHECK(broken_rules(no_tasks.program).empty());
  MiniProgram no_queues(0);
  CHECK(broken_rules(no_queues.program) == std::set<Rule>{Rule::kGrid});
}

TEST_CASE("a program whose proof would take for ever is unproven") {
  // n nested reads of a vector between n writes of all of it, in one queue: n cubed steps.
  constexpr uint32_t kNested = 1500;
  MiniProgram program(1);
  const BufferId a = program.vector("a"), b = program.vector("b"), c = program.vector("c");
  for (const BufferId vector : {a, b, c}) {
    program.program.buffers[vector.index()].shape.extent[0] = 4096;
    program.program.pages[vector.index() - a.index()] = {
        vector, (vector.index() - a.index()) * 16384ULL, 16384, {}, {}};
  }
  program.program.buffers[1].shape.extent[1] = 4096;
  program.program.scratch_bytes = 3 * 16384;
  program.fill(0, a, 0, 4096);
  program.fill(0, b, 0, 4096);
  const schedule::Task fill = program.program.tasks[0];
  const TaskId sum = program.add(0, a, b, c, 0, 1);
  const schedule::Task first = program.program.task(sum);
  const auto append = [&](const schedule::Task& task) {
    program.program.tasks.push_back(task);
    program.program.placement.queues[0].emplace_back(static_cast<uint32_t>(program.program.tasks.size() - 1));
  };
  for (uint32_t i = 1; i < kNested; ++i) {
    schedule::Task task = first;
    task.params = abi::ElementwiseParams{0, i + 1};
    for (abi::Range& range : task.ranges) range.end = 4 * (i + 1);
    append(task);
  }
  for (uint32_t i = 0; i < kNested; ++i) append(fill);
  program.refresh_pages();
  validator::Validator validator;
  CHECK(validator.check(program.program).empty());
  CHECK(validator.outcome() == validator::Outcome::kUnproven);
  CHECK_FALSE(validator::validate(program.program).validated.has_value());
}
