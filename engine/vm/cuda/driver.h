// The CUDA driver, opened at run time: a context on one GPU, memory, modules, events, cooperative launches.
//
// Nothing of CUDA is linked or included: libcuda.so.1 is opened by name, so a machine without a driver gets an Error
// that says so. Types are ours; handles are opaque. Every call is checked, and errors name the call, CUDA's name of the
// failure and its text. One thread uses a Device at a time. (CUDA Driver API reference, modules named at each call.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "abi/tables.h"
#include "base/result.h"

namespace amk::vm::cuda {

namespace detail {
struct DriverApi;  // the function pointers, in driver_api.h
}

/// What a GPU says of itself.
struct DeviceInfo {
  int ordinal = 0;
  std::string name;
  uint32_t sm = 0;   ///< compute capability x 10
  uint32_t sms = 0;  ///< multiprocessors
  uint64_t memory_bytes = 0;
  uint32_t smem_block_bytes = 0;  ///< opt-in limit a block
  uint32_t l2_bytes = 0;
  std::string driver_version;  ///< "13.0": the CUDA version that the driver speaks
};

/// The GPUs of this machine, in the driver's order. kUnsupported where there is no driver or no GPU: the message says
/// which.
Result<std::vector<DeviceInfo>> list_devices();

class Device;

/// Memory on a device, freed with this. Must not outlive its Device.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  DeviceBuffer(DeviceBuffer&& other) noexcept;
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept;
  ~DeviceBuffer();

  [[nodiscard]] uint64_t address() const { return address_; }  ///< in the device's address space; 256-byte aligned
  [[nodiscard]] uint64_t size() const { return size_; }

 private:
  friend class Device;
  const detail::DriverApi* api_ = nullptr;
  uint64_t address_ = 0;
  uint64_t size_ = 0;
};

/// Page-locked host memory that the device can write while a kernel runs (and that survives a trap of the kernel).
class PinnedBuffer {
 public:
  PinnedBuffer() = default;
  PinnedBuffer(PinnedBuffer&& other) noexcept;
  PinnedBuffer& operator=(PinnedBuffer&& other) noexcept;
  ~PinnedBuffer();

  [[nodiscard]] std::byte* data() const { return data_; }
  [[nodiscard]] uint64_t device_address() const { return device_address_; }
  [[nodiscard]] uint64_t size() const { return size_; }

 private:
  friend class Device;
  const detail::DriverApi* api_ = nullptr;
  std::byte* data_ = nullptr;
  uint64_t device_address_ = 0;
  uint64_t size_ = 0;
};

/// A function of a loaded module; belongs to its Module.
struct Kernel {
  void* handle = nullptr;
};

/// What the compiler gave a kernel (cuFuncGetAttribute).
struct KernelResources {
  uint32_t registers = 0;      ///< a thread
  uint32_t local_bytes = 0;    ///< a thread: spills and stack
  uint32_t static_smem = 0;    ///< bytes a block
  uint32_t threads_max = 0;    ///< a block
  uint32_t blocks_per_sm = 0;  ///< resident at once with the given threads and dynamic shared memory
};

/// A loaded cubin, unloaded with this. Must not outlive its Device.
class Module {
 public:
  Module() = default;
  Module(Module&& other) noexcept;
  Module& operator=(Module&& other) noexcept;
  ~Module();

  /// kInternal where the module has no function of that name.
  [[nodiscard]] Result<Kernel> kernel(const char* name) const;

 private:
  friend class Device;
  const detail::DriverApi* api_ = nullptr;
  void* handle_ = nullptr;
};

/// A point on the device's one stream.
class Event {
 public:
  Event() = default;
  Event(Event&& other) noexcept;
  Event& operator=(Event&& other) noexcept;
  ~Event();

 private:
  friend class Device;
  const detail::DriverApi* api_ = nullptr;
  void* handle_ = nullptr;
};

/// Grid and block of a launch, in blocks, threads and bytes.
struct LaunchShape {
  uint32_t blocks_x = 1;
  uint32_t blocks_y = 1;
  uint32_t blocks_z = 1;
  uint32_t threads = 1;
  uint32_t smem_bytes = 0;  ///< dynamic
};

/// A primary context on one GPU and one non-blocking stream on it.
class Device {
 public:
  /// kUnsupported where there is no driver or no GPU of that ordinal.
  static Result<Device> open(int ordinal = 0);

  Device(Device&&) noexcept;
  Device& operator=(Device&&) noexcept;
  ~Device();

  [[nodiscard]] const DeviceInfo& info() const;
  [[nodiscard]] void* stream() const;  ///< CUstream, for libraries such as cuBLAS

  /// kIo where the device has not that much memory left; the message gives both figures. `size` may be 0.
  Result<DeviceBuffer> allocate(uint64_t size);
  Result<PinnedBuffer> allocate_pinned(uint64_t size);
  Status zero(const DeviceBuffer& buffer);                                  ///< ordered in the stream
  Status fill(uint64_t address, uint64_t words, uint32_t word);             ///< ordered in the stream
  Status upload(uint64_t address, std::span<const std::byte> bytes);        ///< returns when done
  Status upload_async(uint64_t address, std::span<const std::byte> bytes);  ///< in the stream; from pinned memory
  Status download(std::span<std::byte> bytes, uint64_t address);            ///< waits for the stream, then copies
  Status download_async(std::span<std::byte> bytes, uint64_t address);      ///< in the stream; into pinned memory

  Result<Module> load(std::span<const std::byte> cubin);
  /// Raises the kernel's dynamic shared memory limit to `smem_bytes` where it is above the default.
  Status allow_smem(Kernel kernel, uint32_t smem_bytes);
  Result<KernelResources> resources(Kernel kernel, uint32_t threads, uint32_t smem_bytes);
  /// `arguments` are pointers to the kernel's parameters, in order.
  Status launch(Kernel kernel, const LaunchShape& shape, std::span<void* const> arguments);
  /// As launch(); every block is resident at once, or the launch fails.
  Status launch_cooperative(Kernel kernel, const LaunchShape& shape, std::span<void* const> arguments);

  Result<Event> create_event();
  Status record(const Event& event);
  /// Microseconds between two recorded events; waits for `end`.
  Result<double> elapsed_us(const Event& begin, const Event& end);
  /// Waits for all work of the stream. A kernel that trapped or faulted shows here (kInternal), and the device cannot
  /// be used again by this process.
  Status synchronize();

  // CUDA graphs of this stream's work (stream capture).
  Status begin_capture();
  /// The captured work as one launchable handle (CUgraphExec), released by destroy_graph().
  Result<void*> end_capture();
  Status launch_graph(void* graph);
  void destroy_graph(void* graph);

 private:
  struct Impl;
  explicit Device(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace amk::vm::cuda
