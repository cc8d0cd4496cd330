// What a benchmark found: who was measured, where, how fast, and what each was checked against.
//
// No latency without correctness: a contender whose logits were not found right has no times, and says why.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "eval/agreement.h"
#include "eval/statistics.h"

namespace amk::eval {

/// Names of the contenders; the first is ours.
inline constexpr const char* kMegakernel = "megakernel";
inline constexpr const char* kProjections = "cublas-projections";  ///< cuBLAS's products alone, in a CUDA graph
inline constexpr const char* kGraphStep = "cublas-graph";          ///< a whole step, in a CUDA graph

struct ContenderTimes {
  std::string name;
  std::string weights;             ///< what it reads: "bf16", "i8g128"
  uint64_t bytes = 0;              ///< that it reads at least
  double floor_us = 0;             ///< bytes at the measured bandwidth
  std::vector<double> samples_us;  ///< one a round
  Spread latency_us;
  std::optional<Estimate> ratio;       ///< its latency / the megakernel's, paired; none of the megakernel itself
  std::optional<Agreement> agreement;  ///< with the megakernel's logits at this position; none where it has no logits

  [[nodiscard]] double pct_of_floor() const { return latency_us.median > 0 ? 100 * floor_us / latency_us.median : 0; }
};

struct PositionTimes {
  uint32_t position = 0;
  std::vector<ContenderTimes> contenders;  ///< the megakernel first
};

struct BenchReport {
  std::string model;
  std::string schedule_id;
  std::string target;
  std::string device;
  uint32_t sms = 0;
  std::string driver;  ///< CUDA version that the driver speaks
  std::string cublas;  ///< version; empty: none
  std::string weights;
  std::string kv_dtype;
  uint32_t context = 0;
  uint32_t rounds = 0;
  uint64_t seed = 0;
  Agreement agreement;                       ///< the megakernel's with the oracle's
  bool repeatable = false;                   ///< the same tokens gave the same bits twice
  std::optional<Agreement> rival_agreement;  ///< the rival's with the megakernel's, at the first positions
  double bandwidth_bytes_per_second = 0;
  std::vector<PositionTimes> positions;  ///< empty where the megakernel is not correct
  std::vector<std::string> notes;

  [[nodiscard]] bool correct() const { return agreement.agrees() && repeatable; }
};

/// Fills in what follows from the samples: spreads and ratios.
void summarize_samples(BenchReport& report);

/// A horizontal bar a contender and position, with p10 to p90 as a line and the floor as a mark.
[[nodiscard]] std::string bench_svg(const BenchReport& report);

}  // namespace amk::eval
