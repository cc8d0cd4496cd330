#include "model/synthetic.h"

#include <cmath>
#include <thread>

#include "base/float_formats.h"
#include "unit/model/fixture.h"

using namespace amk;
using namespace amk::model;
using namespace amk::model::fixture;

namespace {

float element(const TensorView& tensor, size_t index) {
  if (tensor.dtype == abi::Dtype::kF32) return reinterpret_cast<const float*>(tensor.data.data())[index];
  return bf16_to_f32(reinterpret_cast<const uint16_t*>(tensor.data.data())[index]);
}

struct Moments {
  double mean = 0;
  double rms = 0;
};

Moments moments_of(const TensorView& tensor) {
  const size_t count = tensor.data.size() / abi::dtype_bytes(tensor.dtype);
  double sum = 0;
  double squares = 0;
  for (size_t i = 0; i < count; ++i) {
    const double value = element(tensor, i);
    sum += value;
    squares += value * value;
  }
  const auto n = static_cast<double>(count);
  return {sum / n, std::sqrt(squares / n)};
}

}  // namespace

TEST_CASE("every built-in opens, with the sizes of its namesake") {
  // Parameters as published, in millions.
  const std::map<std::string_view, double> millions = {
      {"toy", 0.0788},
      {"toy-2l", 0.108},
      {"synthetic:smollm2-135m", 134.5},
      {"synthetic:tinyllama-1.1b", 1100},
      {"synthetic:llama-3.2-1b", 1236},
      {"synthetic:llama-3.2-3b", 3213},
      {"synthetic:llama-3.1-8b", 8030},
      {"synthetic:llama-3.1-70b", 70554},
  };
  REQUIRE(builtin_models().size() == millions.size());
  for (const std::string_view name : builtin_models()) {
    CAPTURE(name);
    const auto checkpoint = Checkpoint::open(std::string(name));
    REQUIRE_MESSAGE(checkpoint.ok(), checkpoint.error().text());
    const double parameters =
        static_cast<double>(checkpoint->weight_bytes() / abi::dtype_bytes(checkpoint->config().dtype)) / 1e6;
    CHECK(parameters == doctest::Approx(millions.at(name)).epsilon(0.01));
    CHECK(checkpoint->weight_files().empty());
    CHECK(checkpoint->directory().empty());
    CHECK(checkpoint->name().find(':') == std::string::npos);
    CHECK(checkpoint->config().q_head_count % checkpoint->config().kv_head_count == 0);
  }
}

TEST_CASE("the values of a toy are fixed for all time") {
  // Golden values: whoever changes them changes every recorded result of a built-in model.
  const auto toy = Checkpoint::open("toy");
  const TensorView query = toy->tensor("model.layers.0.self_attn.q_proj.weight");
  const TensorView norm = toy->tensor("model.norm.weight");
  const std::string values =
      fmt::format("{:a} {:a} {:a} {:a}", element(query, 0), element(query, 1), element(query, 4095), element(norm, 0));
  CHECK(values == "0x1.bd2316p-11 0x1.0d7d5p-3 -0x1.0407e8p-3 0x1.0dcd56p+0");
}

TEST_CASE("tensors are told apart by name and hold no repeats") {
  const auto toy = Checkpoint::open("toy-2l");
  const TensorView first = toy->tensor("model.layers.0.mlp.up_proj.weight");
  const TensorView second = toy->tensor("model.layers.1.mlp.up_proj.weight");
  const TensorView gate = toy->tensor("model.layers.0.mlp.gate_proj.weight");
  size_t equal = 0;
  for (size_t i = 0; i < 176 * 64; ++i) {
    equal += element(first, i) == element(second, i) || element(first, i) == element(gate, i) ? 1U : 0U;
  }
  CHECK(equal < 10);
}

TEST_CASE("a large tensor, made on all cores, continues one stream: no part repeats another") {
  const auto model = Checkpoint::open("synthetic:smollm2-135m");
  const TensorView embedding = model->tensor("model.embed_tokens.weight");
  const size_t count = 49152UL * 576;
  const Moments moments = moments_of(embedding);
  CHECK(std::abs(moments.mean) < 1e-3);
  CHECK(moments.rms == doctest::Approx(2.0 / 24.0).epsilon(0.01));
  for (const size_t at : {size_t{0}, count / 2 - 128, count - 256}) {
    size_t equal = 0;
    for (size_t i = 0; i < 256; ++i)
      equal += element(embedding, at + i) == element(embedding, (at + i + 256) % count) ? 1U : 0U;
    CHECK(equal < 20);
  }
}

TEST_CASE("weights are scaled by fan-in, and norms lie around one") {
  const auto toy = Checkpoint::open("toy");
  CHECK(moments_of(toy->tensor("model.layers.0.self_attn.q_proj.weight")).rms ==
        doctest::Approx(1.0 / 8).epsilon(0.03));
  CHECK(moments_of(toy->tensor("model.layers.0.mlp.down_proj.weight")).rms ==
        doctest::Approx(1.0 / std::sqrt(176.0)).epsilon(0.03));
  CHECK(moments_of(toy->tensor("model.embed_tokens.weight")).rms == doctest::Approx(1.0).epsilon(0.03));
  CHECK(moments_of(toy->tensor("lm_head.weight")).rms == doctest::Approx(2.0 / 8).epsilon(0.03));
  const TensorView norm = toy->tensor("model.norm.weight");
  for (size_t i = 0; i < 64; ++i) CHECK(std::abs(element(norm, i) - 1.0F) <= 0.1F);
}

TEST_CASE("many threads asking at once get the same finished tensor") {
  const auto model = Checkpoint::open("synthetic:smollm2-135m");
  std::vector<TensorView> views(4);
  std::vector<std::thread> threads;
  for (TensorView& view : views) {
    threads.emplace_back([&model, &view] { view = model->tensor("model.layers.3.mlp.up_proj.weight"); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const TensorView& view : views) CHECK(view.data.data() == views[0].data.data());
  CHECK(moments_of(views[0]).rms == doctest::Approx(1.0 / 24.0).epsilon(0.01));
}

TEST_CASE("a built-in name wins over a directory of the name, which ./ reaches") {
  const TempDirectory directory;
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::create_directory(directory.path() / "toy");
  std::filesystem::current_path(directory.path());
  const auto builtin = Checkpoint::open("toy");
  const auto on_disk = Checkpoint::open("./toy");
  std::filesystem::current_path(before);
  CHECK(builtin.ok());
  check_refused(on_disk, ErrorCode::kIo, {"config.json"});
}
