// The cost model: a latency that is predicted, never measured, and says so wherever it goes.
//
// Plays the program out in time: each SM streams its queue's weights at its share of the bandwidth, running ahead of
// the products by at most the ring; a task starts when the SM is free and its counters are reached, and ends when its
// products are done and its weights have arrived.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "abi/tables.h"
#include "schedule/program.h"

namespace amk::schedule {

/// The model's constants, microseconds. Source: an H100's megakernel probe, November 2026 (docs/performance-log.md):
/// a level of 132 SMs costs about 2 us from the last store to the first product where nothing hides it.
struct CostConstants {
  double launch_us = 5.0;  ///< a cooperative launch, until every SM runs
  double edge_us = 1.5;    ///< from a task's last store until a task on another SM has seen it and staged its input
  double task_us = 0.3;    ///< fetching a task and publishing its result
};

struct Prediction {
  double latency_us = 0;      ///< one pass
  double floor_us = 0;        ///< all weight and history bytes at the sustained bandwidth
  double wait_us = 0;         ///< on the critical path: waiting for counters, launching, fetching
  double stream_us = 0;       ///< on the critical path: bytes arriving
  uint32_t levels = 0;        ///< tasks on the longest chain of counter edges
  uint64_t weight_bytes = 0;  ///< each weight once, however many tasks read it
  uint64_t history_bytes = 0;
  std::vector<TaskId> critical;  ///< tasks on the critical path, first to last
  std::vector<uint64_t> bytes_of_sm;

  /// "wait" or "stream": what most of the critical path is made of.
  [[nodiscard]] const char* bottleneck() const { return wait_us > stream_us ? "wait" : "stream"; }
};

/// The pass at `position` (0-based). The program must be one that the validator accepts.
[[nodiscard]] Prediction predict(const Program& program, const abi::TargetInfo& target, uint32_t position,
                                 const CostConstants& constants = {});

/// A task as predict() played it out, microseconds since the launch was asked for. It waits from `free_us` to
/// `ready_us` and works until `end_us`; of that, `stream_us` waiting for its bytes.
struct PlayedTask {
  uint32_t task = 0;
  uint32_t sm = 0;
  double free_us = 0;   ///< the SM's task before has ended, or the launch has
  double ready_us = 0;  ///< its counters are reached too
  double end_us = 0;
  double stream_us = 0;
};

/// Every task of the same pass, queue by queue; those that do nothing at this position are left out.
[[nodiscard]] std::vector<PlayedTask> play_out(const Program& program, const abi::TargetInfo& target, uint32_t position,
                                               const CostConstants& constants = {});

}  // namespace amk::schedule
