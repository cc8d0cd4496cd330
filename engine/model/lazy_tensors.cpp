#include "model/lazy_tensors.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <utility>

#include "base/checked.h"
#include "base/text.h"

namespace amk::model {
namespace {

constexpr uint64_t kPageBytes = 4096;

/// Anonymous memory: address space now, pages when written.
class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena() {
    if (data_ != nullptr) ::munmap(data_, size_);
  }

  Status reserve(uint64_t bytes) {
    void* data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data == MAP_FAILED) {
      return Error{ErrorCode::kIo,
                   fmt::format("cannot reserve {} of memory: {}", human_bytes(bytes), std::strerror(errno)), "", ""};
    }
    data_ = static_cast<std::byte*>(data);
    size_ = bytes;
    ::madvise(data_, size_, MADV_HUGEPAGE);  // only faster: a refusal changes nothing
    return {};
  }
  [[nodiscard]] std::byte* at(uint64_t offset) const { return data_ + offset; }

 private:
  std::byte* data_ = nullptr;
  uint64_t size_ = 0;
};

}  // namespace

struct LazyTensors::Impl {
  struct Tensor {
    uint64_t offset = 0;
    uint64_t bytes = 0;
    std::once_flag made;
  };
  std::vector<Tensor> tensors;
  Arena arena;
};

Result<LazyTensors> LazyTensors::create(std::span<const uint64_t> sizes_bytes) {
  auto impl = std::make_unique<Impl>();
  impl->tensors = std::vector<Impl::Tensor>(sizes_bytes.size());
  uint64_t offset = 0;
  for (size_t i = 0; i < sizes_bytes.size(); ++i) {
    impl->tensors[i].offset = offset;
    impl->tensors[i].bytes = sizes_bytes[i];
    offset += round_up(sizes_bytes[i], kPageBytes);
  }
  AMK_TRY(impl->arena.reserve(std::max(offset, kPageBytes)));
  return LazyTensors(std::move(impl));
}

LazyTensors::LazyTensors(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LazyTensors::LazyTensors(LazyTensors&&) noexcept = default;
LazyTensors& LazyTensors::operator=(LazyTensors&&) noexcept = default;
LazyTensors::~LazyTensors() = default;

std::span<const std::byte> LazyTensors::get(size_t index, const std::function<void(std::byte* out)>& make) const {
  Impl::Tensor& tensor = impl_->tensors[index];
  std::byte* data = impl_->arena.at(tensor.offset);
  std::call_once(tensor.made, [&] { make(data); });
  return {data, tensor.bytes};
}

void LazyTensors::release(size_t index) const {
  const Impl::Tensor& tensor = impl_->tensors[index];
  // Memory that is not given back is only waste: a refusal changes nothing.
  ::madvise(impl_->arena.at(tensor.offset), round_up(tensor.bytes, kPageBytes), MADV_DONTNEED);
}

}  // namespace amk::model
