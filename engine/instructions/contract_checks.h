// The comparisons that contracts are made of. The first that fails is kept; text is only made then, so that an accepted
// task costs no allocation.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "abi/tables.h"
#include "base/checked.h"
#include "instructions/instruction.h"

namespace amk::instructions {

/// a * b, or the largest value where that does not fit: no real extent equals it.
[[nodiscard]] constexpr uint64_t saturating_mul(uint64_t a, uint64_t b) {
  return checked_mul(a, b).value_or(std::numeric_limits<uint64_t>::max());
}

class Checks {
 public:
  /// `name` is at least 1.
  Checks& positive(const char* name, uint64_t found) {
    if (!problem_ && found == 0) fail_positive(name);
    return *this;
  }
  /// `name` is what `source` says.
  Checks& equal(const char* name, uint64_t found, const char* source, uint64_t expected) {
    if (!problem_ && found != expected) fail_equal(name, found, source, expected);
    return *this;
  }
  Checks& below(const char* name, uint64_t found, const char* source, uint64_t limit) {
    if (!problem_ && found >= limit) fail_limit("below", name, found, source, limit);
    return *this;
  }
  Checks& at_most(const char* name, uint64_t found, const char* source, uint64_t limit) {
    if (!problem_ && found > limit) fail_limit("at most", name, found, source, limit);
    return *this;
  }
  Checks& multiple(const char* name, uint64_t found, const char* source, uint64_t divisor) {
    if (!problem_ && (divisor == 0 || found % divisor != 0)) fail_multiple(name, found, source, divisor);
    return *this;
  }
  /// [begin, begin + count) is not empty and lies in [0, extent).
  Checks& tile(const char* begin_name, uint32_t begin, const char* count_name, uint32_t count, const char* source,
               uint64_t extent) {
    positive(count_name, count);
    if (!problem_ && uint64_t{begin} + count > extent) fail_tile(begin_name, begin, count_name, count, source, extent);
    return *this;
  }
  /// At least one column; whole packs where the matrix is quantised.
  Checks& chunk(uint32_t k_chunk, const abi::Shape& weight) {
    positive("k_chunk", k_chunk);
    if (!abi::is_quantised(weight.dtype)) return *this;
    return multiple("k_chunk", k_chunk, "columns packed together of a quantised matrix", abi::kPackedColumns);
  }
  /// Finite and not negative.
  Checks& epsilon(float eps);
  /// Finite and above 0.
  Checks& scale(float value);
  Checks& same_shape(const char* name, const abi::Shape& found, const char* source, const abi::Shape& expected) {
    if (!problem_ && found != expected) fail_shape(name, found, source, expected);
    return *this;
  }

  [[nodiscard]] bool failed() const { return problem_.has_value(); }
  [[nodiscard]] Problem take() { return std::exchange(problem_, std::nullopt); }

 private:
  void fail_positive(const char* name);
  void fail_equal(const char* name, uint64_t found, const char* source, uint64_t expected);
  void fail_limit(const char* relation, const char* name, uint64_t found, const char* source, uint64_t limit);
  void fail_multiple(const char* name, uint64_t found, const char* source, uint64_t divisor);
  void fail_tile(const char* begin_name, uint64_t begin, const char* count_name, uint64_t count, const char* source,
                 uint64_t extent);
  void fail_shape(const char* name, const abi::Shape& found, const char* source, const abi::Shape& expected);

  Problem problem_;
};

/// Appends the whole of an operand.
inline void add_whole(RangeList& out, uint8_t operand, Shapes shapes) {
  out.add(operand, 0, abi::size_bytes(shapes[operand]));
}

/// Appends elements [begin, begin + count) of a vector operand.
inline void add_elements(RangeList& out, uint8_t operand, Shapes shapes, uint64_t begin, uint64_t count) {
  const uint64_t bytes = abi::dtype_bytes(shapes[operand].dtype);
  out.add(operand, begin * bytes, (begin + count) * bytes);
}

/// Appends rows [begin, begin + count) of a matrix operand: contiguous bytes.
inline void add_rows(RangeList& out, uint8_t operand, Shapes shapes, uint64_t begin, uint64_t count) {
  const uint64_t pitch = abi::row_bytes(shapes[operand].dtype, shapes[operand].extent[1]);
  out.add(operand, begin * pitch, (begin + count) * pitch);
}

/// Appends elements [begin, begin + count) of the row image [heads, head_dim] of one position of a KV cache.
inline void add_cache_row(RangeList& out, uint8_t operand, Shapes shapes, uint64_t begin, uint64_t count,
                          abi::Span span) {
  const uint64_t bytes = abi::dtype_bytes(shapes[operand].dtype);
  out.add(operand, begin * bytes, (begin + count) * bytes, span);
}

}  // namespace amk::instructions
