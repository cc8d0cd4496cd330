// A case with memory behind its operands, for tests that run bodies.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstring>
#include <vector>

#include "base/random.h"
#include "instructions/cpu.h"
#include "unit/instructions/cases.h"

namespace amk::instructions::test {

/// Sets element `i` of `data` to a number in (-1, 1) that the dtype holds exactly, or to an index below `index_limit`.
inline void set_random(std::byte* data, abi::Dtype dtype, size_t i, uint64_t index_limit, Random& random) {
  const uint64_t bits = random.next();
  switch (dtype) {
    case abi::Dtype::kF32: {
      const auto value = static_cast<float>(static_cast<double>(bits >> 40) * 0x1p-23 - 1.0);
      std::memcpy(data + 4 * i, &value, 4);
      return;
    }
    case abi::Dtype::kF16: {  // any sign and fraction, exponent -6 to -1
      const auto value = static_cast<uint16_t>((bits & 0x83ffU) | ((9 + (bits >> 16) % 6) << 10));
      std::memcpy(data + 2 * i, &value, 2);
      return;
    }
    case abi::Dtype::kBf16: {
      const auto value = static_cast<uint16_t>((bits & 0x807fU) | ((121 + (bits >> 16) % 6) << 7));
      std::memcpy(data + 2 * i, &value, 2);
      return;
    }
    case abi::Dtype::kU32: {
      const auto value = static_cast<uint32_t>(bits % index_limit);
      std::memcpy(data + 4 * i, &value, 4);
      return;
    }
    case abi::Dtype::kI8G64:
    case abi::Dtype::kI8G128:
    case abi::Dtype::kI8Row:
    case abi::Dtype::kI4G64:
    case abi::Dtype::kI4G128:
    case abi::Dtype::kI4Row:
      return;
  }
}

/// Fills quantised rows: any elements, padding zero, scales that keep every value below 2.
inline void set_random_rows(std::byte* data, const abi::Shape& shape, Random& random) {
  const uint64_t columns = shape.extent[1], row_bytes = abi::row_bytes(shape.dtype, columns);
  const uint64_t element_bytes = abi::row_element_bytes(shape.dtype, columns);
  const unsigned bits = abi::dtype_bits(shape.dtype);
  for (uint64_t row = 0; row < shape.extent[0]; ++row, data += row_bytes) {
    std::memset(data, 0, row_bytes);
    for (uint64_t c = 0; c < columns; ++c) {
      const uint64_t element = random.next() >> (64 - bits);
      data[c * bits / 8] |= static_cast<std::byte>(element << (bits == 4 && c % 2 == 1 ? 4 : 0));
    }
    for (uint64_t at = element_bytes; at < row_bytes; at += 2) {
      const auto scale = static_cast<uint16_t>(((bits == 8 ? 117 : 121) + random.below(4)) << 7 | random.below(128));
      std::memcpy(data + at, &scale, 2);
    }
  }
}

/// Owns one buffer an operand, each between guards.
class BoundTask {
 public:
  static constexpr size_t kGuard = 64;

  /// Operands filled with numbers that `seed` decides; the position is the case's, a token lies in its table.
  BoundTask(const Case& task, uint64_t seed) : task_(&task) {
    Random random(seed);
    buffers_.resize(task.shapes.size());
    for (size_t operand = 0; operand < buffers_.size(); ++operand) {
      const abi::Shape& shape = task.shapes[operand];
      buffers_[operand].assign(abi::size_bytes(shape) + 2 * kGuard, std::byte{0x5a});
      const bool is_token = task.opcode == abi::Opcode::kEmbed && operand == 0;
      const uint64_t limit = is_token ? task.shapes[1].extent[0] : 1000;
      const bool rows = abi::is_quantised(shape.dtype);
      if (rows) set_random_rows(data(operand), shape, random);
      for (size_t i = 0; i < abi::element_count(shape) && !rows; ++i) {
        set_random(data(operand), shape.dtype, i, limit, random);
      }
      if (std::strcmp(abi::operand(task.opcode, static_cast<uint32_t>(operand)).name, "position") == 0) {
        std::memcpy(data(operand), &task.position, 4);
      }
      operands_.push_back({data(operand), &shape});
    }
  }

  void run(CpuWorkspace& workspace) { run_cpu(task_->opcode, task_->params, operands_, workspace); }

  [[nodiscard]] std::byte* data(size_t operand) { return buffers_[operand].data() + kGuard; }
  /// Guards included.
  [[nodiscard]] std::vector<std::byte>& buffer(size_t operand) { return buffers_[operand]; }
  [[nodiscard]] size_t operand_count() const { return buffers_.size(); }

  /// Element `i` widened, of a matrix row after row.
  [[nodiscard]] double at(size_t operand, size_t i) {
    const abi::Dtype dtype = task_->shapes[operand].dtype;
    if (dtype == abi::Dtype::kF32) {
      float value = 0;
      std::memcpy(&value, data(operand) + 4 * i, 4);
      return value;
    }
    if (abi::is_quantised(dtype)) return quantised_at(operand, i);
    return half_at(data(operand) + 2 * i, dtype);
  }

 private:
  static double half_at(const std::byte* at, abi::Dtype dtype) {
    uint16_t bits = 0;
    std::memcpy(&bits, at, 2);
    const double sign = (bits & 0x8000U) != 0 ? -1.0 : 1.0;
    if (dtype == abi::Dtype::kBf16) {
      const int exponent = (bits >> 7) & 0xff;
      const double value = exponent == 255 ? NAN : std::ldexp((exponent == 0 ? 0 : 128) + (bits & 0x7fU), -134);
      return sign * std::ldexp(value, exponent == 0 ? 1 : exponent);
    }
    const int exponent = (bits >> 10) & 0x1f;
    const double value = exponent == 31 ? NAN : std::ldexp((exponent == 0 ? 0 : 1024) + (bits & 0x3ffU), -25);
    return sign * std::ldexp(value, exponent == 0 ? 1 : exponent);
  }

  double quantised_at(size_t operand, size_t i) {
    const abi::Shape& shape = task_->shapes[operand];
    const uint64_t columns = shape.extent[1], column = i % columns;
    const std::byte* row = data(operand) + i / columns * abi::row_bytes(shape.dtype, columns);
    const unsigned bits = abi::dtype_bits(shape.dtype);
    int element = static_cast<int>(row[column * bits / 8]);
    if (bits == 4) element = column % 2 == 1 ? element >> 4 : element & 15;
    if (element >= 1 << (bits - 1)) element -= 1 << bits;
    const uint64_t group = abi::dtype_group(shape.dtype) == abi::kWholeRow ? columns : abi::dtype_group(shape.dtype);
    const std::byte* scale = row + abi::row_element_bytes(shape.dtype, columns) + column / group * 2;
    return element * half_at(scale, abi::Dtype::kBf16);
  }

  const Case* task_;
  std::vector<std::vector<std::byte>> buffers_;
  std::vector<CpuOperand> operands_;
};

}  // namespace amk::instructions::test
