#include "differential/fixture.h"

#include <doctest/doctest.h>

#include "base/random.h"
#include "eval/oracle.h"

namespace amk::test {

ThreadPool& pool() {
  static ThreadPool threads;
  return threads;
}

const std::vector<NamedConfig>& groupings() {
  static const std::vector<NamedConfig> all = [] {
    schedule::ScheduleConfig mixed = unfused();
    mixed.fusion_grouping = {{"rmsnorm", "qkv"}, {"o", "residual"}, {"gate", "up", "silu_mul"}};
    return std::vector<NamedConfig>{{"fused", {}}, {"unfused", unfused()}, {"mixed", mixed}};
  }();
  return all;
}

validator::ValidatedProgram accepted(const LoweredModel& model, const std::string& target,
                                     const schedule::ScheduleConfig& config, uint32_t context) {
  const validator::Validation validation = validator::validate(lower(model, target, config, context));
  const std::string found =
      validation.findings.empty() ? "" : describe(validation.findings.front(), *validation.program);
  REQUIRE_MESSAGE(validation.validated.has_value(), found);
  return *validation.validated;
}

vm::ReferenceVm bind(const validator::ValidatedProgram& program, const model::Checkpoint& checkpoint) {
  auto machine = vm::ReferenceVm::create(program, checkpoint, pool());
  REQUIRE_MESSAGE(machine.ok(), (machine.ok() ? "" : machine.error().text()));
  machine->set_poison(true);
  return std::move(machine).value();
}

std::vector<float> logits_of(vm::ReferenceVm& machine, const std::vector<uint32_t>& ids) {
  std::vector<float> logits;
  machine.reset();
  for (const uint32_t id : ids) {
    const Status status = machine.step(id);
    REQUIRE_MESSAGE(status.ok(), (status.ok() ? "" : status.error().text()));
    logits.insert(logits.end(), machine.logits().begin(), machine.logits().end());
  }
  return logits;
}

std::vector<float> oracle_logits(const model::Checkpoint& checkpoint, const std::vector<uint32_t>& ids) {
  auto oracle = eval::Oracle::create(checkpoint, checkpoint.config().context_max, pool());
  REQUIRE(oracle.ok());
  auto logits = oracle->forward(ids);
  REQUIRE(logits.ok());
  return std::move(logits).value();
}

std::vector<uint32_t> some_tokens(const model::ModelConfig& config, uint32_t count, uint64_t seed) {
  Random random(seed);
  std::vector<uint32_t> ids;
  for (uint32_t i = 0; i < count; ++i) ids.push_back(static_cast<uint32_t>(random.below(config.vocab_size)));
  return ids;
}

size_t compare_greedy(vm::ReferenceVm& machine, const std::vector<uint32_t>& prompt,
                      const std::vector<uint32_t>& expected) {
  logits_of(machine, prompt);
  for (size_t i = 0; i < expected.size(); ++i) {
    const uint32_t best = machine.next_token();
    if (best != expected[i]) {
      CAPTURE(i);
      CHECK(machine.logits()[best] - machine.logits()[expected[i]] < kNearTie);
      return i;
    }
    if (i + 1 < expected.size()) REQUIRE(machine.step(best).ok());
  }
  return expected.size();
}

}  // namespace amk::test
