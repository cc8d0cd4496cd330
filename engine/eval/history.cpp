#include "eval/history.h"

#include "base/float_formats.h"
#include "base/random.h"

namespace amk::eval {
namespace {

/// Values that are drawn and uploaded in a second, at least.
constexpr uint64_t kValuesPerSecond = 5'000'000;

}  // namespace

float history_value(uint64_t seed, abi::Dtype kv_dtype, uint32_t layer, bool value, uint64_t element) {
  const uint64_t stream = mix64(mix64(seed) + 2 * uint64_t{layer} + (value ? 1 : 0));
  const uint64_t bits = mix64(stream + (element + 1) * 0x9e3779b97f4a7c15ULL) >> 40;  // 24: exact in float32
  const float drawn = static_cast<float>(static_cast<int64_t>(bits) - (int64_t{1} << 23)) * 0x1p-23F;
  if (kv_dtype == abi::Dtype::kF16) return f16_to_f32(f32_to_f16(drawn));
  return kv_dtype == abi::Dtype::kBf16 ? bf16_to_f32(f32_to_bf16(drawn)) : drawn;
}

HistoryDraw history_of(uint64_t seed, abi::Dtype kv_dtype) {
  return [seed, kv_dtype](uint32_t layer, bool value, uint64_t element) {
    return history_value(seed, kv_dtype, layer, value, element);
  };
}

float coarse_history_value(uint64_t seed, uint32_t layer, bool value, uint64_t element) {
  const uint64_t place = (uint64_t{layer} * 2 + (value ? 1 : 0)) << 48 ^ element;
  return static_cast<float>(static_cast<int>(mix64(mix64(seed) ^ place) % 129) - 64) / 64.0F;
}

HistoryDraw coarse_history_of(uint64_t seed) {
  return [seed](uint32_t layer, bool value, uint64_t element) {
    return coarse_history_value(seed, layer, value, element);
  };
}

uint64_t history_row(const schedule::Program& program) {
  uint64_t out = 0;
  for (const schedule::Buffer& buffer : program.buffers) {
    if (buffer.kind == abi::BufferKind::kKvCache) out += buffer.shape.extent[0] * buffer.shape.extent[2];
  }
  return out;
}

std::chrono::milliseconds history_patience(uint64_t row, uint32_t position) {
  return std::chrono::seconds(3) + std::chrono::milliseconds(1000 * (row * position / kValuesPerSecond));
}

}  // namespace amk::eval
