#include "vm/cuda/driver.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "vm/cuda/driver_api.h"

namespace amk::vm::cuda {
namespace {

using detail::CuDevice;
using detail::CuHandle;
using detail::CuResult;
using detail::DriverApi;

// Returns the failure of a driver call, named by its symbol, from the enclosing function.
#define AMK_CUDA_TRY(api, member, symbol, ...) AMK_TRY((api).check((api).member(__VA_ARGS__), symbol))

Result<uint32_t> attribute(const DriverApi& api, CuDevice device, int which) {
  int value = 0;
  AMK_CUDA_TRY(api, device_attribute, "cuDeviceGetAttribute", &value, which, device);
  return static_cast<uint32_t>(value);
}

Result<DeviceInfo> describe_device(const DriverApi& api, int ordinal) {
  DeviceInfo info;
  info.ordinal = ordinal;
  CuDevice device = 0;
  AMK_CUDA_TRY(api, device_get, "cuDeviceGet", &device, ordinal);
  std::array<char, 256> name{};
  AMK_CUDA_TRY(api, device_name, "cuDeviceGetName", name.data(), static_cast<int>(name.size()) - 1, device);
  info.name = name.data();
  AMK_ASSIGN_OR_RETURN(const uint32_t major, attribute(api, device, detail::kComputeCapabilityMajor));
  AMK_ASSIGN_OR_RETURN(const uint32_t minor, attribute(api, device, detail::kComputeCapabilityMinor));
  info.sm = major * 10 + minor;
  AMK_ASSIGN_OR_RETURN(info.sms, attribute(api, device, detail::kMultiprocessorCount));
  AMK_ASSIGN_OR_RETURN(info.smem_block_bytes, attribute(api, device, detail::kMaxSharedMemoryPerBlockOptin));
  AMK_ASSIGN_OR_RETURN(info.l2_bytes, attribute(api, device, detail::kL2CacheSize));
  size_t memory = 0;
  AMK_CUDA_TRY(api, device_memory, "cuDeviceTotalMem_v2", &memory, device);
  info.memory_bytes = memory;
  int version = 0;  // 13.0 is 13000
  AMK_CUDA_TRY(api, driver_version, "cuDriverGetVersion", &version);
  info.driver_version = fmt::format("{}.{}", version / 1000, version % 1000 / 10);
  return info;
}

Result<int> count_devices(const DriverApi& api) {
  int count = 0;
  AMK_CUDA_TRY(api, device_count, "cuDeviceGetCount", &count);
  if (count == 0) return Error{ErrorCode::kUnsupported, "the CUDA driver finds no GPU", "", ""};
  return count;
}

/// What a call that asked for memory says when there is not enough.
Error out_of_memory(const DriverApi& api, std::string_view call, uint64_t size) {
  size_t free = 0;
  size_t total = 0;
  if (api.memory_info(&free, &total) != 0) free = total = 0;
  return {ErrorCode::kIo,
          fmt::format("{}: asked for {} ({} bytes) of GPU memory, {} ({} bytes) of {} are free", call,
                      human_bytes(size), size, human_bytes(free), free, human_bytes(total)),
          "", ""};
}

}  // namespace

Result<std::vector<DeviceInfo>> list_devices() {
  AMK_ASSIGN_OR_RETURN(const DriverApi* api, detail::driver_api());
  AMK_ASSIGN_OR_RETURN(const int count, count_devices(*api));
  std::vector<DeviceInfo> devices;
  for (int i = 0; i < count; ++i) {
    AMK_ASSIGN_OR_RETURN(DeviceInfo info, describe_device(*api, i));
    devices.push_back(std::move(info));
  }
  return devices;
}

// ---- what a device makes --------------------------------------------------------------------------------------------

DeviceBuffer::DeviceBuffer(DeviceBuffer&& other) noexcept
    : api_(std::exchange(other.api_, nullptr)),
      address_(std::exchange(other.address_, 0)),
      size_(std::exchange(other.size_, 0)) {}

DeviceBuffer& DeviceBuffer::operator=(DeviceBuffer&& other) noexcept {
  DeviceBuffer moved(std::move(other));
  std::swap(api_, moved.api_);
  std::swap(address_, moved.address_);
  std::swap(size_, moved.size_);
  return *this;
}

DeviceBuffer::~DeviceBuffer() {
  if (address_ == 0) return;
  api_->enter();
  api_->free(address_);
}

PinnedBuffer::PinnedBuffer(PinnedBuffer&& other) noexcept
    : api_(std::exchange(other.api_, nullptr)),
      data_(std::exchange(other.data_, nullptr)),
      device_address_(std::exchange(other.device_address_, 0)),
      size_(std::exchange(other.size_, 0)) {}

PinnedBuffer& PinnedBuffer::operator=(PinnedBuffer&& other) noexcept {
  PinnedBuffer moved(std::move(other));
  std::swap(api_, moved.api_);
  std::swap(data_, moved.data_);
  std::swap(device_address_, moved.device_address_);
  std::swap(size_, moved.size_);
  return *this;
}

PinnedBuffer::~PinnedBuffer() {
  if (data_ == nullptr) return;
  api_->enter();
  api_->host_free(data_);
}

Module::Module(Module&& other) noexcept
    : api_(std::exchange(other.api_, nullptr)), handle_(std::exchange(other.handle_, nullptr)) {}

Module& Module::operator=(Module&& other) noexcept {
  Module moved(std::move(other));
  std::swap(api_, moved.api_);
  std::swap(handle_, moved.handle_);
  return *this;
}

Module::~Module() {
  if (handle_ == nullptr) return;
  api_->enter();
  api_->module_unload(handle_);
}

Result<Kernel> Module::kernel(const char* name) const {
  AMK_ASSERT(handle_ != nullptr, "a kernel of an empty module");
  api_->enter();
  Kernel kernel;
  if (Status status = api_->check(api_->module_function(&kernel.handle, handle_, name), "cuModuleGetFunction");
      !status) {
    Error error = status.error();
    error.location = name;
    return error;
  }
  return kernel;
}

Event::Event(Event&& other) noexcept
    : api_(std::exchange(other.api_, nullptr)), handle_(std::exchange(other.handle_, nullptr)) {}

Event& Event::operator=(Event&& other) noexcept {
  Event moved(std::move(other));
  std::swap(api_, moved.api_);
  std::swap(handle_, moved.handle_);
  return *this;
}

Event::~Event() {
  if (handle_ == nullptr) return;
  api_->enter();
  api_->event_destroy(handle_);
}

// ---- Device ---------------------------------------------------------------------------------------------------------

struct Device::Impl {
  DriverApi api;  ///< with this device's context; what the device makes points here
  DeviceInfo info;
  CuDevice device = 0;
  CuHandle stream = nullptr;

  Impl() = default;
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    if (api.context == nullptr) return;
    api.enter();
    if (stream != nullptr) {
      api.stream_synchronize(stream);  // what runs may still use memory that is freed next
      api.stream_destroy(stream);
    }
    api.set_current(nullptr);
    api.primary_release(device);
  }

  /// The functions, with the context made this thread's.
  const DriverApi& entered() const {
    api.enter();
    return api;
  }
};

Device::Device(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Device::Device(Device&&) noexcept = default;
Device& Device::operator=(Device&&) noexcept = default;
Device::~Device() = default;

Result<Device> Device::open(int ordinal) {
  AMK_ASSIGN_OR_RETURN(const DriverApi* api, detail::driver_api());
  AMK_ASSIGN_OR_RETURN(const int count, count_devices(*api));
  if (ordinal < 0 || ordinal >= count) {
    return Error{ErrorCode::kUnsupported, fmt::format("expected a GPU of 0 to {}, found {}", count - 1, ordinal), "",
                 ""};
  }
  auto impl = std::make_unique<Impl>();
  AMK_ASSIGN_OR_RETURN(impl->info, describe_device(*api, ordinal));
  AMK_CUDA_TRY(*api, device_get, "cuDeviceGet", &impl->device, ordinal);
  CuHandle context = nullptr;
  AMK_CUDA_TRY(*api, primary_retain, "cuDevicePrimaryCtxRetain", &context, impl->device);
  impl->api = *api;
  impl->api.context = context;
  AMK_CUDA_TRY(*api, set_current, "cuCtxSetCurrent", context);
  AMK_CUDA_TRY(*api, stream_create, "cuStreamCreate", &impl->stream, detail::kStreamNonBlocking);
  return Device(std::move(impl));
}

const DeviceInfo& Device::info() const { return impl_->info; }
void* Device::stream() const { return impl_->stream; }

Result<DeviceBuffer> Device::allocate(uint64_t size) {
  DeviceBuffer buffer;
  buffer.api_ = &impl_->api;
  if (size == 0) return buffer;
  const DriverApi& api = impl_->entered();
  const CuResult result = api.allocate(&buffer.address_, size);
  if (result == detail::kOutOfMemory) return out_of_memory(api, "cuMemAlloc_v2", size);
  AMK_TRY(api.check(result, "cuMemAlloc_v2"));
  buffer.size_ = size;
  return buffer;
}

Result<PinnedBuffer> Device::allocate_pinned(uint64_t size) {
  PinnedBuffer buffer;
  buffer.api_ = &impl_->api;
  if (size == 0) return buffer;
  const DriverApi& api = impl_->entered();
  void* data = nullptr;
  const CuResult result = api.host_allocate(&data, size, detail::kHostAllocPortable | detail::kHostAllocDeviceMap);
  if (result == detail::kOutOfMemory) {
    return Error{ErrorCode::kIo,
                 fmt::format("cuMemHostAlloc: asked for {} ({} bytes) of page-locked host memory, which the system "
                             "does not give",
                             human_bytes(size), size),
                 "", ""};
  }
  AMK_TRY(api.check(result, "cuMemHostAlloc"));
  buffer.data_ = static_cast<std::byte*>(data);
  buffer.size_ = size;
  AMK_CUDA_TRY(api, host_device_pointer, "cuMemHostGetDevicePointer_v2", &buffer.device_address_, data, 0);
  return buffer;
}

Status Device::zero(const DeviceBuffer& buffer) {
  if (buffer.size_ == 0) return {};
  const DriverApi& api = impl_->entered();
  return api.check(api.set_bytes(buffer.address_, 0, buffer.size_, impl_->stream), "cuMemsetD8Async");
}

Status Device::fill(uint64_t address, uint64_t words, uint32_t word) {
  if (words == 0) return {};
  const DriverApi& api = impl_->entered();
  return api.check(api.set_words(address, word, words, impl_->stream), "cuMemsetD32Async");
}

// cuMemcpyHtoD may return while pageable bytes are still on their way, and our stream does not wait for the default
// one; in the stream, the copy is ordered with the kernels before and after it.
Status Device::upload(uint64_t address, std::span<const std::byte> bytes) {
  AMK_TRY(upload_async(address, bytes));
  return bytes.empty() ? Status() : synchronize();
}

Status Device::upload_async(uint64_t address, std::span<const std::byte> bytes) {
  if (bytes.empty()) return {};
  const DriverApi& api = impl_->entered();
  return api.check(api.copy_to_device(address, bytes.data(), bytes.size(), impl_->stream), "cuMemcpyHtoDAsync_v2");
}

Status Device::download(std::span<std::byte> bytes, uint64_t address) {
  AMK_TRY(synchronize());
  if (bytes.empty()) return {};
  return impl_->api.check(impl_->api.copy_to_host(bytes.data(), address, bytes.size()), "cuMemcpyDtoH_v2");
}

Status Device::download_async(std::span<std::byte> bytes, uint64_t address) {
  if (bytes.empty()) return {};
  const DriverApi& api = impl_->entered();
  return api.check(api.copy_to_host_async(bytes.data(), address, bytes.size(), impl_->stream), "cuMemcpyDtoHAsync_v2");
}

// ---- kernels --------------------------------------------------------------------------------------------------------

Result<Module> Device::load(std::span<const std::byte> cubin) {
  // The driver takes a pointer alone and believes the headers: what is no ELF file must not reach it.
  constexpr std::array<std::byte, 4> kElf = {std::byte{0x7F}, std::byte{'E'}, std::byte{'L'}, std::byte{'F'}};
  constexpr size_t kElfHeaderBytes = 64;
  if (cubin.size() < kElfHeaderBytes || !std::equal(kElf.begin(), kElf.end(), cubin.begin())) {
    return Error{ErrorCode::kBadInput, fmt::format("expected a cubin, found {} bytes that are none", cubin.size()), "",
                 ""};
  }
  const DriverApi& api = impl_->entered();
  Module module;
  module.api_ = &api;
  AMK_CUDA_TRY(api, module_load, "cuModuleLoadData", &module.handle_, cubin.data());
  return module;
}

Status Device::allow_smem(Kernel kernel, uint32_t smem_bytes) {
  const DriverApi& api = impl_->entered();
  int allowed = 0;
  AMK_CUDA_TRY(api, function_attribute, "cuFuncGetAttribute", &allowed, detail::kFunctionMaxDynamicSmem, kernel.handle);
  if (smem_bytes <= static_cast<uint32_t>(allowed)) return {};
  if (smem_bytes > impl_->info.smem_block_bytes) {
    return Error{ErrorCode::kUnsupported,
                 fmt::format("expected at most {} bytes of shared memory a block on {}, found {}",
                             impl_->info.smem_block_bytes, impl_->info.name, smem_bytes),
                 "", ""};
  }
  return api.check(
      api.function_set_attribute(kernel.handle, detail::kFunctionMaxDynamicSmem, static_cast<int>(smem_bytes)),
      "cuFuncSetAttribute");
}

Result<KernelResources> Device::resources(Kernel kernel, uint32_t threads, uint32_t smem_bytes) {
  const DriverApi& api = impl_->entered();
  KernelResources out;
  const std::pair<int, uint32_t*> wanted[] = {{detail::kFunctionRegisters, &out.registers},
                                              {detail::kFunctionLocalBytes, &out.local_bytes},
                                              {detail::kFunctionStaticSmem, &out.static_smem},
                                              {detail::kFunctionMaxThreads, &out.threads_max}};
  for (const auto& [which, where] : wanted) {
    int value = 0;
    AMK_CUDA_TRY(api, function_attribute, "cuFuncGetAttribute", &value, which, kernel.handle);
    *where = static_cast<uint32_t>(value);
  }
  int blocks = 0;
  AMK_CUDA_TRY(api, occupancy, "cuOccupancyMaxActiveBlocksPerMultiprocessor", &blocks, kernel.handle,
               static_cast<int>(threads), smem_bytes);
  out.blocks_per_sm = static_cast<uint32_t>(blocks);
  return out;
}

Status Device::launch(Kernel kernel, const LaunchShape& shape, std::span<void* const> arguments) {
  const DriverApi& api = impl_->entered();
  return api.check(api.launch(kernel.handle, shape.blocks_x, shape.blocks_y, shape.blocks_z, shape.threads, 1, 1,
                              shape.smem_bytes, impl_->stream, const_cast<void**>(arguments.data()), nullptr),
                   "cuLaunchKernel");
}

Status Device::launch_cooperative(Kernel kernel, const LaunchShape& shape, std::span<void* const> arguments) {
  const DriverApi& api = impl_->entered();
  return api.check(api.launch_cooperative(kernel.handle, shape.blocks_x, shape.blocks_y, shape.blocks_z, shape.threads,
                                          1, 1, shape.smem_bytes, impl_->stream, const_cast<void**>(arguments.data())),
                   "cuLaunchCooperativeKernel");
}

Result<Event> Device::create_event() {
  const DriverApi& api = impl_->entered();
  Event event;
  event.api_ = &api;
  AMK_CUDA_TRY(api, event_create, "cuEventCreate", &event.handle_, 0);
  return event;
}

Status Device::record(const Event& event) {
  const DriverApi& api = impl_->entered();
  return api.check(api.event_record(event.handle_, impl_->stream), "cuEventRecord");
}

Result<double> Device::elapsed_us(const Event& begin, const Event& end) {
  const DriverApi& api = impl_->entered();
  AMK_CUDA_TRY(api, event_synchronize, "cuEventSynchronize", end.handle_);
  float milliseconds = 0;
  AMK_CUDA_TRY(api, event_elapsed, "cuEventElapsedTime", &milliseconds, begin.handle_, end.handle_);
  return static_cast<double>(milliseconds) * 1e3;
}

Status Device::synchronize() {
  const DriverApi& api = impl_->entered();
  return api.check(api.stream_synchronize(impl_->stream), "cuStreamSynchronize");
}

Status Device::begin_capture() {
  const DriverApi& api = impl_->entered();
  return api.check(api.stream_begin_capture(impl_->stream, detail::kCaptureModeThreadLocal), "cuStreamBeginCapture_v2");
}

Result<void*> Device::end_capture() {
  const DriverApi& api = impl_->entered();
  CuHandle graph = nullptr;
  AMK_CUDA_TRY(api, stream_end_capture, "cuStreamEndCapture", impl_->stream, &graph);
  CuHandle launchable = nullptr;
  const CuResult result = api.graph_instantiate(&launchable, graph, 0);
  api.graph_destroy(graph);
  AMK_TRY(api.check(result, "cuGraphInstantiateWithFlags"));
  return launchable;
}

Status Device::launch_graph(void* graph) {
  const DriverApi& api = impl_->entered();
  return api.check(api.graph_launch(graph, impl_->stream), "cuGraphLaunch");
}

void Device::destroy_graph(void* graph) {
  if (graph != nullptr) impl_->entered().graph_exec_destroy(graph);
}

}  // namespace amk::vm::cuda
