// Typed access to the operands of a bound task, for CPU bodies.
#pragma once

#include <span>

#include "instructions/cpu.h"
#include "instructions/cpu_math.h"

namespace amk::instructions {

using Operands = std::span<const CpuOperand>;

[[nodiscard]] inline float* floats(const CpuOperand& operand) { return reinterpret_cast<float*>(operand.data); }
[[nodiscard]] inline uint32_t* indices(const CpuOperand& operand) { return reinterpret_cast<uint32_t*>(operand.data); }

/// A rank-2 operand.
[[nodiscard]] inline MatrixView matrix(const CpuOperand& operand) {
  return {operand.shape->dtype, operand.data, static_cast<size_t>(operand.shape->extent[1])};
}

/// `vector`, of at least `size` elements.
[[nodiscard]] inline float* grown(std::vector<float>& vector, size_t size) {
  if (vector.size() < size) vector.resize(size);
  return vector.data();
}

/// rmsnorm(x, norm) in the workspace; x has `size` elements.
[[nodiscard]] inline const float* normalised(const CpuOperand& x, const CpuOperand& norm, size_t size, float eps,
                                             CpuWorkspace& workspace) {
  float* out = grown(workspace.vector, size);
  rms_normalise(floats(x), norm.shape->dtype, norm.data, size, eps, out);
  return out;
}

/// Where element `i` of head `head` at `position` stands in a KV cache [heads, context, head_dim].
[[nodiscard]] inline std::byte* cache_at(const CpuOperand& cache, size_t head, size_t position, size_t i = 0) {
  const size_t row = head * cache.shape->extent[1] + position;
  return cache.data + (row * cache.shape->extent[2] + i) * abi::dtype_bytes(cache.shape->dtype);
}

}  // namespace amk::instructions
