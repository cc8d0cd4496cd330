// The reference VM: runs a ValidatedProgram on the CPU by its counters and queues.
//
// It executes what the GPU would: each SM's queue in order, a task only when its counters have reached their
// thresholds. Weights are read where the checkpoint has them mapped. It decides nothing about the program.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "model/checkpoint.h"
#include "validator/validator.h"

namespace amk::vm {

/// In which order ready tasks run.
struct Order {
  enum class Kind : uint8_t {
    kPlacement,    ///< SMs shared out over all cores, each queue as fast as its counters let it
    kAdversarial,  ///< one thread; a seeded choice among the ready heads at every step, biased in turn to starve an SM,
                   ///< to run one SM as far ahead as it goes, or to be fair
  };
  Kind kind = Kind::kPlacement;
  uint64_t seed = 0;
};

class ReferenceVm {
 public:
  /// Binds weights by their names and sets KV caches and scratch up. Every weight's shape and dtype must be what the
  /// program says (kBadInput otherwise, naming it). `checkpoint` and `pool` must outlive the VM.
  /// A part of a forward pass (`is_part`) need not have logits and a token.
  static Result<ReferenceVm> create(const validator::ValidatedProgram& program, const model::Checkpoint& checkpoint,
                                    ThreadPool& pool, bool is_part = false);

  ReferenceVm(ReferenceVm&&) noexcept;
  ReferenceVm& operator=(ReferenceVm&&) noexcept;
  ~ReferenceVm();

  /// One pass: `token` at the next position. kUsage when the context is full or the token is not below the vocabulary;
  /// nothing has then changed. Afterwards logits() and next_token() are this pass's.
  Status step(uint32_t token);

  [[nodiscard]] std::span<const float> logits() const;  ///< float32[vocab]
  [[nodiscard]] uint32_t next_token() const;            ///< greedy choice, by the program's own argmax
  [[nodiscard]] uint32_t position() const;              ///< positions filled so far
  [[nodiscard]] uint64_t vocab() const;                 ///< tokens that step() takes
  /// What the last pass left of an activation or a float output; of a cache, that pass's position, float32[kv_heads,
  /// head_dim]. kUsage before the first pass. Activations that share scratch memory hold what was written last.
  [[nodiscard]] Result<std::vector<float>> values(BufferId buffer) const;
  void reset();  ///< forgets every position
  /// Fills positions [0, position) of the caches and goes on from there. `draw` gives element [position, kv_head, i] of
  /// a layer's keys or values by its index; it is rounded to the caches' dtype. kUsage beyond the context.
  Status set_history(const std::function<float(uint32_t layer, bool value, uint64_t element)>& draw, uint32_t position);
  void set_order(Order order);
  /// Fills scratch and outputs with NaN before every pass, so that a read of an unwritten byte shows.
  void set_poison(bool poison);

 private:
  struct Impl;
  explicit ReferenceVm(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace amk::vm
