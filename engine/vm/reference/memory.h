// Zeroed memory from the operating system that takes up only the pages that are touched.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/result.h"

namespace amk::vm {

class Memory {
 public:
  /// `size` bytes of zeroes, page-aligned. kIo when the system refuses so much.
  static Result<Memory> reserve(uint64_t size);

  Memory() = default;
  Memory(Memory&& other) noexcept;
  Memory& operator=(Memory&& other) noexcept;
  ~Memory();

  [[nodiscard]] std::byte* data() const { return data_; }

 private:
  std::byte* data_ = nullptr;
  uint64_t size_ = 0;
};

}  // namespace amk::vm
