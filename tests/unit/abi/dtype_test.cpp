#include "abi/dtype.h"

#include <doctest/doctest.h>

#include "abi/tables.h"

namespace amk::abi {
namespace {

TEST_CASE("a plain row is its elements") {
  CHECK(row_bytes(Dtype::kF32, 10) == 40);
  CHECK(row_bytes(Dtype::kBf16, 3) == 6);
  CHECK(row_scales(Dtype::kF16, 100) == 0);
  CHECK(dtype_bytes(Dtype::kF16) == 2);
}

TEST_CASE("a quantised row is its padded elements, then its scales") {
  CHECK(row_bytes(Dtype::kI8G64, 64) == 64 + 2);
  CHECK(row_bytes(Dtype::kI8G64, 65) == 128 + 4);
  CHECK(row_bytes(Dtype::kI8G128, 576) == 640 + 10);
  CHECK(row_bytes(Dtype::kI8Row, 576) == 576 + 2);
  CHECK(row_bytes(Dtype::kI8Row, 1) == 64 + 2);
  CHECK(row_bytes(Dtype::kI4G64, 128) == 64 + 4);
  CHECK(row_bytes(Dtype::kI4G128, 129) == 128 + 4);
  CHECK(row_bytes(Dtype::kI4Row, 100) == 64 + 2);
  CHECK(row_element_bytes(Dtype::kI4G128, 129) == 128);
  CHECK(row_scales(Dtype::kI4G64, 129) == 3);
  for (uint32_t i = 0; i < kDtypeCount; ++i) {
    const auto dtype = static_cast<Dtype>(i);
    if (is_quantised(dtype)) CHECK(dtype_bytes(dtype) == 0);
  }
}

TEST_CASE("a quantised matrix is its rows") {
  CHECK(size_bytes({Dtype::kI4G128, 2, {10, 129, 1, 1}}) == 10 * 132);
  CHECK(size_bytes({Dtype::kBf16, 3, {2, 3, 4, 1}}) == 48);
}

TEST_CASE("a chunk of eight rows in shared memory is packed by 64 columns, or by 128 where it is quantised") {
  CHECK(packed_bytes(Dtype::kBf16, 8, 1024) == 16384);
  CHECK(packed_bytes(Dtype::kF32, 8, 10) == 2048);
  CHECK(packed_bytes(Dtype::kF16, 8, 65) == 2048);
  CHECK(packed_bytes(Dtype::kI8G128, 8, 128) == 1024 + 16);
  CHECK(packed_bytes(Dtype::kI8Row, 8, 128) == 1024 + 16);
  CHECK(packed_bytes(Dtype::kI8G64, 8, 128) == 1024 + 32);
  CHECK(packed_bytes(Dtype::kI4G128, 8, 128) == 512 + 16);
  CHECK(packed_bytes(Dtype::kI4Row, 8, 128) == 512 + 16);
  CHECK(packed_bytes(Dtype::kI4G64, 8, 128) == 512 + 32);
  CHECK(packed_bytes(Dtype::kI8G128, 8, 2048) == 16640);
  CHECK(packed_bytes(Dtype::kI4G128, 8, 129) == 2 * (512 + 16));
}

}  // namespace
}  // namespace amk::abi
