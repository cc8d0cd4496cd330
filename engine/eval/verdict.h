// A verdict: of one schedule, whether it is valid, correct and how fast, and of what each was established.
//
// No latency without correctness. A measured and a predicted latency are different kinds of number and never compared.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ipc/fault.h"
#include "validator/validator.h"

namespace amk::eval {

enum class LatencyKind : uint8_t { kMeasuredGpu, kPredicted };

/// What the ids in a finding are called in the program.
struct FindingNames {
  std::vector<std::string> tasks;  ///< labels
  std::string buffer;              ///< empty where the finding has none
};

struct Verdict {
  bool valid = false;  ///< the validator accepted it
  validator::Outcome outcome = validator::Outcome::kUnproven;
  std::vector<validator::Finding> findings;
  std::vector<std::string> finding_texts;  ///< describe() of each
  std::vector<FindingNames> finding_names;

  bool correct = false;    ///< the output agreed with the oracle
  double max_abs_err = 0;  ///< over all logits compared; meaningful when compared_positions > 0
  double tolerance = 0;
  double top1_agreement = 0;  ///< share of positions whose best token is the oracle's, near ties excepted
  uint32_t compared_positions = 0;
  bool repeatable = false;  ///< a second run gave the same bits

  std::optional<double> latency_us;  ///< of the pass at `latency_position`; only when correct
  std::optional<LatencyKind> latency_kind;
  uint32_t latency_position = 0;
  double floor_us = 0;  ///< weight and history bytes at the target's sustained bandwidth

  std::string schedule_id;
  uint64_t tasks = 0;
  uint64_t weight_bytes = 0;
  std::string model;
  std::string gpu;                  ///< the target the program is for
  std::string device;               ///< what the output was computed on: "cpu", or a GPU's name
  bool run_failed = false;          ///< the machine broke; a note says how
  std::optional<ipc::Fault> fault;  ///< the wait that did not end, where a launch failed
  std::vector<std::string> notes;

  /// 100 x floor / latency: 100 is the floor, less is slower.
  [[nodiscard]] std::optional<double> pct_of_floor() const {
    if (!latency_us || *latency_us <= 0) return std::nullopt;
    return 100.0 * floor_us / *latency_us;
  }
};

}  // namespace amk::eval
