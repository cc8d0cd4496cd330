// A checkpoint's weights as a rival wants them: row-major, one plain dtype, matrices that share an input one after
// another.
#pragma once

#include <cstdint>
#include <vector>

#include "abi/dtype.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "model/checkpoint.h"
#include "vm/cuda/driver.h"

namespace amk::vm::cuda {

/// Addresses on the device.
struct RivalLayer {
  uint64_t input_norm = 0;  ///< [hidden]
  uint64_t qkv = 0;         ///< [q_size + 2 kv_size, hidden]
  uint64_t o = 0;           ///< [hidden, q_size]
  uint64_t post_norm = 0;   ///< [hidden]
  uint64_t gate_up = 0;     ///< [2 intermediate, hidden]
  uint64_t down = 0;        ///< [hidden, intermediate]
};

struct RivalWeights {
  abi::Dtype dtype = abi::Dtype::kBf16;
  std::vector<RivalLayer> layers;
  uint64_t embed = 0;       ///< [vocab, hidden]
  uint64_t head = 0;        ///< [vocab, hidden]; `embed` where they are tied
  uint64_t final_norm = 0;  ///< [hidden]
  uint64_t inv_freq = 0;    ///< float32[head_dim / 2]
  uint64_t pass_bytes = 0;  ///< of weights that a pass reads
  std::vector<DeviceBuffer> memory;
};

/// What a rival of this checkpoint computes in: the dtype its matrices are stored in, bf16 where they are quantised.
[[nodiscard]] abi::Dtype rival_dtype(const model::Checkpoint& checkpoint);

/// kIo where the device has not that much memory left: a second copy of the weights.
Result<RivalWeights> upload_rival_weights(Device& device, const model::Checkpoint& checkpoint, ThreadPool& pool);

}  // namespace amk::vm::cuda
