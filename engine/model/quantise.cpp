#include "model/quantise.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/assert.h"
#include "base/float_formats.h"
#include "base/text.h"
#include "base/thread_pool.h"

namespace amk::model {
namespace {

constexpr size_t kParallelElements = 1 << 20;  ///< from here on starting threads is worth it

struct FormatName {
  std::string_view text;
  abi::Dtype dtype;
};
constexpr FormatName kFormats[] = {{"int8:64", abi::Dtype::kI8G64},   {"int8:128", abi::Dtype::kI8G128},
                                   {"int8:row", abi::Dtype::kI8Row},  {"int4:64", abi::Dtype::kI4G64},
                                   {"int4:128", abi::Dtype::kI4G128}, {"int4:row", abi::Dtype::kI4Row},
                                   {"int8", abi::Dtype::kI8G128},     {"int4", abi::Dtype::kI4G128}};

/// Largest element: -127 to 127, or -7 to 7.
constexpr int largest_element(unsigned bits) { return (1 << (bits - 1)) - 1; }

/// Rounds to an integer, half to even, where |value| < 2^22: the sum has no bits below 1.
float round_to_even(float value) {
  constexpr float kIntegers = 0x1.8p23F;
  return (value + kIntegers) - kIntegers;
}

/// Elements [begin, begin + count) of a stored tensor, widened.
void widen(const TensorView& tensor, size_t begin, size_t count, float* out) {
  if (tensor.dtype == abi::Dtype::kF32) {
    std::memcpy(out, tensor.data.data() + begin * sizeof(float), count * sizeof(float));
    return;
  }
  const auto* bits = reinterpret_cast<const uint16_t*>(tensor.data.data()) + begin;
  if (tensor.dtype == abi::Dtype::kF16) {
    for (size_t i = 0; i < count; ++i) out[i] = f16_to_f32(bits[i]);
  } else {
    for (size_t i = 0; i < count; ++i) out[i] = bf16_to_f32(bits[i]);
  }
}

float largest_magnitude(const float* values, size_t count) {
  float largest = 0.0F;
  for (size_t i = 0; i < count; ++i) largest = std::max(largest, std::abs(values[i]));
  return largest;
}

/// Quantises one group of `count` values to bytes; returns its scale.
uint16_t quantise_group(const float* values, size_t count, unsigned bits, int8_t* out) {
  const uint16_t scale_bits = group_scale(largest_magnitude(values, count), bits);
  const float scale = bf16_to_f32(scale_bits);
  if (scale == 0.0F) {
    std::fill_n(out, count, int8_t{0});
    return scale_bits;
  }
  for (size_t i = 0; i < count; ++i) out[i] = static_cast<int8_t>(round_to_even(values[i] / scale));
  return scale_bits;
}

/// Room for one row, widened and quantised, before it is packed.
struct Row {
  std::vector<float> values;     // [columns]
  std::vector<int8_t> elements;  // [padded columns], zeros beyond the columns
};

void quantise_row(Row& row, abi::Dtype dtype, std::byte* out) {
  const size_t columns = row.values.size();
  const unsigned bits = abi::dtype_bits(dtype);
  const size_t group = std::min<size_t>(abi::dtype_group(dtype), columns);
  std::byte* scales = out + abi::row_element_bytes(dtype, columns);
  for (size_t begin = 0; begin < columns; begin += group, scales += abi::kScaleBytes) {
    const size_t count = std::min(group, columns - begin);
    const uint16_t scale = quantise_group(&row.values[begin], count, bits, &row.elements[begin]);
    scales[0] = static_cast<std::byte>(scale & 0xffU);
    scales[1] = static_cast<std::byte>(scale >> 8U);
  }
  if (bits == 8) {
    std::memcpy(out, row.elements.data(), row.elements.size());
    return;
  }
  for (size_t i = 0; i < row.elements.size(); i += 2) {
    const auto low = static_cast<unsigned>(row.elements[i]) & 0xfU;
    const auto high = static_cast<unsigned>(row.elements[i + 1]) & 0xfU;
    out[i / 2] = static_cast<std::byte>(low | high << 4U);
  }
}

/// The lowest index in [begin, end) of what is no number of at most kQuantisedWeightMax, or `end`.
size_t first_bad(const TensorView& tensor, size_t begin, size_t end) {
  constexpr size_t kBlock = 1024;
  std::array<float, kBlock> values;
  for (size_t at = begin; at < end; at += kBlock) {
    const size_t count = std::min(kBlock, end - at);
    widen(tensor, at, count, values.data());
    size_t good = 0;  // a sum of comparisons vectorises where a search does not
    for (size_t i = 0; i < count; ++i) good += std::abs(values[i]) <= kQuantisedWeightMax ? 1 : 0;
    if (good == count) continue;
    const auto* const found = std::find_if_not(values.begin(), values.begin() + count,
                                               [](float value) { return std::abs(value) <= kQuantisedWeightMax; });
    return at + static_cast<size_t>(found - values.begin());
  }
  return end;
}

}  // namespace

Result<WeightFormat> parse_weight_format(std::string_view text) {
  if (text == "stored") return WeightFormat();
  std::vector<std::string_view> names = {"stored"};
  for (const FormatName& format : kFormats) {
    if (text == format.text) return WeightFormat(format.dtype);
    names.push_back(format.text);
  }
  return Error{ErrorCode::kUsage,
               fmt::format("expected one of {}, found '{}'{}", join(names), text, did_you_mean(text, names)), "", ""};
}

std::string weight_format_name(WeightFormat format) {
  if (!format) return "stored";
  const FormatName* found = std::ranges::find(kFormats, *format, &FormatName::dtype);
  AMK_ASSERT(found != std::end(kFormats), "a weight format is a quantised dtype");
  return std::string(found->text);
}

uint16_t group_scale(float largest, unsigned bits) {
  // Both sides of the comparison are exact in double: 8 significant bits times 7 of them.
  const double limit = largest_element(bits);
  auto scale = static_cast<uint16_t>(std::bit_cast<uint32_t>(static_cast<float>(largest / limit)) >> 16U);
  while (scale > 0 && double{bf16_to_f32(static_cast<uint16_t>(scale - 1))} * limit >= double{largest}) --scale;
  while (double{bf16_to_f32(scale)} * limit < double{largest}) ++scale;
  return scale;
}

std::optional<size_t> first_unquantisable(const TensorView& tensor) {
  const size_t count = tensor.data.size() / abi::dtype_bytes(tensor.dtype);
  if (count < kParallelElements) {
    const size_t found = first_bad(tensor, 0, count);
    return found < count ? std::optional(found) : std::nullopt;
  }
  ThreadPool pool;
  std::vector<size_t> found(pool.size(), count);
  pool.run_on_all([&](size_t worker) {
    const size_t begin = count * worker / pool.size(), end = count * (worker + 1) / pool.size();
    const size_t at = first_bad(tensor, begin, end);
    if (at < end) found[worker] = at;
  });
  const size_t first = *std::ranges::min_element(found);
  return first < count ? std::optional(first) : std::nullopt;
}

void quantise_matrix(const TensorView& matrix, abi::Dtype dtype, std::byte* out) {
  AMK_ASSERT(abi::is_quantised(dtype) && matrix.shape.size() == 2, "matrices become quantised, nothing else");
  const size_t rows = matrix.shape[0], columns = matrix.shape[1];
  const size_t row_bytes = abi::row_bytes(dtype, columns);
  const auto quantise_rows = [&](size_t begin, size_t end) {
    Row row{std::vector<float>(columns), std::vector<int8_t>(abi::padded_columns(dtype, columns))};
    for (size_t r = begin; r < end; ++r) {
      widen(matrix, r * columns, columns, row.values.data());
      quantise_row(row, dtype, out + r * row_bytes);
    }
  };
  if (rows * columns < kParallelElements) return quantise_rows(0, rows);
  ThreadPool pool;
  pool.parallel_for(rows, quantise_rows);
}

}  // namespace amk::model
