// Whatever the bytes, opening them as a .safetensors file ends in tensors that lie inside it or in an Error, and the
// tensors survive being written and opened again.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "base/assert.h"
#include "model/safetensors.h"

namespace {

using namespace amk;

/// A file in memory: mapped as any other, but no disk is worn by millions of them.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view bytes) : file_(memfd_create("fuzz", MFD_CLOEXEC)) {
    AMK_ASSERT(file_ >= 0, "a file in memory can be made");
    AMK_ASSERT(write(file_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()), "and written");
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile() { close(file_); }
  [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(file_); }

 private:
  int file_;
};

/// Reads every byte, so that one outside the mapping is a fault.
uint64_t sum_of(const model::TensorView& tensor) {
  uint64_t sum = 0;
  for (const std::byte byte : tensor.data) sum += static_cast<uint64_t>(byte);
  return sum;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const MemoryFile input({reinterpret_cast<const char*>(data), size});
  const Result<model::SafetensorsFile> file = model::SafetensorsFile::open(input.path());
  if (!file) return 0;
  const MemoryFile output(model::write_safetensors(file->tensors()));
  const Result<model::SafetensorsFile> again = model::SafetensorsFile::open(output.path());
  AMK_ASSERT(again.ok(), "what was written is opened: " + again.error().text());
  AMK_ASSERT(again->tensors().size() == file->tensors().size(), "no tensor is lost");
  for (const auto& [name, tensor] : file->tensors()) {
    const auto found = again->tensors().find(name);
    AMK_ASSERT(found != again->tensors().end() && found->second.dtype == tensor.dtype &&
                   found->second.shape == tensor.shape && sum_of(found->second) == sum_of(tensor),
               "a tensor is read back unchanged");
  }
  return 0;
}
