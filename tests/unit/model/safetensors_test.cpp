#include "model/safetensors.h"

#include "base/random.h"
#include "unit/model/fixture.h"

using namespace amk;
using namespace amk::model;
using namespace amk::model::fixture;

namespace {

/// A file of this header text and as many bytes of data.
std::string file_text(std::string_view header, size_t data_bytes) {
  const uint64_t length = header.size();
  std::string out(8, '\0');
  std::memcpy(out.data(), &length, 8);
  return out + std::string(header) + std::string(data_bytes, '\1');
}

Result<SafetensorsFile> open_text(std::string_view text) {
  const TempDirectory directory;
  return SafetensorsFile::open(directory.write("x.safetensors", text));
}

/// Header text padded to a multiple of 8, as writers do.
Result<SafetensorsFile> open_header(std::string header, size_t data_bytes) {
  header.resize((header.size() + 7) / 8 * 8, ' ');
  return open_text(file_text(header, data_bytes));
}

}  // namespace

TEST_CASE("what is written is read back, whatever the mix of dtypes and odd counts") {
  TensorStore store;
  store.add("b.half", {3}, abi::Dtype::kBf16);
  store.add("a.full", {2, 3}, abi::Dtype::kF32, 7);
  store.add("c.half", {1, 1}, abi::Dtype::kF16);
  store.add("d.ids", {5}, abi::Dtype::kU32);
  store.add("e.scalar", {}, abi::Dtype::kF32);
  store.add("f.empty", {0, 4}, abi::Dtype::kF32);
  const TempDirectory directory;
  const auto file = SafetensorsFile::open(directory.write("x.safetensors", write_safetensors(store.views())));
  REQUIRE_MESSAGE(file.ok(), file.error().text());
  REQUIRE(file->tensors().size() == store.views().size());
  for (const auto& [name, view] : store.views()) {
    CAPTURE(name);
    const TensorView& read = file->tensors().at(name);
    CHECK(read.dtype == view.dtype);
    CHECK(read.shape == view.shape);
    CHECK(std::ranges::equal(read.data, view.data));
    CHECK(reinterpret_cast<uintptr_t>(read.data.data()) % abi::dtype_bytes(read.dtype) == 0);
  }
}

TEST_CASE("a file without tensors is read") { CHECK(open_header("{}", 0).ok()); }

TEST_CASE("headers that do not follow from the file are refused, and the tensor is named") {
  struct Case {
    std::string header;
    size_t data_bytes;
    std::string_view part;
  };
  const std::vector<Case> cases = {
      {R"({"t":{"dtype":"F32","shape":[2],"data_offsets":[0,9]}})", 8, "tensor 't': expected bytes 0 to 9 to lie in"},
      {R"({"t":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4,
       "tensor 't': expected 8 bytes for F32 [2], found 4"},
      {R"({"t":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", 8, "begin <= end"},
      {R"({"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8,9]}})", 8, "begin <= end"},
      {R"({"t":{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}})", 8, "t.data_offsets: expected integers"},
      {R"({"t":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}})", 8, "t.shape: expected integers"},
      {R"({"t":{"dtype":"F32","shape":"2","data_offsets":[0,8]}})", 8, "t.shape: expected an array"},
      {R"({"t":{"dtype":7,"shape":[2],"data_offsets":[0,8]}})", 8, "t.dtype: expected a string"},
      {R"({"t":{"shape":[2],"data_offsets":[0,8]}})", 8, "t.dtype: expected a string, found no such key"},
      {R"({"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}})", 8, "found 'x'"},
      {R"({"t":[]})", 8, "t: expected an object"},
      {R"({"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 12, "expected tensors to cover 12 bytes"},
      {R"({"t":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})", 12, "a hole of 4 bytes"},
      {R"({"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
       R"("u":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
       12, "tensor 'u': expected it after tensor 't'"},
      {R"({"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
       R"("u":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
       8, "tensor 'u': expected it after tensor 't'"},
      {R"({"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
       8, "'t' twice"},
      {R"({"t":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}})", 8, "size below 2^64"},
      {R"({"t":{"dtype":"F32","shape":[4611686018427387905],"data_offsets":[0,4]}})", 4, "size below 2^64"},
      {R"({"__metadata__":{"a":1}})", 0, "__metadata__.a: expected a string"},
      {R"({"__metadata__":[]})", 0, "__metadata__: expected an object"},
      {"[]", 0, "begins with '{'"},
      {"{", 0, "expected JSON"},
  };
  for (const Case& row : cases) {
    CAPTURE(row.header);
    check_refused(open_header(row.header, row.data_bytes), ErrorCode::kBadInput, {row.part});
  }
}

TEST_CASE("a header length beyond the file or the limit is refused") {
  check_refused(open_text(""), ErrorCode::kBadInput, {"at least 8 bytes"});
  check_refused(open_text("1234567"), ErrorCode::kBadInput, {"at least 8 bytes"});
  check_refused(open_text(std::string(8, '\xff')), ErrorCode::kBadInput, {"length of 18446744073709551615"});
  check_refused(open_text(std::string("\x03\0\0\0\0\0\0\0{}", 10)), ErrorCode::kBadInput, {"at most 2 bytes"});
}

TEST_CASE("every cut of a valid file is refused") {
  TensorStore store;
  store.add("a", {2, 2});
  store.add("b", {3}, abi::Dtype::kF16);
  const std::string whole = write_safetensors(store.views());
  REQUIRE(open_text(whole).ok());
  for (size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(open_text(std::string_view(whole).substr(0, size)).ok());
  }
  CHECK_FALSE(open_text(whole + "x").ok());
}

TEST_CASE("a file with any bytes overwritten is refused or read with every tensor inside it") {
  TensorStore store;
  store.add("a", {2, 2});
  store.add("b", {3}, abi::Dtype::kF16);
  const std::string whole = write_safetensors(store.views());
  const TempDirectory directory;
  Random random(20261122);
  size_t refused = 0;
  for (int round = 0; round < 2000; ++round) {
    std::string broken = whole;
    for (uint64_t flips = 1 + random.below(3); flips > 0; --flips) {
      broken[random.below(broken.size())] = static_cast<char>(random.below(128));
    }
    const auto file = SafetensorsFile::open(directory.write("x.safetensors", broken));
    refused += file.ok() ? 0U : 1U;
    if (!file.ok()) continue;
    uint64_t bytes = 0;
    for (const auto& [name, view] : file->tensors()) bytes += view.data.size();
    CHECK(bytes == 22);
  }
  CHECK(refused > 500);
}

TEST_CASE("data that is not aligned to its element is refused, not read") {
  const std::string header = R"({"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  std::string padded = header;
  while (padded.size() % 8 != 2) padded += ' ';
  check_refused(open_text(file_text(padded, 8)), ErrorCode::kUnsupported, {"tensor 't'", "multiple of 4 bytes"});
  check_refused(open_header(R"({"a":{"dtype":"F16","shape":[1],"data_offsets":[0,2]},)"
                            R"("t":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}})",
                            6),
                ErrorCode::kUnsupported, {"tensor 't'", "multiple of 4 bytes"});
}

TEST_CASE("a dtype that is not modelled is refused by name") {
  for (const std::string dtype : {"F64", "I64", "F8_E4M3", "BOOL", "f32", ""}) {
    CAPTURE(dtype);
    check_refused(open_header(R"({"t":{"dtype":")" + dtype + R"(","shape":[1],"data_offsets":[0,1]}})", 1),
                  ErrorCode::kUnsupported, {"tensor 't'", "'" + dtype + "'"});
  }
}

TEST_CASE("I32 is read as unsigned, and refused when an element is negative") {
  std::string header = R"({"t":{"dtype":"I32","shape":[2],"data_offsets":[0,8]}})";
  header.resize(64, ' ');
  std::string text = file_text(header, 8);
  const auto file = open_text(text);
  REQUIRE_MESSAGE(file.ok(), file.error().text());
  CHECK(file->tensors().at("t").dtype == abi::Dtype::kU32);
  text.back() = '\x80';
  check_refused(open_text(text), ErrorCode::kUnsupported, {"tensor 't'", "negative"});
}

TEST_CASE("what is no regular file is refused") {
  const TempDirectory directory;
  CHECK_FALSE(SafetensorsFile::open(directory.path()).ok());
  CHECK_FALSE(SafetensorsFile::open(directory.path() / "none").ok());
}
