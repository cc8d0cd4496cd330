// A machine: a validated program that can be run, on this CPU or on a GPU behind a worker.
//
// generate(), evaluate() and perplexity take any. A machine decides nothing about the program; it says what it ran on.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "instructions/device/records.h"
#include "ipc/fault.h"
#include "model/checkpoint.h"
#include "validator/validator.h"

namespace amk::eval {

/// Launches that are to be timed.
struct TimeRequest {
  std::vector<uint32_t> positions;
  uint32_t repeats = 30;  ///< launches that are timed, a position; at least 1
  uint32_t warmup = 10;   ///< launches before those
};
using Times = std::vector<std::vector<double>>;  ///< microseconds, [positions][repeats], as measured

/// Blocks of launches of two machines in one process, to be compared with each other.
struct PairRequest {
  uint32_t position = 0;
  uint32_t blocks = 20;  ///< at least 1
};
/// What they took, microseconds. A block is ours, theirs, theirs, ours: what drifts steadily in it cancels.
struct PairTimes {
  std::vector<double> ours;    ///< [2 x blocks]
  std::vector<double> theirs;  ///< [2 x blocks]
};

/// When each task of the last launch did what.
struct Trace {
  std::vector<uint32_t> tasks;               ///< id by place; queue after queue
  std::vector<uint32_t> queue_begin;         ///< [queues + 1] into tasks
  std::vector<device::TraceRecord> records;  ///< [passes][tasks]
};

/// What it took to load a program, and what of the machine it takes. All 0 on the CPU.
struct LoadReport {
  uint32_t registers = 0;    ///< a thread
  uint32_t local_bytes = 0;  ///< a thread: spills and stack
  uint32_t static_smem = 0;  ///< bytes a block
  uint32_t blocks_per_sm = 0;
  uint64_t device_bytes = 0;
  double build_seconds = 0;
  double upload_seconds = 0;
};

class Machine {
 public:
  Machine() = default;
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;
  virtual ~Machine() = default;

  /// One pass: `token` at the next position. kUsage when the context is full or the token is not below vocab(); nothing
  /// has then changed. kInternal where the machine broke: nothing works any more, and fault() may say why.
  virtual Status step(uint32_t token) = 0;
  /// `count` passes, each fed by the one before, in as few launches as the program allows; their choices. kUsage as
  /// step().
  virtual Result<std::vector<uint32_t>> decode(uint32_t token, uint32_t count) = 0;
  virtual Result<std::vector<float>> logits() = 0;  ///< float32[vocab] of the last pass
  /// What the last pass left of an activation or a float output; of a cache, that pass's position, float32[kv_heads,
  /// head_dim]. kUsage before the first pass, and for any other buffer.
  virtual Result<std::vector<float>> values(BufferId buffer) = 0;
  [[nodiscard]] virtual uint32_t next_token() const = 0;  ///< greedy choice of the last pass
  [[nodiscard]] virtual uint32_t position() const = 0;    ///< positions filled so far
  [[nodiscard]] virtual uint64_t vocab() const = 0;       ///< tokens that step() takes
  [[nodiscard]] virtual uint32_t tokens_per_launch() const = 0;
  virtual Status reset() = 0;  ///< forgets every position
  /// Fills positions [0, position) with the values of eval/history.h, and goes on from there.
  virtual Status set_history(uint64_t seed, uint32_t position) = 0;

  [[nodiscard]] virtual const std::string& device() const = 0;  ///< "cpu", or the GPU's name
  [[nodiscard]] bool is_gpu() const { return device() != "cpu"; }
  [[nodiscard]] virtual const LoadReport& report() const = 0;
  /// Single launches by the device's clock; every position is forgotten. kUnsupported on the CPU, kUsage for positions
  /// beyond the context.
  virtual Result<Times> time(const TimeRequest& request) = 0;
  /// This machine and another one in turns; every position of both is forgotten. Each launch that counts comes after
  /// one of the same machine that does not. Errors as time(); kUsage where the two are not in one process.
  virtual Result<PairTimes> time_against(Machine& other, const PairRequest& request);
  /// Of the last launch. kUnsupported on the CPU, kUsage where the program was not loaded to trace.
  virtual Result<Trace> trace() = 0;
  /// Of the launch that broke the machine, where it was a wait that did not end.
  [[nodiscard]] virtual const std::optional<ipc::Fault>& fault() const = 0;
};

/// Makes the machine for a program, once there is one. The checkpoint must outlive it.
using MachineFactory = std::function<Result<std::unique_ptr<Machine>>(const validator::ValidatedProgram& program,
                                                                      const model::Checkpoint& checkpoint)>;

/// The reference VM, on all of the pool's threads. `checkpoint` and `pool` must outlive it. A part of a forward pass
/// (`is_part`) need not have logits and a token.
Result<std::unique_ptr<Machine>> make_cpu_machine(const validator::ValidatedProgram& program,
                                                  const model::Checkpoint& checkpoint, ThreadPool& pool,
                                                  bool is_part = false);

/// Values that Machine::values() gives of a buffer of the program. kUsage where it gives none.
Result<uint64_t> value_count(const schedule::Program& program, BufferId buffer);

/// `factory`'s, or the CPU's where there is none.
Result<std::unique_ptr<Machine>> make_machine(const MachineFactory& factory, const validator::ValidatedProgram& program,
                                              const model::Checkpoint& checkpoint, ThreadPool& pool);

}  // namespace amk::eval
