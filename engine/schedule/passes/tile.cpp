// tile: turns each group into stages of tasks, with buffers, parameters and exact ranges.
//
// Runs after fuse. Needs groups and the tiling knobs; leaves buffers, tasks (without edges) and stages. Every value
// gets a buffer of its own, written by one stage: what may share memory is allocate_pages' question.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/checked.h"
#include "schedule/passes/emitter.h"
#include "schedule/passes/slices.h"

namespace amk::schedule::passes {
namespace {

using abi::GraphOp;
using abi::Opcode;

constexpr uint32_t kRowGranule = kRowsPerStage;
constexpr uint32_t kStageBytes = 16 << 10;  // what k_chunk = auto fills

/// The buffers that hold each value of the chain at this point of the walk.
struct Values {
  BufferId x;  ///< residual stream, [hidden]
  BufferId normed;
  BufferId q_raw, k_raw, v_raw;
  BufferId q, k;
  BufferId k_cache, v_cache;
  BufferId partials;
  BufferId attention;
  BufferId branch;  ///< output of o or down, before its residual addition
  BufferId gate, up, hidden;
  BufferId logits;
};

class Tiler {
 public:
  explicit Tiler(LoweringState& state)
      : state_(state), config_(state.request.graph->config), knobs_(state.request.config), emit_(state) {}

  Status run() {
    for (const Group& group : state_.groups) lower_group(group);
    emit_.end_stages();
    return emit_.status();
  }

 private:
  // ---- cutting ----

  [[nodiscard]] std::vector<Slice> rows(uint32_t total) const {
    return slices(total, kRowGranule, knobs_.gemv_n_tile, state_.request.target->sms);
  }
  /// Tiles of things of which one takes two weight rows: rotary pairs, gate-up pairs.
  [[nodiscard]] std::vector<Slice> row_pairs(uint32_t total) const {
    const std::optional<uint32_t> tile =
        knobs_.gemv_n_tile ? std::optional<uint32_t>(*knobs_.gemv_n_tile / 2) : std::nullopt;
    return slices(total, kRowGranule / 2, tile, state_.request.target->sms);
  }
  [[nodiscard]] uint32_t k_chunk(BufferId weight) const {
    if (knobs_.gemv_k_chunk) return *knobs_.gemv_k_chunk;
    return kStageBytes * 8 / kRowGranule / abi::dtype_bits(state_.program.buffer(weight).shape.dtype);
  }
  /// `least`: fewer are not chosen, but may be asked for.
  [[nodiscard]] uint32_t attention_splits(uint32_t least = 1) const {
    if (knobs_.attention_splits) return *knobs_.attention_splits;
    const uint64_t blocks = ceil_div(state_.request.context, knobs_.attention_kv_block);
    const uint64_t sms_a_head = std::max(1U, state_.request.target->sms / config_.kv_head_count);
    return std::max(least, static_cast<uint32_t>(std::min(sms_a_head, blocks)));
  }

  // ---- names ----

  [[nodiscard]] std::string name(std::string_view part) const {
    return layer_ == kHead ? fmt::format("head.{}", part) : fmt::format("l{}.{}", layer_, part);
  }
  BufferId layer_weight(std::string_view part) { return emit_.weight(ModelGraph::layer_tensor(layer_, part)); }
  BufferId norm_weight() {
    if (layer_ == kHead) return emit_.weight("model.norm.weight");
    return layer_weight(in_mlp_ ? "post_attention_layernorm" : "input_layernorm");
  }
  [[nodiscard]] float eps() const { return static_cast<float>(config_.rms_norm_eps); }
  BufferId vector(std::string_view part, uint32_t extent) { return emit_.activation(name(part), {extent}); }

  // ---- products ----

  /// One stage (or a further part of one) of y = W x, tiled by rows; `normed` adds the RMS norm of x.
  void product(BufferId weight, BufferId x, BufferId y, bool normed, std::string_view part) {
    const abi::Shape shape = state_.program.buffer(weight).shape;
    const auto k = static_cast<uint32_t>(shape.extent[1]);
    const BufferId norm = normed ? norm_weight() : BufferId();
    for (const Slice& tile : rows(static_cast<uint32_t>(shape.extent[0]))) {
      const std::string label = fmt::format("{}[{}:{}]", name(part), tile.begin, tile.begin + tile.count);
      if (normed) {
        const abi::NormGemvParams params{tile.begin, tile.count, k, k_chunk(weight), eps()};
        emit_.task(Opcode::kNormGemv, params, {weight, x, norm, y}, label);
      } else {
        const abi::GemvParams params{tile.begin, tile.count, k, k_chunk(weight)};
        emit_.task(Opcode::kGemv, params, {weight, x, y}, label);
      }
    }
  }

  /// One stage of y = residual + W x.
  void product_residual(BufferId weight, BufferId x, std::string_view part) {
    const abi::Shape shape = state_.program.buffer(weight).shape;
    const auto k = static_cast<uint32_t>(shape.extent[1]);
    const BufferId y = vector(in_mlp_ ? "x_mlp" : "x_attn", config_.hidden_size);
    emit_.begin_stage();
    for (const Slice& tile : rows(config_.hidden_size)) {
      const std::string label = fmt::format("{}[{}:{}]", name(part), tile.begin, tile.begin + tile.count);
      const abi::GemvParams params{tile.begin, tile.count, k, k_chunk(weight)};
      emit_.task(Opcode::kGemvResidual, params, {weight, x, values_.x, y}, label);
    }
    finish_branch(y);
  }

  /// The residual stream goes on in `y`; the MLP follows attention, and the next layer's attention the MLP.
  void finish_branch(BufferId y) {
    values_.x = y;
    in_mlp_ = !in_mlp_;
  }

  // ---- groups ----

  void lower_group(const Group& group) {
    layer_ = group.layer;
    const bool fused = group.ops.size() > 1;
    const bool normed = fused && group.ops.front() == GraphOp::kRmsNorm;
    const bool combined = fused && group.ops.front() == GraphOp::kCombine;
    // The op that names the group is the first that is no prologue.
    switch (group.ops[normed || combined ? 1 : 0]) {
      case GraphOp::kEmbed:
        return embed();
      case GraphOp::kRmsNorm:
        return rms_norm();
      case GraphOp::kQkv:
        return group.ops.back() == GraphOp::kKvAppend ? qkv_rope_append(normed) : qkv(normed);
      case GraphOp::kRope:
        return rope();
      case GraphOp::kKvAppend:
        return kv_append();
      case GraphOp::kAttention:
        return fused ? attention_combine() : attention();
      case GraphOp::kCombine:
        return combine();
      case GraphOp::kO:
        return output_projection(group);
      case GraphOp::kResidual:
        return residual();
      case GraphOp::kGate:
        return gate(group, normed);
      case GraphOp::kUp:
        return up(normed);
      case GraphOp::kSiluMul:
        return silu_mul();
      case GraphOp::kDown:
        return down(group);
      case GraphOp::kLmHead:
        return lm_head(normed);
      case GraphOp::kArgmax:
        return argmax();
    }
  }

  void embed() {
    values_.x = emit_.activation("x0", {config_.hidden_size});
    emit_.begin_stage();
    emit_.task(Opcode::kEmbed, abi::EmbedParams{0, config_.hidden_size},
               {emit_.token_in(), emit_.weight("model.embed_tokens.weight"), values_.x}, "embed");
  }

  void rms_norm() {
    const std::string_view part = layer_ == kHead ? "norm" : in_mlp_ ? "mlp_norm" : "attn_norm";
    values_.normed = vector(part, config_.hidden_size);
    emit_.begin_stage();
    emit_.task(Opcode::kRmsNorm, abi::RmsNormParams{config_.hidden_size, eps()},
               {values_.x, norm_weight(), values_.normed}, name(part));
  }

  /// What a projection reads: the normalised vector where a group of its own has made it, else the residual stream.
  [[nodiscard]] BufferId projection_input(bool normed) const { return normed ? values_.x : values_.normed; }

  void qkv(bool normed) {
    const BufferId x = projection_input(normed);
    values_.q_raw = vector("q_raw", config_.q_size());
    values_.k_raw = vector("k_raw", config_.kv_size());
    values_.v_raw = vector("v_raw", config_.kv_size());
    emit_.begin_stage();
    product(layer_weight("self_attn.q_proj"), x, values_.q_raw, normed, "q");
    product(layer_weight("self_attn.k_proj"), x, values_.k_raw, normed, "k");
    product(layer_weight("self_attn.v_proj"), x, values_.v_raw, normed, "v");
  }

  void make_caches() {
    values_.k_cache = emit_.kv_cache(name("k_cache"));
    values_.v_cache = emit_.kv_cache(name("v_cache"));
  }

  void qkv_rope_append(bool normed) {
    const BufferId x = projection_input(normed);
    const BufferId q_weight = layer_weight("self_attn.q_proj");
    const BufferId k_weight = layer_weight("self_attn.k_proj");
    const BufferId v_weight = layer_weight("self_attn.v_proj");
    values_.q = vector("q", config_.q_size());
    make_caches();
    const BufferId norm = normed ? norm_weight() : BufferId();
    const uint32_t pairs = (config_.q_head_count + 2 * config_.kv_head_count) * (config_.head_dim / 2);
    emit_.begin_stage();
    for (const Slice& tile : row_pairs(pairs)) {
      const std::string label = fmt::format("{}[{}:{}]", name("qkv"), tile.begin, tile.begin + tile.count);
      const abi::QkvParams p{tile.begin,       tile.count,           config_.hidden_size,  k_chunk(q_weight),
                             config_.head_dim, config_.q_head_count, config_.kv_head_count};
      if (normed) {
        const abi::NormQkvParams params{p.pair_begin, p.pair_count, p.k,        p.k_chunk,
                                        p.head_dim,   p.q_heads,    p.kv_heads, eps()};
        emit_.task(Opcode::kNormQkvRopeAppend, params,
                   {emit_.position(), q_weight, k_weight, v_weight, x, norm, emit_.rope_frequencies(), values_.q,
                    values_.k_cache, values_.v_cache},
                   label);
      } else {
        emit_.task(Opcode::kQkvRopeAppend, p,
                   {emit_.position(), q_weight, k_weight, v_weight, x, emit_.rope_frequencies(), values_.q,
                    values_.k_cache, values_.v_cache},
                   label);
      }
    }
  }

  void rope_heads(BufferId from, BufferId to, uint32_t heads, std::string_view part) {
    for (uint32_t head = 0; head < heads; ++head) {
      emit_.task(Opcode::kRope, abi::RopeParams{head, config_.head_dim},
                 {emit_.position(), from, emit_.rope_frequencies(), to}, fmt::format("{}[{}]", name(part), head));
    }
  }

  void rope() {
    values_.q = vector("q", config_.q_size());
    values_.k = vector("k", config_.kv_size());
    emit_.begin_stage();
    rope_heads(values_.q_raw, values_.q, config_.q_head_count, "rope_q");
    rope_heads(values_.k_raw, values_.k, config_.kv_head_count, "rope_k");
  }

  void kv_append() {
    make_caches();
    emit_.begin_stage();
    for (uint32_t head = 0; head < config_.kv_head_count; ++head) {
      emit_.task(Opcode::kKvAppend, abi::KvAppendParams{head, config_.head_dim},
                 {emit_.position(), values_.k, values_.v_raw, values_.k_cache, values_.v_cache},
                 fmt::format("{}[{}]", name("kv_append"), head));
    }
  }

  [[nodiscard]] abi::AttentionParams attention_params(uint32_t head, uint32_t split, uint32_t splits) const {
    const auto scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(config_.head_dim)));
    const uint32_t group = config_.q_head_count / config_.kv_head_count;
    return {head, group, config_.head_dim, split, splits, knobs_.attention_kv_block, scale};
  }

  void attention() { attention_tasks(attention_splits(), attention_splits()); }

  /// One stage: splits [0, count) of each head.
  void attention_tasks(uint32_t count, uint32_t splits) {
    values_.partials =
        emit_.activation(name("partials"), {config_.q_head_count, splits, uint64_t{config_.head_dim} + 2});
    emit_.begin_stage();
    for (uint32_t head = 0; head < config_.kv_head_count; ++head) {
      for (uint32_t split = 0; split < count; ++split) {
        emit_.task(Opcode::kAttention, attention_params(head, split, splits),
                   {emit_.position(), values_.q, values_.k_cache, values_.v_cache, values_.partials},
                   fmt::format("{}[{},{}]", name("attention"), head, split));
      }
    }
  }

  /// The tasks of the last split join the others; they stand in a stage of their own, for whose results they wait.
  void attention_combine() {
    const uint32_t splits = attention_splits(2);
    if (splits == 1) {  // as asked for: there is nothing to join
      attention();
      return combine();
    }
    attention_tasks(splits - 1, splits);
    values_.attention = vector("attention_out", config_.q_size());
    emit_.begin_stage(true);
    for (uint32_t head = 0; head < config_.kv_head_count; ++head) {
      emit_.task(Opcode::kAttentionCombine, attention_params(head, splits - 1, splits),
                 {emit_.position(), values_.q, values_.k_cache, values_.v_cache, values_.partials, values_.attention},
                 fmt::format("{}[{}]", name("attention_combine"), head));
    }
  }

  void combine() {
    values_.attention = vector("attention_out", config_.q_size());
    emit_.begin_stage();
    for (uint32_t head = 0; head < config_.q_head_count; ++head) {
      emit_.task(Opcode::kCombine, abi::CombineParams{head, config_.head_dim, attention_splits()},
                 {values_.partials, values_.attention}, fmt::format("{}[{}]", name("combine"), head));
    }
  }

  void output_projection(const Group& group) {
    const BufferId weight = layer_weight("self_attn.o_proj");
    if (group.ops.front() == GraphOp::kCombine) return combine_output_residual(weight);
    if (group.ops.back() == GraphOp::kResidual) return product_residual(weight, values_.attention, "o");
    values_.branch = vector("o_out", config_.hidden_size);
    emit_.begin_stage();
    product(weight, values_.attention, values_.branch, false, "o");
  }

  void combine_output_residual(BufferId weight) {
    const BufferId y = vector("x_attn", config_.hidden_size);
    emit_.begin_stage();
    for (const Slice& tile : rows(config_.hidden_size)) {
      const abi::CombineGemvParams params{tile.begin,           tile.count,       k_chunk(weight),
                                          config_.q_head_count, config_.head_dim, attention_splits()};
      emit_.task(Opcode::kCombineGemvResidual, params, {weight, values_.partials, values_.x, y},
                 fmt::format("{}[{}:{}]", name("o"), tile.begin, tile.begin + tile.count));
    }
    finish_branch(y);
  }

  void residual() {
    const BufferId y = vector(in_mlp_ ? "x_mlp" : "x_attn", config_.hidden_size);
    emit_.begin_stage();
    for (const Slice& tile : rows(config_.hidden_size)) {
      emit_.task(Opcode::kResidualAdd, abi::ElementwiseParams{tile.begin, tile.count}, {values_.branch, values_.x, y},
                 fmt::format("{}[{}:{}]", name(in_mlp_ ? "mlp_residual" : "attn_residual"), tile.begin,
                             tile.begin + tile.count));
    }
    finish_branch(y);
  }

  void gate(const Group& group, bool normed) {
    const BufferId x = projection_input(normed);
    const BufferId gate_weight = layer_weight("mlp.gate_proj");
    if (group.ops.back() == GraphOp::kSiluMul) return gate_up_silu(gate_weight, x, normed);
    values_.gate = vector("gate", config_.intermediate_size);
    emit_.begin_stage();
    product(gate_weight, x, values_.gate, normed, "gate");
    if (group.ops.back() != GraphOp::kUp) return;
    values_.up = vector("up", config_.intermediate_size);
    product(layer_weight("mlp.up_proj"), x, values_.up, normed, "up");
  }

  void up(bool normed) {
    values_.up = vector("up", config_.intermediate_size);
    emit_.begin_stage();
    product(layer_weight("mlp.up_proj"), projection_input(normed), values_.up, normed, "up");
  }

  void gate_up_silu(BufferId gate_weight, BufferId x, bool normed) {
    const BufferId up_weight = layer_weight("mlp.up_proj");
    const BufferId norm = normed ? norm_weight() : BufferId();
    values_.hidden = vector("hidden", config_.intermediate_size);
    emit_.begin_stage();
    for (const Slice& tile : row_pairs(config_.intermediate_size)) {
      const std::string label = fmt::format("{}[{}:{}]", name("gate_up"), tile.begin, tile.begin + tile.count);
      const abi::GemvParams p{tile.begin, tile.count, config_.hidden_size, k_chunk(gate_weight)};
      if (normed) {
        const abi::NormGemvParams params{p.row_begin, p.row_count, p.k, p.k_chunk, eps()};
        emit_.task(Opcode::kNormGateUpSilu, params, {gate_weight, up_weight, x, norm, values_.hidden}, label);
      } else {
        emit_.task(Opcode::kGateUpSilu, p, {gate_weight, up_weight, x, values_.hidden}, label);
      }
    }
  }

  void silu_mul() {
    values_.hidden = vector("hidden", config_.intermediate_size);
    emit_.begin_stage();
    for (const Slice& tile : rows(config_.intermediate_size)) {
      emit_.task(Opcode::kSiluMul, abi::ElementwiseParams{tile.begin, tile.count},
                 {values_.gate, values_.up, values_.hidden},
                 fmt::format("{}[{}:{}]", name("silu_mul"), tile.begin, tile.begin + tile.count));
    }
  }

  void down(const Group& group) {
    const BufferId weight = layer_weight("mlp.down_proj");
    if (group.ops.back() == GraphOp::kResidual) return product_residual(weight, values_.hidden, "down");
    values_.branch = vector("down_out", config_.hidden_size);
    emit_.begin_stage();
    product(weight, values_.hidden, values_.branch, false, "down");
  }

  void lm_head(bool normed) {
    values_.logits = emit_.output("logits", abi::Dtype::kF32, config_.vocab_size);
    emit_.begin_stage();
    product(emit_.weight(state_.request.graph->head_tensor()), projection_input(normed), values_.logits, normed,
            "lm_head");
  }

  void argmax() {
    const std::vector<Slice> tiles = rows(config_.vocab_size);
    const auto slots = static_cast<uint32_t>(tiles.size());
    const BufferId value = emit_.activation("head.candidate_value", {slots});
    const BufferId index = emit_.activation("head.candidate_index", {slots}, abi::Dtype::kU32);
    emit_.begin_stage();
    for (uint32_t slot = 0; slot < slots; ++slot) {
      emit_.task(Opcode::kArgmax, abi::ArgmaxParams{tiles[slot].begin, tiles[slot].count, slot},
                 {values_.logits, value, index}, fmt::format("head.argmax[{}]", slot));
    }
    emit_.begin_stage();
    emit_.task(Opcode::kArgmaxCombine, abi::ArgmaxCombineParams{slots},
               {value, index, emit_.output("next_token", abi::Dtype::kU32, 1)}, "head.argmax");
  }

  LoweringState& state_;
  const model::ModelConfig& config_;
  const ScheduleConfig& knobs_;
  Emitter emit_;
  Values values_;
  uint32_t layer_ = 0;
  bool in_mlp_ = false;
};

}  // namespace

Status tile(LoweringState& state) { return Tiler(state).run(); }

}  // namespace amk::schedule::passes
