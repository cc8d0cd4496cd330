#include "model/weight_files.h"

#include "unit/model/fixture.h"

using namespace amk;
using namespace amk::model;
using namespace amk::model::fixture;

namespace {

constexpr const char* kIndex = "model.safetensors.index.json";

/// A directory of two shards, "a" in one.safetensors and "b" in two.safetensors, and this weight_map.
struct Sharded {
  TempDirectory directory;

  explicit Sharded(const Json& weight_map) {
    TensorStore a;
    a.add("a", {2});
    TensorStore b;
    b.add("b", {2});
    directory.write("one.safetensors", write_safetensors(a.views()));
    directory.write("two.safetensors", write_safetensors(b.views()));
    directory.write(kIndex, Json{{"metadata", {{"total_size", 16}}}, {"weight_map", weight_map}}.dump());
  }
  [[nodiscard]] Result<std::vector<SafetensorsFile>> open() const { return open_weight_files(directory.path()); }
};

const Json kWeightMap = {{"a", "one.safetensors"}, {"b", "two.safetensors"}};

}  // namespace

TEST_CASE("shards open in name order") {
  const Sharded sharded(kWeightMap);
  const auto files = sharded.open();
  REQUIRE_MESSAGE(files.ok(), files.error().text());
  REQUIRE(files->size() == 2);
  CHECK((*files)[0].path().filename() == "one.safetensors");
  CHECK((*files)[1].tensors().contains("b"));
}

TEST_CASE("an index that disagrees with its files is refused by tensor and shard") {
  check_refused(Sharded(Json{{"a", "one.safetensors"}, {"b", "one.safetensors"}}).open(), ErrorCode::kBadInput,
                {"one.safetensors", "tensor 'b'"});
  check_refused(Sharded(Json{{"b", "two.safetensors"}, {"c", "two.safetensors"}}).open(), ErrorCode::kBadInput,
                {"two.safetensors", "tensor 'c'"});
  check_refused(Sharded(Json{{"a", "one.safetensors"}, {"b", "three.safetensors"}}).open(), ErrorCode::kBadInput,
                {"'three.safetensors'"});
  const Sharded unlisted(kWeightMap);
  TensorStore both;
  both.add("a", {2});
  both.add("b", {2});
  unlisted.directory.write("one.safetensors", write_safetensors(both.views()));
  check_refused(unlisted.open(), ErrorCode::kBadInput, {"one.safetensors", "tensor 'b'"});
}

TEST_CASE("a shard name that leaves the directory is refused") {
  for (const std::string name : {"../one.safetensors", "/etc/passwd", "sub/one.safetensors", "..", ".", "", "a\\b"}) {
    CAPTURE(name);
    check_refused(Sharded(Json{{"a", name}}).open(), ErrorCode::kBadInput, {"weight_map.a", "same directory"});
  }
  check_refused(Sharded(Json{{"a", std::string("one\0.safetensors", 16)}}).open(), ErrorCode::kBadInput,
                {"weight_map.a"});
}

TEST_CASE("a broken index is refused") {
  check_refused(Sharded(Json::object()).open(), ErrorCode::kBadInput, {"weight_map"});
  check_refused(Sharded(Json::array()).open(), ErrorCode::kBadInput, {"weight_map: expected an object"});
  check_refused(Sharded(Json{{"a", 3}}).open(), ErrorCode::kBadInput, {"weight_map.a"});
  const Sharded sharded(kWeightMap);
  for (const std::string_view text :
       {"", "[]", "{}", R"({"weight_map": {"a": "x", "a": "y"}})", R"({"metadata": 3})"}) {
    CAPTURE(text);
    sharded.directory.write(kIndex, text);
    check_refused(sharded.open(), ErrorCode::kBadInput, {kIndex});
  }
  sharded.directory.write(kIndex, R"({"weight_map": {"a": "one.safetensors"}, "more": 1})");
  check_refused(sharded.open(), ErrorCode::kUnsupported, {"more"});
}

TEST_CASE("a single file beside shards is ambiguous") {
  const Sharded sharded(kWeightMap);
  TensorStore c;
  c.add("c", {2});
  sharded.directory.write("model.safetensors", write_safetensors(c.views()));
  check_refused(sharded.open(), ErrorCode::kBadInput, {"found both"});
}

TEST_CASE("an index may name the single file") {
  const Sharded sharded(Json{{"c", "model.safetensors"}});
  TensorStore c;
  c.add("c", {2});
  sharded.directory.write("model.safetensors", write_safetensors(c.views()));
  CHECK(sharded.open().ok());
}

TEST_CASE("without safetensors the message says what is there instead") {
  const TempDirectory directory;
  check_refused(open_weight_files(directory.path()), ErrorCode::kBadInput, {"model.safetensors", "found neither"});
  directory.write("pytorch_model.bin", "x");
  check_refused(open_weight_files(directory.path()), ErrorCode::kUnsupported,
                {"pytorch_model.bin", "safe_serialization"});
}

TEST_CASE("an adapter is refused") {
  const TempDirectory directory;
  directory.write("adapter_config.json", "{}");
  check_refused(open_weight_files(directory.path()), ErrorCode::kUnsupported, {"adapter"});
}

TEST_CASE("a link to nowhere and a directory in a shard's place are refused") {
  const Sharded sharded(kWeightMap);
  std::filesystem::remove(sharded.directory.path() / "two.safetensors");
  std::filesystem::create_symlink("nowhere", sharded.directory.path() / "two.safetensors");
  check_refused(sharded.open(), ErrorCode::kIo, {"two.safetensors"});
  std::filesystem::remove(sharded.directory.path() / "two.safetensors");
  std::filesystem::create_directory(sharded.directory.path() / "two.safetensors");
  check_refused(sharded.open(), ErrorCode::kBadInput, {"two.safetensors", "regular file"});
}
