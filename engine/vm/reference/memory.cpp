#include "vm/reference/memory.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/text.h"

namespace amk::vm {

Result<Memory> Memory::reserve(uint64_t size) {
  Memory memory;
  if (size == 0) return memory;
  // Not reserved: a cache for a long context is only as large as the positions that are filled.
  void* at = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) {
    return Error{ErrorCode::kIo, "cannot reserve " + human_bytes(size) + " of memory: " + std::strerror(errno), "",
                 "choose a shorter context"};
  }
  memory.data_ = static_cast<std::byte*>(at);
  memory.size_ = size;
  return memory;
}

Memory::Memory(Memory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Memory& Memory::operator=(Memory&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

Memory::~Memory() {
  if (data_ != nullptr) munmap(data_, size_);
}

}  // namespace amk::vm
