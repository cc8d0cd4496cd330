#include "vm/cuda/baselines/decode_step.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "instructions/cpu_math.h"
#include "vm/cuda/baselines/cublas.h"
#include "vm/cuda/baselines/rival_weights.h"
#include "vm/cuda/baselines/sources.h"

namespace amk::vm::cuda {
namespace {

constexpr const char* kSource = "vm/cuda/baselines/decode_step.cu";
constexpr uint32_t kArgmaxBlocks = 128;
constexpr uint32_t kAttentionThreads = 128;
constexpr uint32_t kHeadsABlock = 4;  ///< query heads that share a block of attention, at most
constexpr uint32_t kSplitsMax = 128;

/// Query heads that share a block: they read the same keys.
uint32_t heads_a_block(const model::ModelConfig& config) {
  const uint32_t group = config.q_head_count / config.kv_head_count;
  for (uint32_t heads = kHeadsABlock; heads > 1; --heads) {
    if (group % heads == 0) return heads;
  }
  return 1;
}

/// Two blocks an SM when the context is full.
uint32_t splits_for(const model::ModelConfig& config, uint32_t sms) {
  const uint32_t blocks = config.q_head_count / heads_a_block(config);
  return std::clamp((2 * sms + blocks - 1) / blocks, 1U, kSplitsMax);
}

/// A thread a 16-byte vector, whole warps.
uint32_t norm_threads(const model::ModelConfig& config, abi::Dtype dtype) {
  const uint32_t vectors = config.hidden_size * abi::dtype_bytes(dtype) / 16;
  return std::clamp((vectors + 31) / 32 * 32, 32U, 1024U);
}

enum Matrix : uint8_t { kQkv, kO, kGateUp, kDown, kHead, kMatrixCount };
constexpr const char* kMatrixNames[] = {"qkv", "o", "gate_up", "down", "head"};
static_assert(std::size(kMatrixNames) == kMatrixCount);

}  // namespace

Result<CompileRequest> decode_step_request(const model::ModelConfig& config, abi::Dtype dtype, uint32_t context,
                                           uint32_t sms, uint32_t sm) {
  const uint32_t vector = 16 / abi::dtype_bytes(dtype);
  for (const auto& [name, size] : {std::pair{"hidden_size", config.hidden_size},
                                   {"intermediate_size", config.intermediate_size},
                                   {"head_dim", config.head_dim}}) {
    if (size % vector == 0) continue;
    return Error{
        ErrorCode::kUnsupported,
        fmt::format("expected a {} that is a multiple of {} for the rival's kernels, found {}", name, vector, size), "",
        ""};
  }
  if (config.head_dim / vector > 32) {
    return Error{ErrorCode::kUnsupported,
                 fmt::format("expected a head_dim of at most {} for the rival's kernels, found {}", 32 * vector,
                             config.head_dim),
                 "", ""};
  }
  const int code = dtype == abi::Dtype::kF32 ? 0 : dtype == abi::Dtype::kF16 ? 1 : 2;
  const std::vector<std::pair<const char*, uint32_t>> sizes = {
      {"HIDDEN", config.hidden_size},      {"INTERMEDIATE", config.intermediate_size},
      {"Q_HEADS", config.q_head_count},    {"KV_HEADS", config.kv_head_count},
      {"HEAD_DIM", config.head_dim},       {"CONTEXT", context},
      {"SPLITS", splits_for(config, sms)}, {"HEADS_A_BLOCK", heads_a_block(config)},
      {"VOCAB", config.vocab_size},        {"NORM_THREADS", norm_threads(config, dtype)}};
  std::vector<std::string> defines = {fmt::format("AMK_DTYPE={}", code)};
  for (const auto& [name, size] : sizes) defines.push_back(fmt::format("AMK_{}={}u", name, size));
  return baseline_request(kSource, sm, std::move(defines));
}

struct DecodeStep::Impl {
  Impl(Device& used, const model::ModelConfig& of, uint32_t positions) : device(used), config(of), context(positions) {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    static_cast<void>(device.synchronize());
    device.destroy_graph(step_graph);
    device.destroy_graph(projection_graph);
  }

  Device& device;
  model::ModelConfig config;
  uint32_t context = 0;
  RivalWeights weights;
  std::optional<Cublas> cublas;
  Module module;
  Kernel embed_norm, add_norm, rope_append, attention, combine, silu_mul, argmax, argmax_last;
  std::vector<DeviceBuffer> memory;
  uint64_t input = 0;  ///< u32[2]: token, position
  uint64_t residual = 0, normed = 0, qkv = 0, attended = 0, delta = 0, gate_up = 0, hidden = 0, logits = 0;
  uint64_t partial = 0, top_sum = 0, candidates = 0, next = 0;
  uint64_t caches = 0;  ///< [layers, k and v, kv_heads, context, head_dim]
  std::array<bool, kMatrixCount> as_row{};
  void* step_graph = nullptr;
  void* projection_graph = nullptr;

  [[nodiscard]] uint32_t element() const { return abi::dtype_bytes(weights.dtype); }
  [[nodiscard]] uint64_t cache_bytes() const {
    return uint64_t{config.kv_head_count} * context * config.head_dim * element();
  }
  [[nodiscard]] uint64_t cache(uint32_t layer, bool value) const {
    return caches + (2ULL * layer + (value ? 1 : 0)) * cache_bytes();
  }

  Status allocate(uint64_t& address, uint64_t bytes) {
    AMK_ASSIGN_OR_RETURN(DeviceBuffer buffer, device.allocate(bytes));
    AMK_TRY(device.zero(buffer));
    address = buffer.address();
    memory.push_back(std::move(buffer));
    return {};
  }

  Status allocate_all() {
    const uint64_t splits = splits_for(config, device.info().sms);
    const uint64_t q_heads = config.q_head_count;
    AMK_TRY(allocate(input, 16));
    AMK_TRY(allocate(next, 16));
    AMK_TRY(allocate(residual, uint64_t{config.hidden_size} * element()));
    AMK_TRY(allocate(normed, uint64_t{config.hidden_size} * element()));
    AMK_TRY(allocate(delta, uint64_t{config.hidden_size} * element()));
    AMK_TRY(allocate(qkv, (uint64_t{config.q_size()} + 2ULL * config.kv_size()) * element()));
    AMK_TRY(allocate(attended, uint64_t{config.q_size()} * element()));
    AMK_TRY(allocate(gate_up, 2ULL * config.intermediate_size * element()));
    AMK_TRY(allocate(hidden, uint64_t{config.intermediate_size} * element()));
    AMK_TRY(allocate(logits, uint64_t{config.vocab_size} * element()));
    AMK_TRY(allocate(partial, q_heads * splits * config.head_dim * 4));
    AMK_TRY(allocate(top_sum, q_heads * splits * 8));
    AMK_TRY(allocate(candidates, kArgmaxBlocks * 8));
    return allocate(caches, 2ULL * config.layer_count * cache_bytes());
  }

  Status build() {
    AMK_ASSIGN_OR_RETURN(const CompileRequest request,
                         decode_step_request(config, weights.dtype, context, device.info().sms, device.info().sm));
    AMK_ASSIGN_OR_RETURN(const CompiledKernel compiled, compile_cached(request));
    AMK_ASSIGN_OR_RETURN(module, device.load(compiled.cubin));
    const std::pair<Kernel*, const char*> wanted[] = {
        {&embed_norm, "amk_embed_norm"}, {&add_norm, "amk_add_norm"},      {&rope_append, "amk_rope_append"},
        {&attention, "amk_attention"},   {&combine, "amk_combine"},        {&silu_mul, "amk_silu_mul"},
        {&argmax, "amk_argmax"},         {&argmax_last, "amk_argmax_last"}};
    for (const auto& [kernel, name] : wanted) {
      AMK_ASSIGN_OR_RETURN(*kernel, module.kernel(name));
    }
    return {};
  }

  template <typename... Arguments>
  Status launch(Kernel kernel, const LaunchShape& shape, Arguments... arguments) {
    const std::array<void*, sizeof...(Arguments)> pointers = {&arguments...};
    return device.launch(kernel, shape, pointers);
  }

  // ---- products -----------------------------------------------------------------------------------------------------

  [[nodiscard]] CublasProduct product(Matrix matrix, uint32_t layer) const {
    CublasProduct out;
    out.dtype = weights.dtype;
    out.as_row = as_row[matrix];
    const uint32_t hidden_size = config.hidden_size;
    const auto set = [&](uint64_t weight, uint64_t x, uint64_t y, uint32_t rows, uint32_t columns) {
      out.weight = weight, out.x = x, out.y = y, out.rows = rows, out.columns = columns;
    };
    switch (matrix) {
      case kQkv:
        set(weights.layers[layer].qkv, normed, qkv, config.q_size() + 2 * config.kv_size(), hidden_size);
        break;
      case kO:
        set(weights.layers[layer].o, attended, delta, hidden_size, config.q_size());
        break;
      case kGateUp:
        set(weights.layers[layer].gate_up, normed, gate_up, 2 * config.intermediate_size, hidden_size);
        break;
      case kDown:
        set(weights.layers[layer].down, hidden, delta, hidden_size, config.intermediate_size);
        break;
      case kHead:
      case kMatrixCount:
        set(weights.head, normed, logits, config.vocab_size, hidden_size);
        break;
    }
    return out;
  }
  Status multiply(Matrix matrix, uint32_t layer) { return cublas->multiply(product(matrix, layer)); }

  Status all_projections() {
    for (uint32_t layer = 0; layer < config.layer_count; ++layer) {
      for (const Matrix matrix : {kQkv, kO, kGateUp, kDown}) AMK_TRY(multiply(matrix, layer));
    }
    return multiply(kHead, 0);
  }

  // ---- a step -------------------------------------------------------------------------------------------------------

  Status attend(uint32_t layer) {
    const uint32_t heads = config.q_head_count + 2 * config.kv_head_count;
    const uint32_t pair_threads = (config.head_dim / 2 + 31) / 32 * 32;
    const uint32_t parts = config.q_head_count / config.kv_head_count / heads_a_block(config);
    const uint64_t position = input + 4;
    const uint64_t keys = cache(layer, false);
    const uint64_t values = cache(layer, true);
    const auto scale = static_cast<float>(1.4426950408889634 / std::sqrt(static_cast<double>(config.head_dim)));
    AMK_TRY(launch(rope_append, {heads, 1, 1, pair_threads, 0}, position, weights.inv_freq, qkv, keys, values));
    AMK_TRY(launch(attention,
                   {splits_for(config, device.info().sms), config.kv_head_count, parts, kAttentionThreads, 0}, position,
                   qkv, keys, values, scale, partial, top_sum));
    return launch(combine, {config.q_head_count, 1, 1, (config.head_dim + 31) / 32 * 32, 0}, position, partial, top_sum,
                  attended);
  }

  Status all_of_a_step() {
    const LaunchShape norm_shape{1, 1, 1, norm_threads(config, weights.dtype), 0};
    const auto eps = static_cast<float>(config.rms_norm_eps);
    const uint32_t vectors = config.intermediate_size * element() / 16;
    AMK_TRY(launch(embed_norm, norm_shape, input, weights.embed, weights.layers[0].input_norm, eps, residual, normed));
    for (uint32_t layer = 0; layer < config.layer_count; ++layer) {
      const bool last = layer + 1 == config.layer_count;
      AMK_TRY(multiply(kQkv, layer));
      AMK_TRY(attend(layer));
      AMK_TRY(multiply(kO, layer));
      AMK_TRY(launch(add_norm, norm_shape, delta, weights.layers[layer].post_norm, eps, residual, normed));
      AMK_TRY(multiply(kGateUp, layer));
      AMK_TRY(launch(silu_mul, {(vectors + 255) / 256, 1, 1, 256, 0}, gate_up, hidden));
      AMK_TRY(multiply(kDown, layer));
      AMK_TRY(launch(add_norm, norm_shape, delta, last ? weights.final_norm : weights.layers[layer + 1].input_norm, eps,
                     residual, normed));
    }
    AMK_TRY(multiply(kHead, 0));
    AMK_TRY(launch(argmax, {kArgmaxBlocks, 1, 1, 256, 0}, logits, candidates));
    return launch(argmax_last, {1, 1, 1, 256, 0}, candidates, kArgmaxBlocks, next);
  }

  /// Captures what `enqueue` enqueues. A capture that fails half-way is ended, so that the stream can be used again.
  template <typename Body>
  Result<void*> captured(Body&& enqueue) {
    AMK_TRY(device.begin_capture());
    const Status status = enqueue();
    Result<void*> graph = device.end_capture();
    if (status.ok()) return graph;
    if (graph.ok()) device.destroy_graph(*graph);
    return status.error();
  }

  Result<double> graph_us(void* graph) {
    constexpr int kWarmUps = 3;
    constexpr int kRuns = 9;
    AMK_ASSIGN_OR_RETURN(const Event begin, device.create_event());
    AMK_ASSIGN_OR_RETURN(const Event end, device.create_event());
    std::vector<double> times;
    for (int i = 0; i < kWarmUps + kRuns; ++i) {
      AMK_TRY(device.record(begin));
      AMK_TRY(device.launch_graph(graph));
      AMK_TRY(device.record(end));
      AMK_ASSIGN_OR_RETURN(const double us, device.elapsed_us(begin, end));
      if (i >= kWarmUps) times.push_back(us);
    }
    std::sort(times.begin(), times.end());
    return times[times.size() / 2];
  }

  /// Of the two ways to ask cuBLAS for a product, the faster over all layers.
  Status choose() {
    for (uint8_t m = 0; m < kMatrixCount; ++m) {
      const auto matrix = static_cast<Matrix>(m);
      std::array<double, 2> us{};
      for (const bool row : {false, true}) {
        as_row[matrix] = row;
        const uint32_t count = matrix == kHead ? 1 : config.layer_count;
        AMK_ASSIGN_OR_RETURN(void* graph, captured([&]() -> Status {
                               for (uint32_t layer = 0; layer < count; ++layer) AMK_TRY(multiply(matrix, layer));
                               return {};
                             }));
        const Result<double> time = graph_us(graph);
        device.destroy_graph(graph);
        if (!time.ok()) return time.error();
        us[row ? 1 : 0] = *time;
      }
      as_row[matrix] = us[1] < us[0];
    }
    return {};
  }
};

DecodeStep::DecodeStep(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DecodeStep::DecodeStep(DecodeStep&&) noexcept = default;
DecodeStep& DecodeStep::operator=(DecodeStep&&) noexcept = default;
DecodeStep::~DecodeStep() = default;

Result<DecodeStep> DecodeStep::create(Device& device, const model::Checkpoint& checkpoint, uint32_t context,
                                      ThreadPool& pool) {
  auto impl = std::make_unique<Impl>(device, checkpoint.config(), context);
  AMK_ASSIGN_OR_RETURN(Cublas cublas, Cublas::create(device));
  impl->cublas.emplace(std::move(cublas));
  impl->weights.dtype = rival_dtype(checkpoint);
  AMK_TRY(impl->build());
  AMK_ASSIGN_OR_RETURN(impl->weights, upload_rival_weights(device, checkpoint, pool));
  AMK_TRY(impl->allocate_all());
  // Once without capture: kernels may be loaded when they are first called, which a capture does not allow.
  for (const bool row : {true, false}) {
    impl->as_row.fill(row);
    AMK_TRY(impl->all_of_a_step());
  }
  AMK_TRY(device.synchronize());
  AMK_TRY(impl->choose());
  AMK_ASSIGN_OR_RETURN(impl->projection_graph, impl->captured([&] { return impl->all_projections(); }));
  AMK_ASSIGN_OR_RETURN(impl->step_graph, impl->captured([&] { return impl->all_of_a_step(); }));
  return DecodeStep(std::move(impl));
}

Status DecodeStep::set_input(uint32_t token, uint32_t position) {
  if (token >= impl_->config.vocab_size || position >= impl_->context) {
    return Error{ErrorCode::kUsage,
                 fmt::format("expected a token below {} and a position below {}, found {} and {}",
                             impl_->config.vocab_size, impl_->context, token, position),
                 "", ""};
  }
  const std::array<uint32_t, 2> words = {token, position};
  return impl_->device.upload(impl_->input, std::as_bytes(std::span(words)));
}

Status DecodeStep::enqueue_step() { return impl_->device.launch_graph(impl_->step_graph); }
Status DecodeStep::enqueue_projections() { return impl_->device.launch_graph(impl_->projection_graph); }

Result<std::vector<float>> DecodeStep::logits() {
  std::vector<std::byte> stored(uint64_t{impl_->config.vocab_size} * impl_->element());
  AMK_TRY(impl_->device.download(stored, impl_->logits));
  std::vector<float> out(impl_->config.vocab_size);
  instructions::widen(impl_->weights.dtype, stored.data(), out.size(), out.data());
  return out;
}

Result<uint32_t> DecodeStep::next_token() {
  uint32_t token = 0;
  AMK_TRY(impl_->device.download(std::as_writable_bytes(std::span(&token, 1)), impl_->next));
  return token;
}

Status DecodeStep::set_history(const std::function<float(uint32_t layer, bool value, uint64_t element)>& draw,
                               uint32_t position) {
  const model::ModelConfig& config = impl_->config;
  const uint64_t heads = config.kv_head_count;
  const uint64_t size = config.head_dim;
  if (position > impl_->context) {
    return Error{ErrorCode::kUsage, fmt::format("expected at most {} positions, found {}", impl_->context, position),
                 "", ""};
  }
  std::vector<float> rows(position * size);
  std::vector<std::byte> stored(rows.size() * impl_->element());
  for (uint32_t cache = 0; cache < 2 * config.layer_count; ++cache) {
    for (uint64_t head = 0; head < heads; ++head) {
      for (uint64_t e = 0; e < rows.size(); ++e) {
        rows[e] = draw(cache / 2, cache % 2 == 1, (e / size * heads + head) * size + e % size);  // [position, head, i]
      }
      instructions::store_rounded(impl_->weights.dtype, rows.data(), rows.size(), stored.data());
      AMK_TRY(impl_->device.upload(
          impl_->cache(cache / 2, cache % 2 == 1) + head * impl_->context * size * impl_->element(), stored));
    }
  }
  return {};
}

abi::Dtype DecodeStep::dtype() const { return impl_->weights.dtype; }

uint64_t DecodeStep::pass_bytes(uint32_t position) const {
  const model::ModelConfig& config = impl_->config;
  const uint64_t history = 2ULL * config.layer_count * config.kv_size() * position * impl_->element();
  return impl_->weights.pass_bytes + history;
}

uint64_t DecodeStep::projection_bytes() const {
  uint64_t elements = 0;
  for (uint8_t m = 0; m < kMatrixCount; ++m) {
    const CublasProduct product = impl_->product(static_cast<Matrix>(m), 0);
    const uint64_t times = m == kHead ? 1 : impl_->config.layer_count;
    elements += uint64_t{product.rows} * product.columns * times;
  }
  return elements * impl_->element();
}

std::string DecodeStep::choices() const {
  std::string out;
  for (uint8_t m = 0; m < kMatrixCount; ++m) {
    out += fmt::format("{}{} as a {}", out.empty() ? "" : ", ", kMatrixNames[m], impl_->as_row[m] ? "row" : "column");
  }
  return out;
}

}  // namespace amk::vm::cuda
