#include "eval/oracle.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <exception>
#include <limits>
#include <string>
#include <utility>

#include "base/checked.h"
#include "eval/rotary.h"
#include "eval/stored_rows.h"

namespace amk::eval {
namespace {

/// Tokens that pass through the layers together: each weight leaves memory once for all of them.
constexpr size_t kBlockTokens = 16;

/// Positions of a page of the KV cache. Pages are added as positions fill; a block never straddles two.
constexpr size_t kPagePositions = 64;

/// Multiplications below which waking the other threads costs more than they save.
constexpr size_t kSerialWork = size_t{1} << 15;

/// A stored weight matrix [row_count, columns].
struct Matrix {
  StoredRows rows;
  size_t row_count = 0;
};

struct Layer {
  std::vector<float> attention_norm;  // [hidden_size]
  std::vector<float> mlp_norm;        // [hidden_size]
  Matrix q, k, v, o;                  // [q_size, hidden], [kv_size, hidden] twice, [hidden, q_size]
  Matrix gate, up, down;              // [intermediate, hidden] twice, [hidden, intermediate]
};

/// What one thread needs for itself.
struct Worker {
  std::vector<float> row;     // a widened weight row
  std::vector<float> scores;  // of one head, for every position
  std::vector<double> sums;   // [head_dim]
};

/// Activations of a block, float32 [kBlockTokens][...].
struct Activations {
  std::vector<float> hidden;     // [hidden_size]: the residual stream
  std::vector<float> normed;     // [hidden_size]
  std::vector<float> projected;  // [hidden_size]: what is added to the stream
  std::vector<float> q;          // [q_size]
  std::vector<float> attended;   // [q_size]
  std::vector<float> gate;       // [intermediate_size]
  std::vector<float> up;         // [intermediate_size]
  std::vector<float> cos_sin;    // [head_dim]
};

Matrix stored_matrix(const model::Checkpoint& checkpoint, const std::string& name, size_t row_count, size_t columns) {
  const model::TensorView view = checkpoint.tensor(name);
  AMK_ASSERT(view.data.size() == row_count * abi::row_bytes(view.dtype, columns),
             "tensor of the config's shape: " + name);
  return {{view.dtype, view.data.data(), columns, columns}, row_count};
}

std::vector<float> norm_weights(const model::Checkpoint& checkpoint, const std::string& name) {
  const size_t size = checkpoint.config().hidden_size;
  std::vector<float> weights(size);
  widen_row(stored_matrix(checkpoint, name, 1, size).rows, 0, weights.data());
  return weights;
}

Layer stored_layer(const model::Checkpoint& checkpoint, uint32_t index) {
  const model::ModelConfig& config = checkpoint.config();
  const std::string prefix = fmt::format("model.layers.{}.", index);
  const size_t hidden = config.hidden_size;
  const size_t q_size = size_t{config.q_head_count} * config.head_dim;
  const size_t kv_size = size_t{config.kv_head_count} * config.head_dim;
  const auto matrix = [&](const char* name, size_t rows, size_t columns) {
    return stored_matrix(checkpoint, prefix + name, rows, columns);
  };
  return {.attention_norm = norm_weights(checkpoint, prefix + "input_layernorm.weight"),
          .mlp_norm = norm_weights(checkpoint, prefix + "post_attention_layernorm.weight"),
          .q = matrix("self_attn.q_proj.weight", q_size, hidden),
          .k = matrix("self_attn.k_proj.weight", kv_size, hidden),
          .v = matrix("self_attn.v_proj.weight", kv_size, hidden),
          .o = matrix("self_attn.o_proj.weight", hidden, q_size),
          .gate = matrix("mlp.gate_proj.weight", config.intermediate_size, hidden),
          .up = matrix("mlp.up_proj.weight", config.intermediate_size, hidden),
          .down = matrix("mlp.down_proj.weight", hidden, config.intermediate_size)};
}

/// LlamaRMSNorm: weight * (x / sqrt(mean(x^2) + eps)).
void rms_norm(std::span<const float> x, std::span<const float> weights, float eps, float* out) {
  const StoredRows row = {abi::Dtype::kF32, reinterpret_cast<const std::byte*>(x.data()), x.size(), x.size()};
  float square_sum = 0.0F;
  row_dots(row, 0, 1, {x.data(), x.size(), 1}, {}, &square_sum, 1);
  const float scale = 1.0F / std::sqrt(square_sum / static_cast<float>(x.size()) + eps);
  for (size_t i = 0; i < x.size(); ++i) out[i] = weights[i] * (x[i] * scale);
}

float silu(float x) {
  const double wide = x;
  return static_cast<float>(wide / (1.0 + std::exp(-wide)));
}

/// Turns scores into exp(score - max), in place; returns their sum.
double exponentials(std::span<float> scores) {
  const double top = *std::max_element(scores.begin(), scores.end());
  double sum = 0.0;
  for (float& score : scores) {
    score = static_cast<float>(std::exp(static_cast<double>(score) - top));
    sum += score;
  }
  return sum;
}

}  // namespace

struct Oracle::Impl {
  Impl(const model::Checkpoint& checkpoint, uint32_t context_size, ThreadPool& thread_pool, abi::Dtype kv_dtype);

  Result<std::vector<float>> run(std::span<const uint32_t> ids, bool last_only);
  Status check(std::span<const uint32_t> ids) const;
  void reserve(size_t position_count);

  void run_block(std::span<const uint32_t> ids, size_t first);
  void attention(size_t layer_index, size_t first, size_t count);
  void attend(Worker& worker, size_t layer_index, size_t position, size_t head, const float* q, float* out) const;
  void mlp(const Layer& layer, size_t count);
  void head_logits(size_t block_index, size_t count, float* logits);

  void norm_block(std::span<const float> weights, size_t count);
  void add_projected(size_t count);
  void multiply(const Matrix& matrix, const float* input, size_t count, float* out, size_t out_stride);
  template <typename Body>
  void split(size_t count, size_t work_each, const Body& body);

  /// Keys (which = 0) or values (1) of position `at` on; contiguous [kv_size] rows until the page ends.
  [[nodiscard]] float* cache(size_t layer_index, size_t which, size_t at) const {
    const size_t row = (layer_index * 2 + which) * kPagePositions + at % kPagePositions;
    return pages[at / kPagePositions].get() + row * kv_size;
  }

  model::ModelConfig config;
  ThreadPool& pool;
  abi::Dtype cache_dtype;  ///< what keys and values are rounded to; they are kept as float32
  size_t context;
  size_t position = 0;
  size_t hidden_size, q_size, kv_size, intermediate_size, head_dim;
  float eps;
  std::vector<Layer> layers;
  Matrix embedding;  // [vocab_size, hidden_size]
  Matrix head_matrix;
  std::vector<float> final_norm;
  std::vector<float> frequencies;  // [head_dim / 2]
  Activations block;
  std::vector<Worker> workers;
  size_t page_floats = 0;
  std::vector<std::unique_ptr<float[]>> pages;  // each [layer][key, value][kPagePositions][kv_size]
};

Oracle::Impl::Impl(const model::Checkpoint& checkpoint, uint32_t context_size, ThreadPool& thread_pool,
                   abi::Dtype kv_dtype)
    : config(checkpoint.config()),
      pool(thread_pool),
      cache_dtype(kv_dtype),
      context(context_size),
      hidden_size(config.hidden_size),
      q_size(size_t{config.q_head_count} * config.head_dim),
      kv_size(size_t{config.kv_head_count} * config.head_dim),
      intermediate_size(config.intermediate_size),
      head_dim(config.head_dim),
      eps(static_cast<float>(config.rms_norm_eps)),
      embedding(stored_matrix(checkpoint, "model.embed_tokens.weight", config.vocab_size, hidden_size)),
      head_matrix(config.tied_head ? embedding
                                   : stored_matrix(checkpoint, "lm_head.weight", config.vocab_size, hidden_size)),
      final_norm(norm_weights(checkpoint, "model.norm.weight")),
      frequencies(rotary_frequencies(config.rope, config.head_dim)),
      workers(thread_pool.size()) {
  for (uint32_t index = 0; index < config.layer_count; ++index) layers.push_back(stored_layer(checkpoint, index));
  for (auto* buffer : {&block.hidden, &block.normed, &block.projected}) buffer->resize(kBlockTokens * hidden_size);
  for (auto* buffer : {&block.q, &block.attended}) buffer->resize(kBlockTokens * q_size);
  for (auto* buffer : {&block.gate, &block.up}) buffer->resize(kBlockTokens * intermediate_size);
  block.cos_sin.resize(head_dim);
  for (Worker& worker : workers) {
    worker.row.resize(std::max({hidden_size, q_size, intermediate_size}));
    worker.sums.resize(head_dim);
  }
}

/// Calls body(worker, begin, end) over [0, count), cut into one part a thread. What an item computes must not depend
/// on the part it falls in.
template <typename Body>
void Oracle::Impl::split(size_t count, size_t work_each, const Body& body) {
  const size_t parts = workers.size();
  if (parts == 1 || count * work_each < kSerialWork) return body(workers[0], 0, count);
  pool.run_on_all([&](size_t part) {
    const size_t begin = count * part / parts;
    const size_t end = count * (part + 1) / parts;
    if (begin < end) body(workers[part], begin, end);
  });
}

/// out[t * out_stride + row] = matrix[row] . input[t], for `count` inputs of the matrix's columns each.
void Oracle::Impl::multiply(const Matrix& matrix, const float* input, size_t count, float* out, size_t out_stride) {
  const size_t columns = matrix.rows.columns;
  split(matrix.row_count, columns * count, [&](Worker& worker, size_t begin, size_t end) {
    row_dots(matrix.rows, begin, end, {input, columns, count}, worker.row, out, out_stride);
  });
}

void Oracle::Impl::norm_block(std::span<const float> weights, size_t count) {
  for (size_t t = 0; t < count; ++t) {
    rms_norm({block.hidden.data() + t * hidden_size, hidden_size}, weights, eps, block.normed.data() + t * hidden_size);
  }
}

void Oracle::Impl::add_projected(size_t count) {
  for (size_t i = 0; i < count * hidden_size; ++i) block.hidden[i] += block.projected[i];
}

/// One head of one token: softmax(q . keys / sqrt(head_dim)) over positions up to its own, times the values.
void Oracle::Impl::attend(Worker& worker, size_t layer_index, size_t at, size_t head_index, const float* q,
                          float* out) const {
  const size_t group = config.q_head_count / config.kv_head_count;
  const size_t offset = head_index / group * head_dim;
  const size_t visible = at + 1;
  const std::span<float> scores(worker.scores.data(), visible);
  for (size_t start = 0; start < visible; start += kPagePositions) {
    const auto* keys = reinterpret_cast<const std::byte*>(cache(layer_index, 0, start) + offset);
    const size_t count = std::min(kPagePositions, visible - start);
    row_dots({abi::Dtype::kF32, keys, head_dim, kv_size}, 0, count, {q, head_dim, 1}, {}, &scores[start], count);
  }
  const auto scaling = static_cast<float>(1.0 / std::sqrt(static_cast<double>(head_dim)));
  for (float& score : scores) score *= scaling;
  const double total = exponentials(scores);
  std::fill(worker.sums.begin(), worker.sums.end(), 0.0);
  for (size_t start = 0; start < visible; start += kPagePositions) {
    const size_t count = std::min(kPagePositions, visible - start);
    add_weighted_rows(cache(layer_index, 1, start) + offset, kv_size, &scores[start], count, worker.sums);
  }
  for (size_t i = 0; i < head_dim; ++i) out[i] = static_cast<float>(worker.sums[i] / total);
}

void Oracle::Impl::attention(size_t layer_index, size_t first, size_t count) {
  const Layer& layer = layers[layer_index];
  float* keys = cache(layer_index, 0, first);
  multiply(layer.q, block.normed.data(), count, block.q.data(), q_size);
  multiply(layer.k, block.normed.data(), count, keys, kv_size);
  float* values = cache(layer_index, 1, first);
  multiply(layer.v, block.normed.data(), count, values, kv_size);
  for (size_t t = 0; t < count; ++t) {
    rotary_cos_sin(frequencies, static_cast<uint32_t>(first + t), block.cos_sin);
    rotate_heads(block.cos_sin, {block.q.data() + t * q_size, q_size});
    rotate_heads(block.cos_sin, {keys + t * kv_size, kv_size});
  }
  round_all(cache_dtype, {keys, count * kv_size});
  round_all(cache_dtype, {values, count * kv_size});
  const size_t heads = config.q_head_count;
  split(count * heads, 2 * head_dim * (first + count), [&](Worker& worker, size_t begin, size_t end) {
    for (size_t item = begin; item < end; ++item) {
      const size_t offset = item * head_dim;
      attend(worker, layer_index, first + item / heads, item % heads, block.q.data() + offset,
             block.attended.data() + offset);
    }
  });
  multiply(layer.o, block.attended.data(), count, block.projected.data(), hidden_size);
}

void Oracle::Impl::mlp(const Layer& layer, size_t count) {
  multiply(layer.gate, block.normed.data(), count, block.gate.data(), intermediate_size);
  multiply(layer.up, block.normed.data(), count, block.up.data(), intermediate_size);
  split(count * intermediate_size, 32, [&](Worker&, size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) block.gate[i] = silu(block.gate[i]) * block.up[i];
  });
  multiply(layer.down, block.gate.data(), count, block.projected.data(), hidden_size);
}

/// LlamaModel.forward up to the last layer, for at most kBlockTokens tokens at positions `first` on, of one page.
void Oracle::Impl::run_block(std::span<const uint32_t> ids, size_t first) {
  const size_t count = ids.size();
  for (size_t t = 0; t < count; ++t) widen_row(embedding.rows, ids[t], block.hidden.data() + t * hidden_size);
  for (size_t index = 0; index < layers.size(); ++index) {
    norm_block(layers[index].attention_norm, count);
    attention(index, first, count);
    add_projected(count);
    norm_block(layers[index].mlp_norm, count);
    mlp(layers[index], count);
    add_projected(count);
  }
}

/// Logits [count][vocab_size] of the block's tokens `block_index` on.
void Oracle::Impl::head_logits(size_t block_index, size_t count, float* logits) {
  const size_t offset = block_index * hidden_size;
  for (size_t i = 0; i < count * hidden_size; i += hidden_size) {
    rms_norm({block.hidden.data() + offset + i, hidden_size}, final_norm, eps, block.normed.data() + i);
  }
  multiply(head_matrix, block.normed.data(), count, logits, config.vocab_size);
}

Status Oracle::Impl::check(std::span<const uint32_t> ids) const {
  if (ids.size() > context - position) {
    return Error{ErrorCode::kUsage,
                 fmt::format("expected at most {} more tokens in a context of {}, found {}", context - position,
                             context, ids.size()),
                 "", "ask for a longer context, or start over"};
  }
  const auto bad = std::find_if(ids.begin(), ids.end(), [&](uint32_t id) { return id >= config.vocab_size; });
  if (bad == ids.end()) return {};
  return Error{ErrorCode::kUsage,
               fmt::format("expected a token id below the vocabulary's size {}, found {}", config.vocab_size, *bad),
               fmt::format("token {}", bad - ids.begin()), ""};
}

/// Room for `position_count` positions. May throw std::bad_alloc.
void Oracle::Impl::reserve(size_t position_count) {
  while (pages.size() * kPagePositions < position_count) pages.emplace_back(new float[page_floats]);
  for (Worker& worker : workers) {
    if (worker.scores.size() < position_count) worker.scores.resize(pages.size() * kPagePositions);
  }
}

Result<std::vector<float>> Oracle::Impl::run(std::span<const uint32_t> ids, bool last_only) {
  AMK_TRY(check(ids));
  std::vector<float> logits;
  const size_t rows = last_only ? 1 : ids.size();
  try {
    logits.resize(rows * config.vocab_size);
    reserve(position + ids.size());
  } catch (const std::exception&) {
    return Error{ErrorCode::kIo,
                 fmt::format("expected memory for {} positions and {} rows of {} logits, found too little",
                             position + ids.size(), rows, config.vocab_size),
                 "", "feed fewer tokens at a time"};
  }
  for (size_t done = 0; done < ids.size();) {
    const size_t first = position + done;
    const size_t count = std::min({kBlockTokens, ids.size() - done, kPagePositions - first % kPagePositions});
    run_block(ids.subspan(done, count), first);
    done += count;
    if (!last_only) head_logits(0, count, logits.data() + (done - count) * config.vocab_size);
    if (last_only && done == ids.size()) head_logits(count - 1, 1, logits.data());
  }
  position += ids.size();
  return logits;
}

Result<Oracle> Oracle::create(const model::Checkpoint& checkpoint, uint32_t context, ThreadPool& pool,
                              abi::Dtype kv_dtype) {
  const model::ModelConfig& config = checkpoint.config();
  if (context == 0 || context > config.context_max) {
    return Error{ErrorCode::kUsage,
                 fmt::format("expected a context of 1 to {} positions, found {}", config.context_max, context), "", ""};
  }
  if (kv_dtype != abi::Dtype::kF32 && kv_dtype != abi::Dtype::kF16 && kv_dtype != abi::Dtype::kBf16) {
    return Error{ErrorCode::kUsage,
                 fmt::format("expected a KV cache of f32, f16 or bf16, found {}", abi::dtype_name(kv_dtype)), "", ""};
  }
  const std::array<uint64_t, 5> page = {config.layer_count, 2, kPagePositions, config.kv_head_count, config.head_dim};
  const std::optional<uint64_t> page_floats = checked_product(page);
  if (!page_floats || *page_floats > std::numeric_limits<ptrdiff_t>::max() / sizeof(float)) {
    return Error{ErrorCode::kUnsupported,
                 fmt::format("expected a KV cache of addressable size, found {} layers of {} heads of {}",
                             config.layer_count, config.kv_head_count, config.head_dim),
                 "", ""};
  }
  try {
    auto impl = std::make_unique<Impl>(checkpoint, context, pool, kv_dtype);
    impl->page_floats = *page_floats;
    return Oracle(std::move(impl));
  } catch (const std::exception&) {
    return Error{ErrorCode::kIo, "expected memory for the activations of a block of tokens, found too little", "", ""};
  }
}

Oracle::Oracle(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Oracle::Oracle(Oracle&&) noexcept = default;
Oracle& Oracle::operator=(Oracle&&) noexcept = default;
Oracle::~Oracle() = default;

Result<std::vector<float>> Oracle::forward(std::span<const uint32_t> ids) { return impl_->run(ids, false); }

Result<std::vector<float>> Oracle::forward_last(std::span<const uint32_t> ids) {
  if (ids.empty()) return Error{ErrorCode::kUsage, "expected at least one token, found none", "", ""};
  return impl_->run(ids, true);
}

uint32_t Oracle::position() const { return static_cast<uint32_t>(impl_->position); }
void Oracle::reset() { impl_->position = 0; }

Status Oracle::set_history(const std::function<float(uint32_t layer, bool value, uint64_t element)>& draw,
                           uint32_t position) {
  Impl& impl = *impl_;
  if (position > impl.context) {
    return Error{ErrorCode::kUsage,
                 fmt::format("expected at most {} positions, the context, found {}", impl.context, position), "", ""};
  }
  try {
    impl.reserve(position);
  } catch (const std::exception&) {
    return Error{ErrorCode::kIo, fmt::format("expected memory for {} positions, found too little", position), "", ""};
  }
  for (size_t row = 0; row < impl.layers.size() * 2 * position; ++row) {
    const size_t layer = row / 2 / position;
    const size_t which = row / position % 2;
    const size_t at = row % position;
    const std::span<float> out(impl.cache(layer, which, at), impl.kv_size);
    for (size_t i = 0; i < out.size(); ++i) {
      out[i] = draw(static_cast<uint32_t>(layer), which == 1, at * impl.kv_size + i);
    }
    round_all(impl.cache_dtype, out);
  }
  impl.position = position;
  return {};
}

}  // namespace amk::eval
