// cuBLAS's functions as pointers, and where its library is looked for. Internal to vm/cuda/baselines.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/result.h"

namespace amk::vm::cuda::detail {

using CublasStatus = int;
using CublasHandle = void*;

// Values of cublas_api.h and library_types.h of CUDA 13.0; the same since CUDA 11.
inline constexpr int kCublasOpN = 0;           // CUBLAS_OP_N
inline constexpr int kCublasOpT = 1;           // CUBLAS_OP_T
inline constexpr int kCublasCompute32F = 68;   // CUBLAS_COMPUTE_32F
inline constexpr int kCublasGemmDefault = -1;  // CUBLAS_GEMM_DEFAULT
inline constexpr int kCudaR32F = 0;            // CUDA_R_32F
inline constexpr int kCudaR16F = 2;            // CUDA_R_16F
inline constexpr int kCudaR16Bf = 14;          // CUDA_R_16BF

// member, symbol, result, parameters. Source: cublas_api.h of CUDA 13.0.
#define AMK_CUBLAS_FUNCTIONS(X)                                                                                     \
  X(create, cublasCreate_v2, CublasStatus, (CublasHandle*))                                                         \
  X(destroy, cublasDestroy_v2, CublasStatus, (CublasHandle))                                                        \
  X(property, cublasGetProperty, CublasStatus, (int, int*))                                                         \
  X(set_stream, cublasSetStream_v2, CublasStatus, (CublasHandle, void*))                                            \
  X(set_workspace, cublasSetWorkspace_v2, CublasStatus, (CublasHandle, void*, size_t))                              \
  X(status_string, cublasGetStatusString, const char*, (CublasStatus))                                              \
  X(gemm, cublasGemmEx, CublasStatus,                                                                               \
    (CublasHandle, int, int, int, int, int, const void*, const void*, int, int, const void*, int, int, const void*, \
     void*, int, int, int, int))

struct CublasApi {
#define AMK_CUBLAS_MEMBER(member, symbol, result, parameters) result(*member) parameters = nullptr;
  AMK_CUBLAS_FUNCTIONS(AMK_CUBLAS_MEMBER)
#undef AMK_CUBLAS_MEMBER
};

/// What to hand to dlopen(), best first. $AMK_CUBLAS alone where it is set.
std::vector<std::string> cublas_candidates();

/// The first of them that is a cuBLAS. kUnsupported says where it was looked for.
Result<CublasApi> open_cublas(const std::vector<std::string>& candidates);

/// open_cublas(cublas_candidates()), once a process.
Result<const CublasApi*> cublas_api();

}  // namespace amk::vm::cuda::detail
