// What a traced pass spent its time on: phases by task, their means by operation, and the bottleneck by name.
//
// Pure functions of a program and the device's records. Times are microseconds since the pass began. The summary reads
// clocks and nothing else: it never says that a program is correct, and a build that traces is slower than one that
// does not.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "instructions/device/records.h"
#include "schedule/program.h"

namespace amk::eval {

/// One pass as the CUDA VM recorded it.
struct TracedPass {
  const schedule::Program* program = nullptr;
  std::span<const device::TraceRecord> records;  ///< by place: queue after queue, in order
  std::span<const uint32_t> tasks;               ///< task id by place
  std::span<const uint32_t> queue_begin;         ///< [queues + 1] into the places
};

/// A task's phases, by where each ends. An instruction without an input to stage has staged_us == inputs_us.
struct TaskTimes {
  uint32_t task = 0;
  uint32_t sm = 0;
  double free_us = 0;       ///< the queue's task before was published: idle until begin_us
  double begin_us = 0;      ///< at the head of its queue: waiting until inputs_us
  double inputs_us = 0;     ///< the last of its producers has published: staging until staged_us
  double staged_us = 0;     ///< its input is in shared memory: products until done_us
  double done_us = 0;       ///< its products are done: publishing until published_us
  double published_us = 0;  ///< its results are written and signalled
  double skew_us = 0;       ///< of the waiting: from the mean of its producers' ends to the last of them

  [[nodiscard]] double idle() const { return begin_us - free_us; }
  [[nodiscard]] double waiting() const { return inputs_us - begin_us; }
  [[nodiscard]] double staging() const { return staged_us - inputs_us; }
  [[nodiscard]] double products() const { return done_us - staged_us; }
  [[nodiscard]] double publishing() const { return published_us - done_us; }
};

struct Timeline {
  std::vector<TaskTimes> tasks;  ///< by place
  uint32_t sms = 0;
  double span_us = 0;  ///< from the first task's begin to the last one's end
};

/// kUsage where the parts do not fit one another, kInternal where a task has no record.
Result<Timeline> timeline_of(const TracedPass& pass);

struct PhaseMean {
  double mean_us = 0;
  double median_us = 0;
};

/// All tasks that do the same for their layer.
struct OperationTimes {
  std::string name;         ///< "qkv": of the label "l3.qkv[0:4]"
  std::string instruction;  ///< of opcode.def
  uint32_t tasks = 0;
  uint32_t levels = 0;                                           ///< that have it
  PhaseMean idle, waiting, skew, staging, products, publishing;  ///< over its tasks
  double spread_us = 0;   ///< from an SM's median end to the last one's, mean over its levels
  double advance_us = 0;  ///< by how much its levels moved the pass's front, in all
};

/// Tasks that can run side by side (task_levels()).
struct LevelTimes {
  std::string name;  ///< "l3.qkv"
  uint32_t tasks = 0;
  uint32_t sms = 0;
  double first_us = 0;  ///< end of the SM that ends first
  double median_us = 0;
  double last_us = 0;
  double advance_us = 0;  ///< from the last end of all levels before to this one's

  [[nodiscard]] double spread_us() const { return last_us - median_us; }
};

enum class Bottleneck : uint8_t { kStream, kCompute, kWait, kSkew };
[[nodiscard]] const char* bottleneck_name(Bottleneck bottleneck);

/// Where an SM's time went, mean over SMs, microseconds. They sum to the span.
struct TimeShares {
  double idle_us = 0;     ///< between tasks
  double waiting_us = 0;  ///< for producers, skew excluded
  double skew_us = 0;     ///< for the slowest of the producers, when the mean one had ended
  double staging_us = 0;  ///< from the producers' end to the input in shared memory: the edge's latency
  double products_us = 0;
  double publishing_us = 0;
  double tail_us = 0;  ///< after the SM's last task
};

struct TraceSummary {
  double span_us = 0;
  double floor_us = 0;  ///< as given
  uint32_t sms = 0;
  TimeShares shares;
  std::vector<OperationTimes> operations;  ///< in the order of the program
  std::vector<LevelTimes> levels;

  /// Of the products, what the memory needs at least.
  [[nodiscard]] double stream_us() const;
  /// Of the products, what is beyond that: arithmetic, or a ring that ran dry.
  [[nodiscard]] double compute_us() const;
  /// Waiting, staging, publishing, idling and the tail: the price of dependencies.
  [[nodiscard]] double wait_us() const;
  /// The largest of the four.
  [[nodiscard]] Bottleneck bottleneck() const;
  /// The largest of the three that are not the stream: what tuning can still win.
  [[nodiscard]] Bottleneck largest_loss() const;
};

/// `floor_us`: all bytes of the pass at the device's bandwidth (benchmark.h); 0 where it is not known.
[[nodiscard]] TraceSummary summarize_trace(const TracedPass& pass, const Timeline& timeline, double floor_us);

/// A compact table of operations, the shares and the bottleneck.
[[nodiscard]] std::string trace_text(const TraceSummary& summary);

}  // namespace amk::eval
