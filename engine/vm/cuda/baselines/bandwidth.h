// How fast this GPU reads memory: the floor that every decode step stands on.
#pragma once

#include <cstdint>
#include <memory>

#include "base/result.h"
#include "vm/cuda/driver.h"

namespace amk::vm::cuda {

/// What was read how fast. Bytes a second are those of the best grid's median run.
struct Bandwidth {
  double bytes_per_second = 0;
  uint64_t bytes = 0;  ///< of one run, far more than the L2 cache holds
  uint32_t blocks = 0;
  uint32_t threads = 0;
};

/// A kernel that reads a large buffer once, 16 bytes a load, and does nothing with it.
class BandwidthProbe {
 public:
  /// Takes 2 GiB of the device's memory, or 1 GiB where there is not that much left.
  static Result<BandwidthProbe> create(Device& device);
  BandwidthProbe(BandwidthProbe&&) noexcept;
  BandwidthProbe& operator=(BandwidthProbe&&) noexcept;
  ~BandwidthProbe();

  /// Times several grids, `rounds` runs each after two that do not count.
  Result<Bandwidth> measure(uint32_t rounds = 12);
  /// Enqueues a read of `bytes` (at most the buffer): keeps the GPU busy and empties its L2 cache of all else.
  Status enqueue(uint64_t bytes);

 private:
  struct Impl;
  explicit BandwidthProbe(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace amk::vm::cuda
