// The CUDA software and the GPUs of this machine. GPUs are the worker's to see: this process never touches one.
//
// Nothing here is needed to work: what is missing is an empty answer.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "abi/tables.h"
#include "ipc/worker_client.h"

namespace amk::cli {

struct Gpu {
  int ordinal = 0;
  std::string name;  ///< as the driver calls it
  uint32_t sm = 0;   ///< compute capability x 10
  uint32_t sms = 0;
  uint64_t memory_bytes = 0;
  const abi::TargetInfo* target = nullptr;  ///< the row of target.def it is; null when it is none
};

struct GpuProbe {
  std::optional<std::string> driver;  ///< "12.8": the CUDA version the driver speaks; only where it finds a GPU
  std::optional<std::string> nvrtc;   ///< version of the run-time compiler
  std::optional<std::string> cublas;
  std::string problem;  ///< why there are no GPUs; empty when there are
  std::vector<Gpu> gpus;
  std::shared_ptr<ipc::WorkerClient> worker;  ///< that was asked; null where none could be started
};

/// Driver and GPUs only: what a choice of target needs. By a worker that `launch` starts (ipc::launched_worker()).
[[nodiscard]] GpuProbe probe_gpus(const std::string& launch = "");
/// Libraries too.
[[nodiscard]] GpuProbe probe_cuda();

/// The row with that architecture and number of SMs, the one that the name mentions where there are several.
[[nodiscard]] const abi::TargetInfo* target_of(const std::string& name, uint32_t sm, uint32_t sms);

}  // namespace amk::cli
