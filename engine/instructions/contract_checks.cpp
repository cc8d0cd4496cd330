#include "instructions/contract_checks.h"

#include <fmt/format.h>

#include <cmath>

namespace amk::instructions {

namespace {
std::string shape_text(const abi::Shape& shape) {
  std::string out = abi::dtype_name(shape.dtype);
  for (uint32_t i = 0; i < shape.rank; ++i) out += fmt::format("{}{}", i == 0 ? " [" : ", ", shape.extent[i]);
  return out + "]";
}
}  // namespace

Checks& Checks::epsilon(float eps) {
  if (!problem_ && !(std::isfinite(eps) && eps >= 0.0F)) {
    problem_ = fmt::format("expected a finite eps of at least 0, found {}", eps);
  }
  return *this;
}

Checks& Checks::scale(float value) {
  if (!problem_ && !(std::isfinite(value) && value > 0.0F)) {
    problem_ = fmt::format("expected a finite scale above 0, found {}", value);
  }
  return *this;
}

void Checks::fail_positive(const char* name) { problem_ = fmt::format("expected {} of at least 1, found 0", name); }

void Checks::fail_equal(const char* name, uint64_t found, const char* source, uint64_t expected) {
  problem_ = fmt::format("expected {} to be {} ({}), found {}", name, expected, source, found);
}

void Checks::fail_limit(const char* relation, const char* name, uint64_t found, const char* source, uint64_t limit) {
  problem_ = fmt::format("expected {} {} {} ({}), found {}", name, relation, limit, source, found);
}

void Checks::fail_multiple(const char* name, uint64_t found, const char* source, uint64_t divisor) {
  problem_ = fmt::format("expected {} to be a multiple of {} ({}), found {}", name, divisor, source, found);
}

void Checks::fail_tile(const char* begin_name, uint64_t begin, const char* count_name, uint64_t count,
                       const char* source, uint64_t extent) {
  problem_ = fmt::format("expected {} + {} at most {} ({}), found {} + {}", begin_name, count_name, extent, source,
                         begin, count);
}

void Checks::fail_shape(const char* name, const abi::Shape& found, const char* source, const abi::Shape& expected) {
  problem_ = fmt::format("expected {} to be {} ({}), found {}", name, shape_text(expected), source, shape_text(found));
}

}  // namespace amk::instructions
