// Made-up trials of a made-up campaign, for tests of what keeps them.
#pragma once

#include <string>

#include "search/history.h"

namespace amk::test {

inline search::CampaignHeader a_header() {
  return {"toy", "toy", "h100", "cpu", "stored", "f32", 256, 3, eval::LatencyKind::kPredicted, 42};
}

inline search::Incumbent a_start() { return {0, {}, "000000000000", 100.0, 10.0}; }

/// The n-th trial: every third is kept, and every fifth of the others is refused.
inline search::Trial a_trial(uint32_t n) {
  search::Trial out;
  out.number = n;
  out.proposal.config.pipelining_depth = 2 + n % 30;
  out.proposal.change = "pipelining_depth=" + std::to_string(2 + n % 30);
  out.proposal.knob = "pipelining_depth";
  out.proposal.proposer = "greedy";
  if (n % 3 != 0 && n % 5 == 0) {
    out.outcome = search::Outcome::kRefused;
    out.reason = "launch.ring: expected a ring of at most 227 KiB, found more";
    return out;
  }
  const bool kept = n % 3 == 0;
  const double latency = kept ? 100.0 - n : 100.0 + n;
  out.schedule_id = "00000000000" + std::to_string(n % 10);
  out.kernel_hash = "abc";
  out.outcome = kept ? search::Outcome::kKept : search::Outcome::kReverted;
  out.reason = kept ? "2.00% faster" : "1.00% slower";
  out.correctness = {true, true, true, 1e-6, 1e-4, 16, "cpu"};
  out.measurement = search::Measurement{eval::LatencyKind::kPredicted, latency, 100, 10, {0.98, 0.98, 0.98}, 0, 3};
  out.seconds = 0.25;
  return out;
}

}  // namespace amk::test
