// Quantised weights: how a matrix of a checkpoint becomes one of int8 or int4, and what may not.
//
// Symmetric: value = element x scale, a bf16 scale for each group of columns (abi/dtype.h has the layout). The scale is
// the smallest bf16 of at least the group's largest magnitude / 127 (int8) or / 7 (int4), so that nothing clips; an
// element is weight / scale in float32, rounded half to even. A group of zeros has scale 0 and elements 0. The same
// weights give the same bytes on every machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "abi/dtype.h"
#include "base/result.h"
#include "model/safetensors.h"

namespace amk::model {

/// What matrices are turned into as a checkpoint is read: a quantised dtype, or nothing: they are left as stored.
using WeightFormat = std::optional<abi::Dtype>;

/// "stored", "int8", "int8:64", "int8:128", "int8:row", and the same of int4; a group left out is 128. kUsage for
/// anything else.
Result<WeightFormat> parse_weight_format(std::string_view text);
/// The format as parse_weight_format() takes it: "stored", "int8:128", "int4:row".
[[nodiscard]] std::string weight_format_name(WeightFormat format);

/// Largest magnitude of a weight that can be quantised: beyond it element x scale could overflow.
inline constexpr float kQuantisedWeightMax = 0x1p127F;

/// The first element of a float tensor that is no number of at most kQuantisedWeightMax, if any. All cores.
[[nodiscard]] std::optional<size_t> first_unquantisable(const TensorView& tensor);

/// Writes the rows of `matrix` (f32, f16 or bf16, quantisable) as `dtype`: rows x row_bytes(dtype, columns) bytes. All
/// cores where it is large.
void quantise_matrix(const TensorView& matrix, abi::Dtype dtype, std::byte* out);

/// Bits of the scale of a group whose largest magnitude is `largest`, for elements of 8 or 4 bits.
[[nodiscard]] uint16_t group_scale(float largest, unsigned bits);

}  // namespace amk::model
