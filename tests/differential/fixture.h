// What the differential tests share: a model lowered, validated and bound to the reference VM, and its logits.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/thread_pool.h"
#include "support/lowered.h"
#include "vm/reference/reference_vm.h"

namespace amk::test {

/// Two float32 evaluations in different orders part by less; a wrong model parts by far more.
inline constexpr double kLogitTolerance = 2e-4;

/// Best logits closer than this may change places when sums are taken in another order.
inline constexpr double kNearTie = 1e-4;

ThreadPool& pool();

struct NamedConfig {
  std::string name;
  schedule::ScheduleConfig config;
};

/// Fused (the default), unfused, and a grouping that mixes fused instructions with primitive ones.
const std::vector<NamedConfig>& groupings();

/// Lowers and validates; a rejection fails the test with the first finding.
validator::ValidatedProgram accepted(const LoweredModel& model, const std::string& target,
                                     const schedule::ScheduleConfig& config, uint32_t context = 0);

/// A VM for a program that fits `checkpoint`; poisoned, so that a read of something unwritten shows as NaN.
vm::ReferenceVm bind(const validator::ValidatedProgram& program, const model::Checkpoint& checkpoint);

/// Logits of every position of `ids`, [ids.size(), vocab], from an empty context.
std::vector<float> logits_of(vm::ReferenceVm& machine, const std::vector<uint32_t>& ids);

/// The oracle's logits of the same.
std::vector<float> oracle_logits(const model::Checkpoint& checkpoint, const std::vector<uint32_t>& ids);

/// Token ids that look random, `count` of them.
std::vector<uint32_t> some_tokens(const model::ModelConfig& config, uint32_t count, uint64_t seed = 5);

/// Continues `prompt` greedily by the program's own argmax and compares with `expected`, up to the first near tie that
/// fell the other way; returns how many tokens were equal.
size_t compare_greedy(vm::ReferenceVm& machine, const std::vector<uint32_t>& prompt,
                      const std::vector<uint32_t>& expected);

}  // namespace amk::test
