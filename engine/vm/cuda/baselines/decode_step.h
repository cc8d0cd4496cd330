// A rival's decode step: cuBLAS's products and hand-written kernels between them, in one CUDA graph; and the products
// alone, in another.
//
// What a serving engine without a megakernel does at batch 1: matrices with a common input are one product, norms take
// the residual addition along, attention is split over the positions. Weights, activations and caches have the model's
// dtype (bf16 where the checkpoint is quantised). It is there to be measured, and only after its logits have been
// compared.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "abi/dtype.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "model/checkpoint.h"
#include "vm/cuda/driver.h"
#include "vm/cuda/nvrtc.h"

namespace amk::vm::cuda {

/// NVRTC's input for the step's kernels. kUnsupported where a size is no multiple of what a 16-byte access holds.
Result<CompileRequest> decode_step_request(const model::ModelConfig& config, abi::Dtype dtype, uint32_t context,
                                           uint32_t sms, uint32_t sm);

class DecodeStep {
 public:
  /// Uploads a copy of the weights, builds the kernels, finds out how cuBLAS is best asked for each shape, and captures
  /// both graphs. kUnsupported where there is no cuBLAS or the sizes do not suit.
  static Result<DecodeStep> create(Device& device, const model::Checkpoint& checkpoint, uint32_t context,
                                   ThreadPool& pool);
  DecodeStep(DecodeStep&&) noexcept;
  DecodeStep& operator=(DecodeStep&&) noexcept;
  ~DecodeStep();

  /// Sets what the next steps read: waits for the stream.
  Status set_input(uint32_t token, uint32_t position);
  /// Enqueues a step at the position that was set.
  Status enqueue_step();
  /// Enqueues the step's products alone, on whatever their inputs hold.
  Status enqueue_projections();

  Result<std::vector<float>> logits();  ///< float32[vocab], of the last step
  Result<uint32_t> next_token();        ///< greedy choice of the last step
  /// As CudaVm::set_history: fills the caches' positions [0, position).
  Status set_history(const std::function<float(uint32_t layer, bool value, uint64_t element)>& draw, uint32_t position);

  [[nodiscard]] abi::Dtype dtype() const;
  /// Bytes of weights and history that a step at `position` reads at least.
  [[nodiscard]] uint64_t pass_bytes(uint32_t position) const;
  [[nodiscard]] uint64_t projection_bytes() const;  ///< of the matrices alone
  /// "qkv row, o column, ...": how cuBLAS is asked for each shape.
  [[nodiscard]] std::string choices() const;

 private:
  struct Impl;
  explicit DecodeStep(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace amk::vm::cuda
