#include "eval/benchmark.h"

#include <doctest/doctest.h>

#include <set>

#include "base/float_formats.h"

using namespace amk;

TEST_CASE(
    "made-up histories are exact in every dtype of a cache, spread over [-1, 1], and depend on all they are given") {
  std::set<float> seen;
  for (uint64_t element = 0; element < 4000; ++element) {
    const float value = eval::history_value(1, 3, false, element);
    CHECK(value >= -1);
    CHECK(value <= 1);
    CHECK(bf16_to_f32(f32_to_bf16(value)) == value);
    CHECK(f16_to_f32(f32_to_f16(value)) == value);
    seen.insert(value);
  }
  CHECK(seen.size() == 129);
  int same = 0;
  for (uint64_t element = 0; element < 1000; ++element) {
    const float value = eval::history_value(1, 3, false, element);
    if (value == eval::history_value(1, 3, true, element)) ++same;
    if (value == eval::history_value(1, 4, false, element)) ++same;
    if (value == eval::history_value(2, 3, false, element)) ++same;
  }
  CHECK(same < 100);
}
