// The gate of what is measured: a megakernel's logits against the oracle's, in the process that has the device.
#pragma once

#include <cstdint>
#include <vector>

#include "eval/agreement.h"
#include "vm/cuda/cuda_vm.h"
#include "worker/session.h"

namespace amk::worker {

struct GateResult {
  eval::Agreement agreement;
  bool repeatable = false;
  std::vector<uint32_t> tokens;
  eval::LogitRows logits;  ///< the machine's
};

/// `count` random tokens through the machine (twice) and the oracle.
Result<GateResult> check_against_oracle(vm::cuda::CudaVm& machine, const Subject& subject, uint32_t count,
                                        uint64_t seed);

/// `count` tokens below `vocab`, drawn from the seed.
[[nodiscard]] std::vector<uint32_t> random_tokens(uint32_t vocab, uint32_t count, uint64_t seed);

}  // namespace amk::worker
