// A validated program with memory behind its buffers: everything that a pass needs, looked up once.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "instructions/cpu.h"
#include "model/checkpoint.h"
#include "validator/validator.h"
#include "vm/reference/memory.h"

namespace amk::vm {

/// Finished tasks of one counter. A cache line each, as different workers increment different ones.
struct alignas(64) BoundCounter {
  std::atomic<uint32_t> value = 0;
};

struct BoundWait {
  const std::atomic<uint32_t>* counter = nullptr;
  uint32_t threshold = 0;
};

struct BoundTask {
  abi::Opcode opcode = abi::Opcode::kEmbed;
  const instructions::Params* params = nullptr;
  std::span<const instructions::CpuOperand> operands;
  std::span<const BoundWait> waits;
  std::atomic<uint32_t>* signal = nullptr;

  /// Whether every wait is satisfied; what the awaited tasks wrote is then visible.
  [[nodiscard]] bool ready() const {
    for (const BoundWait& wait : waits) {
      if (wait.counter->load(std::memory_order_acquire) < wait.threshold) return false;
    }
    return true;
  }
  /// Computes, then makes what it wrote visible to those who wait.
  void run(instructions::CpuWorkspace& workspace) const {
    instructions::run_cpu(opcode, *params, operands, workspace);
    signal->fetch_add(1, std::memory_order_release);
  }
};

class BoundProgram {
 public:
  /// Weights are used where `checkpoint` has them, which must outlive this. kBadInput where the program asks for
  /// something that the checkpoint or the VM does not have, kIo where memory runs out.
  /// A part of a forward pass need not have the outputs.
  static Result<std::unique_ptr<BoundProgram>> bind(const validator::ValidatedProgram& program,
                                                    const model::Checkpoint& checkpoint, bool is_part = false);

  /// The tasks of each SM in order.
  [[nodiscard]] const std::vector<std::vector<BoundTask>>& queues() const { return queues_; }
  /// Sets this pass's inputs and zeroes the counters; `token` is below vocab(), `position` below context().
  void begin_pass(uint32_t token, uint32_t position);
  /// Fills all that this pass must write before it reads (scratch, outputs, the caches' current position) with NaN.
  void poison(uint32_t position);
  /// Fills the caches' positions [0, position), which is at most context(). Caches stand keys, values, layer by layer.
  void set_history(const std::function<float(uint32_t layer, bool value, uint64_t element)>& draw, uint32_t position);

  [[nodiscard]] uint32_t context() const { return validated_.program().meta.context; }
  [[nodiscard]] uint64_t vocab() const { return vocab_; }  ///< tokens that every embedding table has
  [[nodiscard]] std::span<const float> logits() const { return logits_; }
  [[nodiscard]] uint32_t next_token() const { return next_token_ == nullptr ? 0 : *next_token_; }
  /// As ReferenceVm::values(), after a pass at `position`.
  Result<std::vector<float>> values(BufferId buffer, uint32_t position) const;

 private:
  explicit BoundProgram(validator::ValidatedProgram program) : validated_(std::move(program)) {}
  Status reserve();
  Status bind_buffers(const model::Checkpoint& checkpoint);
  Status bind_interface(bool is_part);
  void bind_tasks();
  [[nodiscard]] const schedule::Program& program() const { return validated_.program(); }

  validator::ValidatedProgram validated_;
  Memory memory_;                 ///< scratch, then every other buffer that is not the checkpoint's
  std::vector<std::byte*> data_;  ///< of each buffer
  std::vector<BoundCounter> counters_;
  std::vector<instructions::CpuOperand> operands_;  ///< of all tasks
  std::vector<BoundWait> waits_;                    ///< of all tasks
  std::vector<std::vector<BoundTask>> queues_;
  uint32_t* token_ = nullptr;
  uint32_t* position_ = nullptr;
  uint64_t vocab_ = 0;
  std::span<const float> logits_;
  const uint32_t* next_token_ = nullptr;
};

}  // namespace amk::vm
