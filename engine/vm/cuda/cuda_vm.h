// The CUDA VM: a validated program on a GPU, one cooperative launch a pass or several.
//
// Weights are packed and uploaded once, caches and scratch stay on the device; between tokens the host hands over a
// token and a position, whatever the size of the model.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "instructions/device/records.h"
#include "model/checkpoint.h"
#include "validator/validator.h"
#include "vm/cuda/driver.h"
#include "vm/cuda/kernel_build.h"

namespace amk::vm::cuda {

/// What a test breaks on purpose, to see that it is caught. Nothing in normal use.
struct Sabotage {
  std::optional<TaskId> silent_task;        ///< never signals, and its packets carry a wrong tag
  std::optional<std::string> wrong_weight;  ///< one element of this tensor is off
  std::optional<std::string> nan_weight;    ///< one element of this tensor is NaN
  std::vector<std::string> defines;         ///< of the kernel's build
};

struct CudaVmOptions {
  bool trace = false;
  std::chrono::milliseconds deadline{2000};  ///< of one launch
  Sabotage sabotage;
  /// The build of a program that this one is a part of: its kernel is used, and logits and a token are not asked for.
  std::optional<KernelSpec> whole = std::nullopt;
};

/// A wait in the kernel that outlasted the launch's deadline.
struct Fault {
  device::FaultReport report;
  std::string label;  ///< of the task
  [[nodiscard]] std::string text() const;
};

class CudaVm {
 public:
  /// Builds the kernel for the device, packs and uploads the weights. kUnsupported: the device is not what the program
  /// was compiled for (fewer SMs, less shared memory), the kernel cannot be built. kIo: out of memory.
  static Result<CudaVm> create(const validator::ValidatedProgram& program, const model::Checkpoint& checkpoint,
                               Device& device, ThreadPool& pool, const CudaVmOptions& options = {});
  CudaVm(CudaVm&&) noexcept;
  CudaVm& operator=(CudaVm&&) noexcept;
  ~CudaVm();

  /// One pass: `token` at the next position. kUsage as ReferenceVm::step. A failed launch (kInternal) ends this VM's
  /// and this process's use of the device; fault() then says which wait it was, if it was one.
  Status step(uint32_t token);
  /// `count` passes in one launch, each fed by the one before; at most the program's tokens_per_launch.
  Result<std::vector<uint32_t>> decode(uint32_t token, uint32_t count);
  [[nodiscard]] const std::optional<Fault>& fault() const;

  Result<std::vector<float>> logits();  ///< float32[vocab] of the last pass
  /// As eval::Machine::values(), of a buffer that it gives values of.
  Result<std::vector<float>> values(BufferId buffer);
  [[nodiscard]] uint32_t next_token() const;  ///< greedy choice of the last pass
  [[nodiscard]] uint32_t position() const;    ///< positions filled
  [[nodiscard]] uint64_t vocab() const;
  Status reset();  ///< forgets every position
  /// Fills the caches' positions [0, position) with values drawn from `seed` (eval/history.h has the same for the
  /// oracle), and goes on from there.
  Status set_history(const std::function<float(uint32_t layer, bool value, uint64_t element)>& draw, uint32_t position);

  /// Enqueues one launch of `passes` passes at `position` and returns at once: for timing. Positions filled stay as
  /// they are.
  Status enqueue(uint32_t token, uint32_t position, uint32_t passes = 1);
  Status synchronize();

  [[nodiscard]] const KernelResources& resources() const;
  [[nodiscard]] double build_seconds() const;
  [[nodiscard]] double upload_seconds() const;
  [[nodiscard]] uint64_t device_bytes() const;  ///< of memory in use
  /// Of the last launch, by queue in order; needs options.trace. [passes x tasks].
  Result<std::vector<device::TraceRecord>> trace();
  [[nodiscard]] const std::vector<uint32_t>& traced_tasks() const;  ///< task id by place
  [[nodiscard]] const std::vector<uint32_t>& queue_begin() const;

 private:
  struct Impl;
  explicit CudaVm(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace amk::vm::cuda
