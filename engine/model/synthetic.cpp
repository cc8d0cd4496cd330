#include "model/synthetic.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/checked.h"
#include "base/float_formats.h"
#include "base/random.h"
#include "base/thread_pool.h"
#include "model/lazy_tensors.h"

namespace amk::model {
namespace {

constexpr RopeConfig kPlainRope{};
constexpr RopeConfig kSmolRope{.theta = 100000.0};
constexpr RopeConfig kLlama31Rope{.scaling = RopeScaling::kLlama3, .theta = 500000.0, .factor = 8.0};
constexpr RopeConfig kLlama32Rope{.scaling = RopeScaling::kLlama3, .theta = 500000.0, .factor = 32.0};

struct Shape {
  std::string_view name;
  uint32_t hidden;
  uint32_t intermediate;
  uint32_t layers;
  uint32_t q_heads;
  uint32_t kv_heads;
  uint32_t head_dim;
  uint32_t vocab;
  uint32_t context;
  bool tied_head;
  abi::Dtype dtype;
  const RopeConfig* rope;
};

constexpr Shape kShapes[] = {
#define AMK_SYNTHETIC_SHAPE(name, hidden, intermediate, layers, q_heads, kv_heads, head_dim, vocab, context, tied, \
                            dtype, rope)                                                                           \
  {name, hidden, intermediate, layers, q_heads, kv_heads, head_dim, vocab, context, tied, abi::Dtype::dtype, &rope},
#include "model/synthetic_shapes.def"
};

constexpr size_t kParallelElements = 1 << 20;  ///< from here on starting threads is worth it
constexpr size_t kBlockElements = 256;         ///< values made at a time, in registers and L1
constexpr size_t kValuesPerWord = 4;           ///< 16 random bits a value
static_assert(kBlockElements % kValuesPerWord == 0);

constexpr double kLogitSpread = 2.0;
constexpr double kNormSpread = 0.1;

/// The stream of a tensor's values: a hash of its name and shape.
uint64_t tensor_seed(const TensorSpec& spec) {
  uint64_t seed = 0;
  for (const char c : spec.name) seed = mix64(seed ^ static_cast<unsigned char>(c)) + 0x9e3779b97f4a7c15ULL;
  for (const uint64_t extent : spec.shape) seed = mix64(seed ^ extent) + 0x9e3779b97f4a7c15ULL;
  return seed;
}

/// Root mean square of a matrix: outputs of a row stay near 1 for inputs near 1; the head, whose rows meet a normalised
/// vector, gives logits that spread by kLogitSpread. A tied embedding is a head; an untied one is near 1.
double matrix_rms(const TensorSpec& spec, bool tied_head) {
  const double fan_in = static_cast<double>(spec.shape[1]);
  if (spec.name == "lm_head.weight") return kLogitSpread / std::sqrt(fan_in);
  if (spec.name == "model.embed_tokens.weight") return tied_head ? kLogitSpread / std::sqrt(fan_in) : 1.0;
  return 1.0 / std::sqrt(fan_in);
}

float store(float value, float) { return value; }
uint16_t store(float value, uint16_t) { return f32_to_bf16(value); }

/// Values [first, first + count) of a stream, first a multiple of kValuesPerWord: odd multiples of `step` from -65535
/// to 65535, uniform. Every operation rounds once (integers to float32 are exact), so the values are the same
/// everywhere.
template <typename T>
void fill_uniform(uint64_t seed, size_t first, size_t count, float step, T* out) {
  std::array<uint64_t, kBlockElements / kValuesPerWord> words;
  std::array<int16_t, kBlockElements> bits;
  std::array<T, kBlockElements> values;
  for (size_t done = 0; done < count; done += kBlockElements) {
    const uint64_t counter = seed + (first + done) / kValuesPerWord;
    for (size_t i = 0; i < words.size(); ++i) words[i] = mix64(counter + i);
    std::memcpy(bits.data(), words.data(), sizeof(bits));
    for (size_t i = 0; i < kBlockElements; ++i) {
      values[i] = store(static_cast<float>(2 * int32_t{bits[i]} + 1) * step, T{});
    }
    std::memcpy(out + done, values.data(), std::min(kBlockElements, count - done) * sizeof(T));
  }
}

/// Norm weights: uniform in 1 +- kNormSpread.
template <typename T>
void fill_norm(uint64_t seed, size_t count, T* out) {
  for (size_t i = 0; i < count; ++i) {
    const double unit = static_cast<double>(mix64(seed + i) >> 11) * 0x1p-53;
    out[i] = store(static_cast<float>(1.0 + kNormSpread * (2.0 * unit - 1.0)), T{});
  }
}

template <typename T>
void fill_tensor(const TensorSpec& spec, bool tied_head, T* out) {
  const uint64_t seed = tensor_seed(spec);
  if (spec.shape.size() == 1) return fill_norm(seed, spec.shape[0], out);
  // A uniform distribution's root mean square is its bound over sqrt(3).
  const auto step = static_cast<float>(matrix_rms(spec, tied_head) * std::sqrt(3.0) / 65536.0);
  const size_t count = spec.shape[0] * spec.shape[1];
  if (count < kParallelElements) return fill_uniform(seed, 0, count, step, out);
  ThreadPool pool;
  pool.parallel_for(ceil_div(count, kBlockElements), [&](size_t begin, size_t end) {
    const size_t first = begin * kBlockElements;
    fill_uniform(seed, first, std::min(end * kBlockElements, count) - first, step, out + first);
  });
}

}  // namespace

std::optional<ModelConfig> builtin_config(std::string_view name) {
  const Shape* shape = std::ranges::find(kShapes, name, &Shape::name);
  if (shape == std::end(kShapes)) return std::nullopt;
  ModelConfig config;
  config.architecture = "LlamaForCausalLM";
  config.hidden_size = shape->hidden;
  config.intermediate_size = shape->intermediate;
  config.layer_count = shape->layers;
  config.q_head_count = shape->q_heads;
  config.kv_head_count = shape->kv_heads;
  config.head_dim = shape->head_dim;
  config.vocab_size = shape->vocab;
  config.context_max = shape->context;
  config.rms_norm_eps = 1e-5;
  config.tied_head = shape->tied_head;
  config.rope = *shape->rope;
  config.dtype = shape->dtype;
  return config;
}

std::vector<std::string_view> builtin_models() {
  std::vector<std::string_view> names;
  for (const Shape& shape : kShapes) names.push_back(shape.name);
  return names;
}

struct SyntheticWeights::Impl {
  abi::Dtype dtype = abi::Dtype::kF32;
  bool tied_head = false;
  std::vector<TensorSpec> specs;
  LazyTensors tensors;
};

Result<SyntheticWeights> SyntheticWeights::create(const ModelConfig& config) {
  AMK_ASSERT(config.dtype == abi::Dtype::kF32 || config.dtype == abi::Dtype::kBf16,
             "synthetic weights are f32 or bf16");
  std::vector<TensorSpec> specs = expected_tensors(config);
  std::vector<uint64_t> sizes;
  for (const TensorSpec& spec : specs) {
    sizes.push_back(checked_product(spec.shape).value() * abi::dtype_bytes(config.dtype));
  }
  AMK_ASSIGN_OR_RETURN(LazyTensors tensors, LazyTensors::create(sizes));
  return SyntheticWeights(
      std::make_unique<Impl>(Impl{config.dtype, config.tied_head, std::move(specs), std::move(tensors)}));
}

SyntheticWeights::SyntheticWeights(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SyntheticWeights::SyntheticWeights(SyntheticWeights&&) noexcept = default;
SyntheticWeights& SyntheticWeights::operator=(SyntheticWeights&&) noexcept = default;
SyntheticWeights::~SyntheticWeights() = default;

TensorView SyntheticWeights::tensor(size_t index) const {
  const TensorSpec& spec = impl_->specs[index];
  const std::span<const std::byte> data = impl_->tensors.get(index, [&](std::byte* out) {
    if (impl_->dtype == abi::Dtype::kF32) {
      fill_tensor(spec, impl_->tied_head, reinterpret_cast<float*>(out));
    } else {
      fill_tensor(spec, impl_->tied_head, reinterpret_cast<uint16_t*>(out));
    }
  });
  return {impl_->dtype, spec.shape, data};
}

void SyntheticWeights::release(size_t index) const { impl_->tensors.release(index); }

}  // namespace amk::model
