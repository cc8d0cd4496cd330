#include "model/quantise.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "base/float_formats.h"
#include "base/random.h"
#include "unit/model/fixture.h"

using namespace amk;
using namespace amk::model;
using namespace amk::model::fixture;

namespace {

constexpr abi::Dtype kQuantised[] = {abi::Dtype::kI8G64, abi::Dtype::kI8G128, abi::Dtype::kI8Row,
                                     abi::Dtype::kI4G64, abi::Dtype::kI4G128, abi::Dtype::kI4Row};

TensorView view_of(const std::vector<float>& values, uint64_t rows) {
  return {abi::Dtype::kF32, {rows, values.size() / rows}, std::as_bytes(std::span(values))};
}

std::vector<uint8_t> quantised(const std::vector<float>& values, uint64_t rows, abi::Dtype dtype) {
  std::vector<std::byte> out(rows * abi::row_bytes(dtype, values.size() / rows));
  quantise_matrix(view_of(values, rows), dtype, out.data());
  std::vector<uint8_t> bytes;
  for (const std::byte byte : out) bytes.push_back(static_cast<uint8_t>(byte));
  return bytes;
}

/// Element and scale of [row, column], read as abi/dtype.h words it, one at a time.
struct Value {
  int element;
  float scale;
};
Value value_at(const std::vector<uint8_t>& bytes, abi::Dtype dtype, size_t columns, size_t row, size_t column) {
  const uint8_t* at = bytes.data() + row * abi::row_bytes(dtype, columns);
  const bool is_int8 = dtype == abi::Dtype::kI8G64 || dtype == abi::Dtype::kI8G128 || dtype == abi::Dtype::kI8Row;
  const bool by_64 = dtype == abi::Dtype::kI8G64 || dtype == abi::Dtype::kI4G64;
  const bool by_row = dtype == abi::Dtype::kI8Row || dtype == abi::Dtype::kI4Row;
  const size_t unit = by_64 || by_row ? 64 : 128;
  const size_t padded = (columns + unit - 1) / unit * unit;
  const uint8_t* scales = at + (is_int8 ? padded : padded / 2);
  const size_t which = by_row ? 0 : column / unit;
  int element = is_int8 ? at[column] : at[column / 2] >> (column % 2 * 4) & 15;
  if (element >= (is_int8 ? 128 : 8)) element -= is_int8 ? 256 : 16;
  return {element, bf16_to_f32(static_cast<uint16_t>(scales[2 * which] | scales[2 * which + 1] << 8))};
}

Result<Checkpoint> open_quantised(const TempDirectory& directory, const TensorStore& tensors, abi::Dtype dtype,
                                  const Json& config = tiny_config()) {
  directory.write("config.json", config.dump());
  directory.write("model.safetensors", write_safetensors(tensors.views()));
  OpenOptions options;
  options.weights = dtype;
  return Checkpoint::open(directory.path().string(), options);
}

}  // namespace

TEST_CASE("a row of int8 is its elements, zeros up to the group, and a scale for each group") {
  std::vector<float> row(66, 0.0F);
  row[0] = 127.0F;
  row[1] = -127.0F;
  row[2] = 2.5F;   // half to even: 2
  row[3] = 3.5F;   // 4
  row[4] = -0.5F;  // 0
  row[64] = -2.0F * 127.0F;
  row[65] = 1.0F;  // half of the scale 2: 0
  const std::vector<uint8_t> found = quantised(row, 1, abi::Dtype::kI8G64);
  std::vector<uint8_t> expected(128 + 4, 0);
  expected[0] = 0x7f;
  expected[1] = 0x81;
  expected[2] = 2;
  expected[3] = 4;
  expected[64] = 0x81;
  expected[128] = 0x80;  // 1.0 is 0x3f80, low byte first
  expected[129] = 0x3f;
  expected[130] = 0x00;  // 2.0 is 0x4000
  expected[131] = 0x40;
  CHECK(found == expected);
}

TEST_CASE("a row of int4 has the even column in the low half of a byte") {
  const std::vector<float> values = {7, -7, 1, -1, 2.5F, -8 + 1.5F, /**/ 0, 0, 0, 0, 0, 0};  // 2 x 6
  const std::vector<uint8_t> found = quantised(values, 2, abi::Dtype::kI4G128);
  std::vector<uint8_t> expected(2 * (64 + 2), 0);
  expected[0] = 0x97;  // 7, then -7
  expected[1] = 0xf1;
  expected[2] = 0xa2;  // 2.5 to 2, -6.5 to -6
  expected[64] = 0x80;
  expected[65] = 0x3f;
  CHECK(found == expected);  // the second row is a group of zeros: scale 0
}

TEST_CASE("a scale is the smallest bf16 with which nothing clips") {
  Random random(7);
  for (const unsigned bits : {8U, 4U}) {
    const double limit = bits == 8 ? 127 : 7;
    CHECK(group_scale(0.0F, bits) == 0);
    for (int i = 0; i < 200000; ++i) {
      const float largest = std::bit_cast<float>(static_cast<uint32_t>(random.below(0x7f000001)));
      const uint16_t scale = group_scale(largest, bits);
      REQUIRE(double{bf16_to_f32(scale)} * limit >= double{largest});
      if (scale > 0) REQUIRE(double{bf16_to_f32(static_cast<uint16_t>(scale - 1))} * limit < double{largest});
    }
  }
}

TEST_CASE("every weight comes back within half a scale, for every format, width and stored type") {
  for (const abi::Dtype dtype : kQuantised) {
    for (const size_t columns : {1U, 2U, 63U, 64U, 65U, 127U, 129U, 200U, 576U}) {
      Random random(columns);
      std::vector<float> values(3 * columns);
      for (float& value : values) value = static_cast<float>(random.uniform() * 2 - 1);
      const std::vector<uint8_t> bytes = quantised(values, 3, dtype);
      for (size_t i = 0; i < values.size(); ++i) {
        const auto [element, scale] = value_at(bytes, dtype, columns, i / columns, i % columns);
        REQUIRE(std::abs(element) <= (abi::dtype_bits(dtype) == 8 ? 127 : 7));
        REQUIRE(std::abs(static_cast<double>(element) * scale - values[i]) <= 0.5000001 * scale);
      }
    }
  }
}

TEST_CASE("weights at the edges of float32 neither clip nor overflow") {
  for (const abi::Dtype dtype : kQuantised) {
    for (const float edge : {kQuantisedWeightMax, 0x1p-126F, 0x1p-149F}) {
      const std::vector<float> values = {edge, -edge, 0.0F, edge / 2};
      const std::vector<uint8_t> bytes = quantised(values, 1, dtype);
      for (size_t i = 0; i < values.size(); ++i) {
        const auto [element, scale] = value_at(bytes, dtype, 4, 0, i);
        const float value = static_cast<float>(element) * scale;
        CHECK(std::isfinite(value));
        CHECK(std::abs(double{value} - values[i]) <= 0.5000001 * scale);
      }
    }
  }
}

TEST_CASE("f16 and bf16 weights are quantised as the float32 they stand for") {
  Random random(5);
  for (const abi::Dtype stored : {abi::Dtype::kF16, abi::Dtype::kBf16}) {
    std::vector<uint16_t> narrow(5 * 70);
    std::vector<float> wide;
    for (uint16_t& bits : narrow) {
      const auto value = static_cast<float>(random.uniform() - 0.5);
      bits = stored == abi::Dtype::kF16 ? f32_to_f16(value) : f32_to_bf16(value);
      wide.push_back(stored == abi::Dtype::kF16 ? f16_to_f32(bits) : bf16_to_f32(bits));
    }
    for (const abi::Dtype dtype : kQuantised) {
      std::vector<std::byte> found(5 * abi::row_bytes(dtype, 70)), expected(found.size());
      quantise_matrix({stored, {5, 70}, std::as_bytes(std::span(narrow))}, dtype, found.data());
      quantise_matrix(view_of(wide, 5), dtype, expected.data());
      CHECK(found == expected);
    }
  }
}

TEST_CASE("a large matrix, which all cores share, gets the bytes of its rows one by one") {
  Random random(11);
  constexpr size_t kRows = 1100, kColumns = 1000;
  std::vector<float> values(kRows * kColumns);
  for (float& value : values) value = static_cast<float>(random.uniform() - 0.5);
  const std::vector<uint8_t> all = quantised(values, kRows, abi::Dtype::kI4G64);
  const size_t row_bytes = abi::row_bytes(abi::Dtype::kI4G64, kColumns);
  for (const size_t row : {size_t{0}, kRows / 2, kRows - 1}) {
    const auto begin = values.begin() + static_cast<ptrdiff_t>(row * kColumns);
    const std::vector<uint8_t> one = quantised({begin, begin + kColumns}, 1, abi::Dtype::kI4G64);
    CHECK(std::equal(one.begin(), one.end(), all.begin() + static_cast<ptrdiff_t>(row * row_bytes)));
  }
}

TEST_CASE("the first weight that cannot be quantised is found, by index") {
  std::vector<float> values(3000, 1.0F);
  CHECK_FALSE(first_unquantisable(view_of(values, 3)).has_value());
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity(),
                          std::nextafter(kQuantisedWeightMax, std::numeric_limits<float>::infinity())}) {
    values[2500] = bad;
    CHECK(first_unquantisable(view_of(values, 3)) == 2500);
  }
  values[77] = std::numeric_limits<float>::infinity();
  CHECK(first_unquantisable(view_of(values, 3)) == 77);
  values.resize(1 << 21, 1.0F);  // found by several threads
  CHECK(first_unquantisable(view_of(values, 2)) == 77);
}

TEST_CASE("formats are named as they are given") {
  for (const abi::Dtype dtype : kQuantised) {
    const auto parsed = parse_weight_format(weight_format_name(dtype));
    REQUIRE(parsed.ok());
    CHECK(*parsed == WeightFormat(dtype));
  }
  CHECK(*parse_weight_format("stored") == WeightFormat());
  CHECK(weight_format_name({}) == "stored");
  CHECK(*parse_weight_format("int8") == WeightFormat(abi::Dtype::kI8G128));
  CHECK(*parse_weight_format("int4") == WeightFormat(abi::Dtype::kI4G128));
  for (const char* wrong : {"", "int2", "int8:", "int8:32", "i8g64", "INT8", "int8:rows"}) {
    check_refused(parse_weight_format(wrong), ErrorCode::kUsage,
                  {"stored", "int4:row", "'" + std::string(wrong) + "'"});
  }
}

TEST_CASE("a checkpoint gives every matrix out quantised, norms as stored, and says so") {
  for (const abi::Dtype dtype : kQuantised) {
    const TempDirectory directory;
    const TensorStore tensors = tensors_of(tiny_config());
    const auto checkpoint = open_quantised(directory, tensors, dtype);
    REQUIRE_MESSAGE(checkpoint.ok(), checkpoint.error().text());
    uint64_t bytes = 0;
    for (const auto& [name, stored] : tensors.views()) {
      CAPTURE(name);
      const TensorView read = checkpoint->tensor(name);
      const bool is_matrix = stored.shape.size() == 2;
      CHECK(read.dtype == (is_matrix ? dtype : abi::Dtype::kF32));
      CHECK(checkpoint->dtype_of(name) == read.dtype);
      CHECK(read.shape == stored.shape);
      bytes += read.data.size();
      std::vector<std::byte> expected(stored.data.begin(), stored.data.end());
      if (is_matrix) {
        expected.resize(stored.shape[0] * abi::row_bytes(dtype, stored.shape[1]));
        quantise_matrix(stored, dtype, expected.data());
      }
      CHECK(std::ranges::equal(read.data, expected));
      CHECK(checkpoint->tensor(name).data.data() == read.data.data());  // made once
    }
    CHECK(checkpoint->weight_bytes() == bytes);
    CHECK(checkpoint->weight_format() == WeightFormat(dtype));
    CHECK(checkpoint->name().ends_with(std::string("-") + abi::dtype_name(dtype)));
  }
}

TEST_CASE("a built-in model is quantised from the very weights it has as stored") {
  const auto stored = Checkpoint::open("toy");
  OpenOptions options;
  options.weights = abi::Dtype::kI4Row;
  const auto checkpoint = Checkpoint::open("toy", options);
  REQUIRE(checkpoint.ok());
  CHECK(checkpoint->name() == "toy-i4row");
  for (const TensorSpec& spec : expected_tensors(stored->config())) {
    if (spec.shape.size() != 2) continue;
    const TensorView matrix = stored->tensor(spec.name);
    std::vector<std::byte> expected(spec.shape[0] * abi::row_bytes(abi::Dtype::kI4Row, spec.shape[1]));
    quantise_matrix(matrix, abi::Dtype::kI4Row, expected.data());
    CHECK(std::ranges::equal(checkpoint->tensor(spec.name).data, expected));
  }
}

TEST_CASE("a weight that cannot be quantised is refused by tensor and index, and may stay as stored") {
  constexpr const char* kUp = "model.layers.0.mlp.up_proj.weight";
  const TempDirectory directory;
  TensorStore tensors = tensors_of(tiny_config());
  std::vector<float> values(12 * 8, 0.5F);
  values[3 * 8 + 5] = std::numeric_limits<float>::quiet_NaN();
  tensors.add_floats(kUp, values);
  tensors.reshape(kUp, {12, 8});
  check_refused(open_quantised(directory, tensors, abi::Dtype::kI8G64), ErrorCode::kBadInput, {kUp, "[3, 5]", "2^127"});
  CHECK(open_with(directory, tiny_config(), tensors).ok());
}

TEST_CASE("a norm that is not finite is left as it is stored") {
  const TempDirectory directory;
  TensorStore tensors = tensors_of(tiny_config());
  tensors.add_floats("model.norm.weight", std::vector<float>(8, std::numeric_limits<float>::infinity()));
  CHECK(open_quantised(directory, tensors, abi::Dtype::kI8G64).ok());
}
