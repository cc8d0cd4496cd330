// The oracle: an eager float32 forward of a Llama, written straight from the model's definition.
//
// It shares no code with engine/instructions, engine/schedule or engine/vm: what it agrees with, it agrees with
// independently. Pinned to transformers by tests/models/*/expected.safetensors.
// Source: transformers, models/llama/modeling_llama.py.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "model/checkpoint.h"

namespace amk::eval {

/// Feeds tokens one at a time or many at once; keeps its own KV cache. Weights are read in place, widened to float32
/// one by one; sums are float32 or wider. Deterministic: the same tokens give the same bits, whatever the pool's size.
class Oracle {
 public:
  /// `context`: the positions it will hold, 1 to config().context_max (kUsage otherwise). The cache takes memory as
  /// positions fill, not for the whole context. `kv_dtype`: f32, f16 or bf16, what keys and values are rounded to, to
  /// nearest even, before any position sees them (kUsage for others). Both references must outlive the oracle.
  static Result<Oracle> create(const model::Checkpoint& checkpoint, uint32_t context, ThreadPool& pool,
                               abi::Dtype kv_dtype = abi::Dtype::kF32);

  Oracle(Oracle&&) noexcept;
  Oracle& operator=(Oracle&&) noexcept;
  ~Oracle();

  /// Appends `ids` at the next positions and returns their logits, row-major [ids.size(), vocab_size]. kUsage when an
  /// id is not below vocab_size or the context is full, kIo when memory runs out; then nothing has been appended. The
  /// logits of a long text are large: feed it in parts.
  Result<std::vector<float>> forward(std::span<const uint32_t> ids);

  /// As forward(), but only the last token's logits, [vocab_size] (the head runs once). No ids are kUsage.
  Result<std::vector<float>> forward_last(std::span<const uint32_t> ids);

  /// Positions filled so far.
  [[nodiscard]] uint32_t position() const;
  /// Forgets every position.
  void reset();
  /// Fills positions [0, position) of the cache, and goes on from there: `draw` gives element [position, kv_head, i] of
  /// a layer's keys or values by its index, rotated already; it is rounded to the cache's dtype. kUsage beyond the
  /// context, kIo when memory runs out.
  Status set_history(const std::function<float(uint32_t layer, bool value, uint64_t element)>& draw, uint32_t position);

 private:
  struct Impl;
  explicit Oracle(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace amk::eval
