#include "vm/cuda/baselines/cublas.h"

#include <fmt/format.h>

#include "base/assert.h"
#include "vm/cuda/baselines/cublas_library.h"

namespace amk::vm::cuda {
namespace {

using detail::CublasApi;
using detail::CublasStatus;

constexpr uint64_t kWorkspaceBytes = uint64_t{32} << 20;  // what cuBLAS recommends for Hopper, and more than for others

Status check(const CublasApi& api, CublasStatus status, const char* call) {
  if (status == 0) return {};
  return Error{ErrorCode::kInternal, fmt::format("{}: {}", call, api.status_string(status)), "cuBLAS", ""};
}

int data_type(abi::Dtype dtype) {
  if (dtype == abi::Dtype::kF32) return detail::kCudaR32F;
  if (dtype == abi::Dtype::kF16) return detail::kCudaR16F;
  AMK_ASSERT(dtype == abi::Dtype::kBf16, abi::dtype_name(dtype));
  return detail::kCudaR16Bf;
}

void* pointer(uint64_t address) { return reinterpret_cast<void*>(address); }

}  // namespace

struct Cublas::Impl {
  const CublasApi* api = nullptr;
  Device* device = nullptr;
  detail::CublasHandle handle = nullptr;
  DeviceBuffer workspace;

  Impl() = default;
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    if (handle == nullptr) return;
    static_cast<void>(device->synchronize());  // makes its context current, too
    api->destroy(handle);
  }
};

Cublas::Cublas(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Cublas::Cublas(Cublas&&) noexcept = default;
Cublas& Cublas::operator=(Cublas&&) noexcept = default;
Cublas::~Cublas() = default;

Result<std::string> cublas_version() {
  AMK_ASSIGN_OR_RETURN(const CublasApi* api, detail::cublas_api());
  int major = 0;
  int minor = 0;
  AMK_TRY(check(*api, api->property(0, &major), "cublasGetProperty"));  // MAJOR_VERSION
  AMK_TRY(check(*api, api->property(1, &minor), "cublasGetProperty"));  // MINOR_VERSION
  return fmt::format("{}.{}", major, minor);
}

Result<Cublas> Cublas::create(Device& device) {
  AMK_ASSIGN_OR_RETURN(const CublasApi* api, detail::cublas_api());
  auto impl = std::make_unique<Impl>();
  impl->api = api;
  impl->device = &device;
  AMK_ASSIGN_OR_RETURN(impl->workspace, device.allocate(kWorkspaceBytes));
  AMK_TRY(device.synchronize());
  AMK_TRY(check(*api, api->create(&impl->handle), "cublasCreate_v2"));
  // In this order: a new stream takes the workspace away.
  AMK_TRY(check(*api, api->set_stream(impl->handle, device.stream()), "cublasSetStream_v2"));
  AMK_TRY(check(*api, api->set_workspace(impl->handle, pointer(impl->workspace.address()), kWorkspaceBytes),
                "cublasSetWorkspace_v2"));
  return Cublas(std::move(impl));
}

// cuBLAS is column-major: our row-major [rows, columns] is its columns x rows.
Status Cublas::multiply(const CublasProduct& product) {
  const float one = 1;
  const float zero = 0;
  const int type = data_type(product.dtype);
  const int rows = static_cast<int>(product.rows);
  const int columns = static_cast<int>(product.columns);
  const CublasApi& api = *impl_->api;
  const CublasStatus status =
      product.as_row ? api.gemm(impl_->handle, detail::kCublasOpN, detail::kCublasOpN, 1, rows, columns, &one,
                                pointer(product.x), type, 1, pointer(product.weight), type, columns, &zero,
                                pointer(product.y), type, 1, detail::kCublasCompute32F, detail::kCublasGemmDefault)
                     : api.gemm(impl_->handle, detail::kCublasOpT, detail::kCublasOpN, rows, 1, columns, &one,
                                pointer(product.weight), type, columns, pointer(product.x), type, columns, &zero,
                                pointer(product.y), type, rows, detail::kCublasCompute32F, detail::kCublasGemmDefault);
  return check(api, status, "cublasGemmEx");
}

}  // namespace amk::vm::cuda
