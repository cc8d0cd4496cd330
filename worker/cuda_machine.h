// The CUDA VM as a machine, in the process that has the device.
#pragma once

#include "worker/session.h"

namespace amk::worker {

/// Opens the GPU and loads the program there; errors as CudaVm::create(), kUsage for sabotage that names nothing.
Result<std::unique_ptr<eval::Machine>> load_cuda_machine(const validator::ValidatedProgram& program,
                                                         const model::Checkpoint& checkpoint, ThreadPool& pool,
                                                         const LoadOptions& options);

}  // namespace amk::worker
