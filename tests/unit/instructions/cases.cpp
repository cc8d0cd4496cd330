#include "unit/instructions/cases.h"

namespace amk::instructions::test {

namespace {

using abi::Dtype;
using abi::Opcode;
using Cases = std::vector<Case>;

/// What the norm beside a matrix is stored as: norms are never quantised.
Dtype norm_dtype(Dtype weight) { return abi::is_quantised(weight) ? Dtype::kBf16 : weight; }

/// The nearest chunk that a contract takes.
uint32_t chunk_for(Dtype weight, uint32_t k_chunk) {
  const uint32_t pack = abi::kPackedColumns;
  return abi::is_quantised(weight) ? (k_chunk + pack - 1) / pack * pack : k_chunk;
}

void add_vector_cases(Cases& out, Dtype weight) {
  const std::string of = abi::dtype_name(weight);
  out.push_back({"embed " + of, Opcode::kEmbed, abi::EmbedParams{5, 9}, {u32({1}), shape(weight, {7, 19}), f32({19})}});
  out.push_back(
      {"whole embed " + of, Opcode::kEmbed, abi::EmbedParams{0, 64}, {u32({1}), shape(weight, {3, 64}), f32({64})}});
  for (const uint32_t size : {1U, 37U, 576U}) {
    if (abi::is_quantised(weight)) break;
    out.push_back({"rms_norm " + of + " " + std::to_string(size),
                   Opcode::kRmsNorm,
                   abi::RmsNormParams{size, 1e-5F},
                   {f32({size}), shape(weight, {size}), f32({size})}});
  }
}

void add_product_cases(Cases& out, Dtype weight) {
  struct Tile {
    uint32_t rows, k, row_begin, row_count, k_chunk;
  };
  for (const Tile t :
       {Tile{11, 48, 3, 5, 16}, Tile{4, 131, 0, 4, 64}, Tile{130, 576, 1, 128, 200}, Tile{3, 7, 2, 1, 1000}}) {
    const std::string of = std::string(abi::dtype_name(weight)) + " k " + std::to_string(t.k);
    const abi::Shape matrix = shape(weight, {t.rows, t.k});
    const abi::Shape x = f32({t.k});
    const abi::Shape norm = shape(norm_dtype(weight), {t.k});
    const uint32_t k_chunk = chunk_for(weight, t.k_chunk);
    const abi::Shape y = f32({t.rows});
    const abi::GemvParams plain{t.row_begin, t.row_count, t.k, k_chunk};
    const abi::NormGemvParams normed{t.row_begin, t.row_count, t.k, k_chunk, 1e-6F};
    out.push_back({"gemv " + of, Opcode::kGemv, plain, {matrix, x, y}});
    out.push_back({"norm gemv " + of, Opcode::kNormGemv, normed, {matrix, x, norm, y}});
    out.push_back({"gemv residual " + of, Opcode::kGemvResidual, plain, {matrix, x, y, y}});
    out.push_back({"gate up " + of, Opcode::kGateUpSilu, plain, {matrix, f32({t.rows, t.k}), x, y}});
    out.push_back({"norm gate up " + of, Opcode::kNormGateUpSilu, normed, {matrix, matrix, x, norm, y}});
  }
  out.push_back({"combine gemv",
                 Opcode::kCombineGemvResidual,
                 abi::CombineGemvParams{2, 6, chunk_for(weight, 16), 4, 12, 3},
                 {shape(weight, {9, 48}), f32({4, 3, 14}), f32({9}), f32({9})}});
  out.push_back({"combine gemv, one split",
                 Opcode::kCombineGemvResidual,
                 abi::CombineGemvParams{0, 5, chunk_for(weight, 64), 1, 20, 1},
                 {shape(weight, {5, 20}), f32({1, 1, 22}), f32({5}), f32({5})}});
}

void add_qkv_cases(Cases& out, Dtype weight, Dtype kv) {
  struct Tile {
    uint32_t head_dim, q_heads, kv_heads, pair_begin, pair_count;
  };
  // Within a head; across heads; across q and k; across all three; everything; values alone.
  for (const Tile t : {Tile{24, 4, 2, 2, 5}, Tile{24, 4, 2, 10, 20}, Tile{24, 4, 2, 41, 14}, Tile{24, 4, 2, 40, 39},
                       Tile{24, 4, 2, 0, 96}, Tile{2, 3, 1, 4, 1}, Tile{64, 3, 3, 33, 200}}) {
    const uint32_t k = 40;
    const std::string of = std::string(abi::dtype_name(weight)) + " " + abi::dtype_name(kv) + " pairs " +
                           std::to_string(t.pair_begin) + "+" + std::to_string(t.pair_count);
    const uint32_t q_size = t.q_heads * t.head_dim;
    const uint32_t kv_size = t.kv_heads * t.head_dim;
    const abi::Shape cache = shape(kv, {t.kv_heads, 9, t.head_dim});
    const abi::Shape inv_freq = f32({t.head_dim / 2});
    const abi::QkvParams plain{t.pair_begin, t.pair_count, k, chunk_for(weight, 16), t.head_dim, t.q_heads, t.kv_heads};
    out.push_back({"qkv " + of,
                   Opcode::kQkvRopeAppend,
                   plain,
                   {u32({1}), shape(weight, {q_size, k}), f32({kv_size, k}), shape(weight, {kv_size, k}), f32({k}),
                    inv_freq, f32({q_size}), cache, cache},
                   5});
    const abi::NormQkvParams normed{t.pair_begin, t.pair_count, k,          chunk_for(weight, 64),
                                    t.head_dim,   t.q_heads,    t.kv_heads, 1e-5F};
    out.push_back({"norm qkv " + of,
                   Opcode::kNormQkvRopeAppend,
                   normed,
                   {u32({1}), shape(weight, {q_size, k}), shape(weight, {kv_size, k}), shape(weight, {kv_size, k}),
                    f32({k}), shape(norm_dtype(weight), {k}), inv_freq, f32({q_size}), cache, cache},
                   8});
  }
}

void add_attention_cases(Cases& out, Dtype kv) {
  struct Split {
    uint32_t head_dim, kv_heads, group, kv_head, split, splits, kv_block, context, position;
  };
  for (const Split s :
       {Split{24, 2, 3, 1, 0, 1, 16, 40, 0}, Split{24, 2, 3, 1, 0, 1, 16, 40, 39}, Split{16, 2, 2, 0, 0, 3, 4, 40, 22},
        Split{16, 2, 2, 1, 1, 3, 4, 40, 22}, Split{16, 2, 2, 1, 2, 3, 4, 40, 22}, Split{8, 1, 5, 0, 0, 4, 16, 16, 3},
        Split{8, 1, 5, 0, 3, 4, 16, 16, 3}, Split{7, 1, 71, 0, 0, 1, 1, 12, 11},
        Split{128, 1, 1, 0, 1, 2, 256, 600, 599}}) {
    const abi::Shape cache = shape(kv, {s.kv_heads, s.context, s.head_dim});
    const uint32_t q_heads = s.kv_heads * s.group;
    out.push_back(
        {"attention split " + std::to_string(s.split) + " of " + std::to_string(s.splits) + " at " +
             std::to_string(s.position) + " " + abi::dtype_name(kv),
         Opcode::kAttention,
         abi::AttentionParams{s.kv_head, s.group, s.head_dim, s.split, s.splits, s.kv_block, 0.3F},
         {u32({1}), f32({uint64_t{q_heads} * s.head_dim}), cache, cache, f32({q_heads, s.splits, s.head_dim + 2})},
         s.position});
    if (s.split == 0 || s.split + 1 != s.splits) continue;
    out.push_back({"attention joins " + std::to_string(s.splits) + " splits at " + std::to_string(s.position) + " " +
                       abi::dtype_name(kv),
                   Opcode::kAttentionCombine,
                   std::get<abi::AttentionParams>(out.back().params),
                   {u32({1}), f32({uint64_t{q_heads} * s.head_dim}), cache, cache,
                    f32({q_heads, s.splits, s.head_dim + 2}), f32({uint64_t{q_heads} * s.head_dim})},
                   s.position});
  }
}

void add_combine_cases(Cases& out) {
  out.push_back({"combine", Opcode::kCombine, abi::CombineParams{2, 24, 3}, {f32({4, 3, 26}), f32({96})}});
  out.push_back({"combine, one split", Opcode::kCombine, abi::CombineParams{0, 5, 1}, {f32({1, 1, 7}), f32({5})}});
}

void add_float_cases(Cases& out) {
  for (const uint32_t position : {0U, 1U, 130'000U}) {
    out.push_back({"rope at " + std::to_string(position),
                   Opcode::kRope,
                   abi::RopeParams{1, 24},
                   {u32({1}), f32({72}), f32({12}), f32({72})},
                   position});
  }
  for (const Dtype kv : {Dtype::kF32, Dtype::kF16, Dtype::kBf16}) {
    out.push_back({std::string("kv_append ") + abi::dtype_name(kv),
                   Opcode::kKvAppend,
                   abi::KvAppendParams{1, 10},
                   {u32({1}), f32({30}), f32({30}), shape(kv, {3, 6, 10}), shape(kv, {3, 6, 10})},
                   4});
  }
  out.push_back({"kv_append, one head",
                 Opcode::kKvAppend,
                 abi::KvAppendParams{0, 3},
                 {u32({1}), f32({3}), f32({3}), f32({1, 1, 3}), f32({1, 1, 3})},
                 0});
  for (const Opcode opcode : {Opcode::kResidualAdd, Opcode::kSiluMul}) {
    out.push_back({"a slice", opcode, abi::ElementwiseParams{3, 35}, {f32({41}), f32({41}), f32({41})}});
    out.push_back({"one element", opcode, abi::ElementwiseParams{0, 1}, {f32({1}), f32({1}), f32({1})}});
  }
  out.push_back({"argmax", Opcode::kArgmax, abi::ArgmaxParams{7, 50, 2}, {f32({64}), f32({4}), u32({4})}});
  out.push_back({"argmax of one", Opcode::kArgmax, abi::ArgmaxParams{0, 1, 0}, {f32({1}), f32({1}), u32({1})}});
  out.push_back(
      {"argmax combine", Opcode::kArgmaxCombine, abi::ArgmaxCombineParams{5}, {f32({5}), u32({5}), u32({1})}});
  out.push_back(
      {"argmax combine of one", Opcode::kArgmaxCombine, abi::ArgmaxCombineParams{1}, {f32({1}), u32({1}), u32({1})}});
}

}  // namespace

std::vector<Case> accepted_cases() {
  Cases out;
  for (const Dtype weight : {Dtype::kF32, Dtype::kF16, Dtype::kBf16, Dtype::kI8G64, Dtype::kI8G128, Dtype::kI8Row,
                             Dtype::kI4G64, Dtype::kI4G128, Dtype::kI4Row}) {
    add_vector_cases(out, weight);
    add_product_cases(out, weight);
    add_qkv_cases(out, weight, Dtype::kF32);
  }
  for (const Dtype kv : {Dtype::kF32, Dtype::kF16, Dtype::kBf16}) {
    if (kv != Dtype::kF32) add_qkv_cases(out, Dtype::kF32, kv);
    add_attention_cases(out, kv);
  }
  add_combine_cases(out);
  add_float_cases(out);
  return out;
}

}  // namespace amk::instructions::test
