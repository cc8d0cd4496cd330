#include "eval/history.h"

#include "base/float_formats.h"
#include "base/random.h"

namespace amk::eval {

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

}  // namespace amk::eval
