// Tensors that are made when first asked for, in memory that is reserved at once and taken as they are made.
//
// Owns the memory and the promise that each tensor is made once; what goes into it is the caller's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"

namespace amk::model {

class LazyTensors {
 public:
  /// Reserves address space (not memory) for tensors of these sizes, each on pages of its own. kIo where the system
  /// refuses it.
  static Result<LazyTensors> create(std::span<const uint64_t> sizes_bytes);

  LazyTensors(LazyTensors&&) noexcept;
  LazyTensors& operator=(LazyTensors&&) noexcept;
  ~LazyTensors();

  /// The bytes of tensor `index`; the first call fills them by make(out), out zeroed. Thread-safe.
  [[nodiscard]] std::span<const std::byte> get(size_t index, const std::function<void(std::byte* out)>& make) const;
  /// Gives the memory of tensor `index` back; nobody may hold it, and it may not be asked for again.
  void release(size_t index) const;

 private:
  struct Impl;
  explicit LazyTensors(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace amk::model
