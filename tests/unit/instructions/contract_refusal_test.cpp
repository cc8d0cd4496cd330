#include <doctest/doctest.h>

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "instructions/contract.h"
#include "unit/instructions/cases.h"

using namespace amk;
using namespace amk::instructions;
using abi::Opcode;
using test::f32;
using test::u32;

namespace {

/// What contract() says to a task with one thing changed.
template <typename Record>
struct Refusals {
  Opcode opcode = Opcode::kEmbed;
  Record params;
  std::vector<abi::Shape> shapes;

  std::string message(const std::function<void(Record&, std::vector<abi::Shape>&)>& change) const {
    Record changed = params;
    std::vector<abi::Shape> changed_shapes = shapes;
    change(changed, changed_shapes);
    RangeList out;
    return contract(opcode, changed, changed_shapes, out).value_or("accepted");
  }
};

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

}  // namespace

TEST_CASE("embed refuses slices and shapes that do not fit") {
  const Refusals<abi::EmbedParams> of{Opcode::kEmbed, {8, 8}, {u32({1}), f32({10, 16}), f32({16})}};
  CHECK(of.message([](auto&, auto&) {}) == "accepted");
  CHECK(of.message([](auto& p, auto&) { p.col_count = 0; }) == "expected col_count of at least 1, found 0");
  CHECK(of.message([](auto& p, auto&) { p.col_count = 9; }) ==
        "expected col_begin + col_count at most 16 (columns of table), found 8 + 9");
  CHECK(of.message([](auto& p, auto&) { p.col_begin = UINT32_MAX; }) ==
        "expected col_begin + col_count at most 16 (columns of table), found 4294967295 + 8");
  CHECK(of.message([](auto&, auto& s) { s[0] = u32({2}); }) ==
        "expected length of token to be 1 (one token a pass), found 2");
  CHECK(of.message([](auto&, auto& s) { s[2] = f32({17}); }) ==
        "expected length of y to be 16 (columns of table), found 17");
}

TEST_CASE("rms_norm refuses lengths that differ and an eps that is no small number") {
  const Refusals<abi::RmsNormParams> of{Opcode::kRmsNorm, {6, 1e-5F}, {f32({6}), f32({6}), f32({6})}};
  CHECK(of.message([](auto& p, auto&) { p.size = 0; }) == "expected size of at least 1, found 0");
  CHECK(of.message([](auto& p, auto&) { p.size = 5; }) == "expected size to be 6 (length of x), found 5");
  CHECK(of.message([](auto&, auto& s) { s[1] = f32({7}); }) ==
        "expected length of norm to be 6 (length of x), found 7");
  CHECK(of.message([](auto&, auto& s) { s[2] = f32({5}); }) == "expected length of y to be 6 (length of x), found 5");
  CHECK(of.message([](auto& p, auto&) { p.eps = kNan; }) == "expected a finite eps of at least 0, found nan");
  CHECK(of.message([](auto& p, auto&) { p.eps = kInfinity; }) == "expected a finite eps of at least 0, found inf");
  CHECK(of.message([](auto& p, auto&) { p.eps = -1.0F; }) == "expected a finite eps of at least 0, found -1");
}

TEST_CASE("products refuse tiles, reductions and vectors that do not fit the matrix") {
  const Refusals<abi::GemvParams> of{Opcode::kGemv, {3, 4, 8, 64}, {f32({20, 8}), f32({8}), f32({20})}};
  CHECK(of.message([](auto& p, auto&) { p.row_count = 0; }) == "expected row_count of at least 1, found 0");
  CHECK(of.message([](auto& p, auto&) { p.row_begin = 17; }) ==
        "expected row_begin + row_count at most 20 (rows of weight), found 17 + 4");
  CHECK(of.message([](auto& p, auto&) { p.row_count = UINT32_MAX; }) ==
        "expected row_begin + row_count at most 20 (rows of weight), found 3 + 4294967295");
  CHECK(of.message([](auto& p, auto&) { p.k = 0; }) == "expected k of at least 1, found 0");
  CHECK(of.message([](auto& p, auto&) { p.k = 7; }) == "expected k to be 8 (columns of weight), found 7");
  CHECK(of.message([](auto& p, auto&) { p.k_chunk = 0; }) == "expected k_chunk of at least 1, found 0");
  CHECK(of.message([](auto&, auto& s) { s[1] = f32({9}); }) == "expected length of x to be 8 (k), found 9");
  CHECK(of.message([](auto&, auto& s) { s[2] = f32({19}); }) ==
        "expected length of y to be 20 (rows of weight), found 19");

  const auto quantised = [](auto& p, auto& s) {
    s[0].dtype = abi::Dtype::kI4G64;
    p.k_chunk = 192;
  };
  CHECK(of.message(quantised) ==
        "expected k_chunk to be a multiple of 128 (columns packed together of a quantised matrix), found 192");
  CHECK(of.message([](auto& p, auto& s) {
    s[0].dtype = abi::Dtype::kI4G64;
    p.k_chunk = 256;
  }) == "accepted");

  const Refusals<abi::GemvParams> residual{
      Opcode::kGemvResidual, {3, 4, 8, 64}, {f32({20, 8}), f32({8}), f32({20}), f32({20})}};
  CHECK(residual.message([](auto&, auto& s) { s[2] = f32({21}); }) ==
        "expected length of residual to be 20 (rows of weight), found 21");

  const Refusals<abi::NormGemvParams> norm{
      Opcode::kNormGemv, {3, 4, 8, 64, 1e-5F}, {f32({20, 8}), f32({8}), f32({8}), f32({20})}};
  CHECK(norm.message([](auto&, auto& s) { s[2] = f32({9}); }) == "expected length of norm to be 8 (k), found 9");
  CHECK(norm.message([](auto& p, auto&) { p.eps = kNan; }) == "expected a finite eps of at least 0, found nan");
}

TEST_CASE("the combining product refuses heads and splits that are not those of the partials") {
  const Refusals<abi::CombineGemvParams> of{
      Opcode::kCombineGemvResidual, {0, 4, 64, 2, 4, 5}, {f32({20, 8}), f32({2, 5, 6}), f32({20}), f32({20})}};
  CHECK(of.message([](auto&, auto&) {}) == "accepted");
  CHECK(of.message([](auto& p, auto&) { p.q_heads = 3; }) ==
        "expected q_heads x head_dim to be 8 (columns of weight), found 12");
  CHECK(of.message([](auto& p, auto&) { p.q_heads = 0; }) == "expected q_heads of at least 1, found 0");
  CHECK(of.message([](auto& p, auto&) { p.head_dim = 0; }) == "expected head_dim of at least 1, found 0");
  CHECK(of.message([](auto& p, auto&) { p.splits = 0; }) == "expected splits of at least 1, found 0");
  CHECK(of.message([](auto& p, auto&) { p.splits = 4; }) ==
        "expected splits to be 5 (second extent of partials), found 4");
  CHECK(of.message([](auto&, auto& s) {
    s[1] = f32({4, 5, 6});
  }) == "expected q_heads to be 4 (first extent of partials), found 2");
  CHECK(of.message([](auto&, auto& s) {
    s[1] = f32({2, 5, 5});
  }) == "expected head_dim + 2 to be 5 (third extent of partials), found 6");
  CHECK(of.message([](auto&, auto& s) { s[2] = f32({8}); }) ==
        "expected length of residual to be 20 (rows of weight), found 8");
}

TEST_CASE("rope refuses heads that are not in the vector and odd heads") {
  const Refusals<abi::RopeParams> of{Opcode::kRope, {1, 6}, {u32({1}), f32({12}), f32({3}), f32({12})}};
  CHECK(of.message([](auto&, auto&) {}) == "accepted");
  CHECK(of.message([](auto& p, auto&) { p.head = 2; }) == "expected head below 2 (heads of x), found 2");
  CHECK(of.message([](auto& p, auto&) { p.head_dim = 0; }) == "expected head_dim of at least 1, found 0");
  CHECK(of.message([](auto& p, auto&) { p.head_dim = 3; }) ==
        "expected head_dim to be a multiple of 2 (a rotary pair), found 3");
  CHECK(of.message([](auto& p, auto&) { p.head_dim = 8; }) ==
        "expected length of x to be a multiple of 8 (head_dim), found 12");
  CHECK(of.message([](auto& p, auto&) { p.head_dim = 4; }) ==
        "expected length of inv_freq to be 2 (head_dim / 2), found 3");
  CHECK(of.message([](auto&, auto& s) { s[3] = f32({18}); }) ==
        "expected length of y to be 12 (length of x), found 18");
  CHECK(of.message([](auto&, auto& s) { s[0] = u32({2}); }) ==
        "expected length of position to be 1 (one position a pass), found 2");
}

TEST_CASE("kv_append refuses heads and vectors that are not the caches'") {
  const Refusals<abi::KvAppendParams> of{
      Opcode::kKvAppend, {1, 6}, {u32({1}), f32({12}), f32({12}), f32({2, 9, 6}), f32({2, 9, 6})}};
  CHECK(of.message([](auto&, auto&) {}) == "accepted");
  CHECK(of.message([](auto& p, auto&) { p.kv_head = 2; }) == "expected kv_head below 2 (heads of k_cache), found 2");
  CHECK(of.message([](auto& p, auto&) { p.head_dim = 5; }) ==
        "expected head_dim to be 6 (third extent of k_cache), found 5");
  CHECK(of.message([](auto&, auto& s) {
    s[4] = f32({2, 8, 6});
  }) == "expected v_cache to be f32 [2, 9, 6] (k_cache), found f32 [2, 8, 6]");
  CHECK(of.message([](auto&, auto& s) { s[1] = f32({13}); }) ==
        "expected length of k to be 12 (heads x head_dim of k_cache), found 13");
  CHECK(of.message([](auto&, auto& s) { s[2] = f32({11}); }) ==
        "expected length of v to be 12 (heads x head_dim of v_cache), found 11");
  CHECK(of.message([](auto&, auto& s) { s[0] = u32({3}); }) ==
        "expected length of position to be 1 (one position a pass), found 3");
}

TEST_CASE("QKV refuses heads, pairs and matrices that do not agree") {
  const abi::Shape cache = f32({2, 50, 24});
  const Refusals<abi::NormQkvParams> of{Opcode::kNormQkvRopeAppend,
                                        {90, 6, 10, 4, 24, 4, 2, 1e-5F},
                                        {u32({1}), f32({96, 10}), f32({48, 10}), f32({48, 10}), f32({10}), f32({10}),
                                         f32({12}), f32({96}), cache, cache}};
  CHECK(of.message([](auto&, auto&) {}) == "accepted");
  CHECK(of.message([](auto& p, auto&) { p.pair_count = 7; }) ==
        "expected pair_begin + pair_count at most 96 (pairs of q, k and v), found 90 + 7");
  CHECK(of.message([](auto& p, auto&) { p.pair_begin = UINT32_MAX; }) ==
        "expected pair_begin + pair_count at most 96 (pairs of q, k and v), found 4294967295 + 6");
  CHECK(of.message([](auto& p, auto&) { p.pair_count = 0; }) == "expected pair_count of at least 1, found 0");
  CHECK(of.message([](auto& p, auto&) { p.k = 9; }) == "expected k to be 10 (columns of q_weight), found 9");
  CHECK(of.message([](auto& p, auto&) { p.k_chunk = 0; }) == "expected k_chunk of at least 1, found 0");
  CHECK(of.message([](auto& p, auto&) { p.head_dim = 0; }) == "expected head_dim of at least 1, found 0");
  CHECK(of.message([](auto& p, auto&) { p.head_dim = 25; }) ==
        "expected head_dim to be a multiple of 2 (a rotary pair), found 25");
  CHECK(of.message([](auto& p, auto&) { p.q_heads = 5; }) ==
        "expected q_heads to be a multiple of 2 (kv_heads), found 5");
  CHECK(of.message([](auto& p, auto&) { p.q_heads = 6; }) ==
        "expected rows of q_weight to be 144 (q_heads x head_dim), found 96");
  CHECK(of.message([](auto& p, auto&) { p.q_heads = 0; }) == "expected q_heads of at least 1, found 0");
  CHECK(of.message([](auto& p, auto&) { p.kv_heads = 0; }) == "expected kv_heads of at least 1, found 0");
  CHECK(of.message([](auto& p, auto&) { p.kv_heads = 4; }) == "expected kv_heads to be 2 (heads of k_cache), found 4");
  CHECK(of.message([](auto& p, auto&) { p.eps = kNan; }) == "expected a finite eps of at least 0, found nan");
  CHECK(of.message([](auto&, auto& s) {
    s[2] = f32({47, 10});
  }) == "expected rows of k_weight to be 48 (kv_heads x head_dim), found 47");
  CHECK(of.message([](auto&, auto& s) {
    s[3] = f32({47, 10});
  }) == "expected rows of v_weight to be 48 (kv_heads x head_dim), found 47");
  CHECK(of.message([](auto&, auto& s) {
    s[2] = f32({48, 11});
  }) == "expected k to be 11 (columns of k_weight), found 10");
  CHECK(of.message([](auto&, auto& s) {
    s[3] = f32({48, 11});
  }) == "expected k to be 11 (columns of v_weight), found 10");
  CHECK(of.message([](auto&, auto& s) { s[4] = f32({11}); }) == "expected length of x to be 10 (k), found 11");
  CHECK(of.message([](auto&, auto& s) { s[5] = f32({11}); }) == "expected length of norm to be 10 (k), found 11");
  CHECK(of.message([](auto&, auto& s) { s[6] = f32({11}); }) ==
        "expected length of inv_freq to be 12 (head_dim / 2), found 11");
  CHECK(of.message([](auto&, auto& s) { s[7] = f32({95}); }) ==
        "expected length of q to be 96 (q_heads x head_dim), found 95");
  CHECK(of.message([](auto&, auto& s) {
    s[9] = f32({2, 49, 24});
  }) == "expected v_cache to be f32 [2, 50, 24] (k_cache), found f32 [2, 49, 24]");
  CHECK(of.message([](auto&, auto& s) {
    s[8] = s[9] = f32({2, 50, 23});
  }) == "expected head_dim to be 23 (third extent of k_cache), found 24");
  CHECK(of.message([](auto&, auto& s) { s[0] = u32({2}); }) ==
        "expected length of position to be 1 (one position a pass), found 2");
}

TEST_CASE("attention that joins refuses any split but the last, and to be the only one") {
  const abi::Shape cache = f32({2, 100, 4});
  const Refusals<abi::AttentionParams> of{Opcode::kAttentionCombine,
                                          {1, 3, 4, 1, 2, 16, 0.5F},
                                          {u32({1}), f32({24}), cache, cache, f32({6, 2, 6}), f32({24})}};
  CHECK(of.message([](auto&, auto&) {}) == "accepted");
  CHECK(of.message([](auto& p, auto& s) {
    p.splits = 3;
    s[4] = f32({6, 3, 6});
  }) == "expected split to be 2 (the last of the splits), found 1");
  CHECK(of.message([](auto& p, auto& s) {
    p.split = 0, p.splits = 1;
    s[4] = f32({6, 1, 6});
  }) == "expected splits before the last of at least 1, found 0");
  CHECK(of.message([](auto&, auto& s) { s[5] = f32({23}); }) ==
        "expected length of y to be 24 (heads of k_cache x group x head_dim), found 23");
}

TEST_CASE("attention refuses groups, splits and scales that do not fit") {
  const abi::Shape cache = f32({2, 100, 4});
  const Refusals<abi::AttentionParams> of{
      Opcode::kAttention, {1, 3, 4, 1, 2, 16, 0.5F}, {u32({1}), f32({24}), cache, cache, f32({6, 2, 6})}};
  CHECK(of.message([](auto&, auto&) {}) == "accepted");
  CHECK(of.message([](auto& p, auto&) { p.kv_head = 2; }) == "expected kv_head below 2 (heads of k_cache), found 2");
  CHECK(of.message([](auto& p, auto&) { p.group = 0; }) == "expected group of at least 1, found 0");
  CHECK(of.message([](auto& p, auto&) { p.group = 2; }) ==
        "expected length of q to be 16 (heads of k_cache x group x head_dim), found 24");
  CHECK(of.message([](auto& p, auto&) { p.group = UINT32_MAX; }) ==
        "expected group at most 128 (query heads an attention task may have), found 4294967295");
  CHECK(of.message([](auto& p, auto&) { p.head_dim = 5; }) ==
        "expected head_dim to be 4 (third extent of k_cache), found 5");
  CHECK(of.message([](auto& p, auto&) { p.split = 2; }) == "expected split below 2 (splits), found 2");
  CHECK(of.message([](auto& p, auto&) { p.splits = 0; }) == "expected splits of at least 1, found 0");
  CHECK(of.message([](auto& p, auto&) { p.splits = 3; }) ==
        "expected splits to be 2 (second extent of partials), found 3");
  CHECK(of.message([](auto& p, auto&) { p.kv_block = 0; }) == "expected kv_block of at least 1, found 0");
  CHECK(of.message([](auto& p, auto&) { p.scale = 0.0F; }) == "expected a finite scale above 0, found 0");
  CHECK(of.message([](auto& p, auto&) { p.scale = kNan; }) == "expected a finite scale above 0, found nan");
  CHECK(of.message([](auto&, auto& s) {
    s[3] = f32({2, 99, 4});
  }) == "expected v_cache to be f32 [2, 100, 4] (k_cache), found f32 [2, 99, 4]");
  CHECK(of.message([](auto&, auto& s) {
    s[4] = f32({5, 2, 6});
  }) == "expected first extent of partials to be 6 (heads of k_cache x group), found 5");
  CHECK(of.message([](auto&, auto& s) {
    s[4] = f32({6, 2, 5});
  }) == "expected head_dim + 2 to be 5 (third extent of partials), found 6");
  CHECK(of.message([](auto&, auto& s) { s[0] = u32({2}); }) ==
        "expected length of position to be 1 (one position a pass), found 2");
}

TEST_CASE("gate_up refuses two matrices that differ") {
  const Refusals<abi::NormGemvParams> of{
      Opcode::kNormGateUpSilu, {3, 4, 8, 64, 0.0F}, {f32({20, 8}), f32({20, 8}), f32({8}), f32({8}), f32({20})}};
  CHECK(of.message([](auto&, auto&) {}) == "accepted");
  CHECK(of.message([](auto& p, auto&) { p.row_begin = 17; }) ==
        "expected row_begin + row_count at most 20 (rows of gate_weight), found 17 + 4");
  CHECK(of.message([](auto&, auto& s) {
    s[1] = f32({21, 8});
  }) == "expected rows of up_weight to be 20 (rows of gate_weight), found 21");
  CHECK(of.message([](auto&, auto& s) {
    s[1] = f32({20, 9});
  }) == "expected k to be 9 (columns of up_weight), found 8");
  CHECK(of.message([](auto& p, auto&) { p.k = 9; }) == "expected k to be 8 (columns of gate_weight), found 9");
  CHECK(of.message([](auto& p, auto&) { p.k_chunk = 0; }) == "expected k_chunk of at least 1, found 0");
  CHECK(of.message([](auto&, auto& s) { s[2] = f32({9}); }) == "expected length of x to be 8 (k), found 9");
  CHECK(of.message([](auto&, auto& s) { s[3] = f32({9}); }) == "expected length of norm to be 8 (k), found 9");
  CHECK(of.message([](auto&, auto& s) { s[4] = f32({9}); }) ==
        "expected length of y to be 20 (rows of gate_weight), found 9");
}

TEST_CASE("combine, the elementwise instructions and argmax refuse slices outside their vectors") {
  const Refusals<abi::CombineParams> combine{Opcode::kCombine, {4, 4, 3}, {f32({5, 3, 6}), f32({20})}};
  CHECK(combine.message([](auto&, auto&) {}) == "accepted");
  CHECK(combine.message([](auto& p, auto&) { p.head = 5; }) ==
        "expected head below 5 (first extent of partials), found 5");
  CHECK(combine.message([](auto& p, auto&) { p.splits = 2; }) ==
        "expected splits to be 3 (second extent of partials), found 2");
  CHECK(combine.message([](auto& p, auto&) { p.head_dim = UINT32_MAX; }) ==
        "expected head_dim + 2 to be 6 (third extent of partials), found 4294967297");
  CHECK(combine.message([](auto&, auto& s) { s[1] = f32({16}); }) ==
        "expected length of y to be 20 (first extent of partials x head_dim), found 16");
  for (const Opcode opcode : {Opcode::kResidualAdd, Opcode::kSiluMul}) {
    const Refusals<abi::ElementwiseParams> of{opcode, {5, 4}, {f32({9}), f32({9}), f32({9})}};
    CHECK(of.message([](auto& p, auto&) { p.count = 5; }) ==
          "expected begin + count at most 9 (length of y), found 5 + 5");
    CHECK(of.message([](auto& p, auto&) { p.count = 0; }) == "expected count of at least 1, found 0");
    for (const size_t operand : {0U, 1U}) {
      const std::string name = abi::operand(opcode, static_cast<uint32_t>(operand)).name;
      CHECK(of.message([&](auto&, auto& s) { s[operand] = f32({10}); }) ==
            "expected length of " + name + " to be 9 (length of y), found 10");
    }
  }
  const Refusals<abi::ArgmaxParams> argmax{Opcode::kArgmax, {10, 20, 3}, {f32({30}), f32({4}), u32({4})}};
  CHECK(argmax.message([](auto& p, auto&) { p.count = 21; }) ==
        "expected begin + count at most 30 (length of logits), found 10 + 21");
  CHECK(argmax.message([](auto& p, auto&) { p.slot = 4; }) == "expected slot below 4 (length of value), found 4");
  CHECK(argmax.message([](auto&, auto& s) { s[2] = u32({5}); }) ==
        "expected length of index to be 4 (length of value), found 5");
  const Refusals<abi::ArgmaxCombineParams> join{Opcode::kArgmaxCombine, {4}, {f32({4}), u32({4}), u32({1})}};
  CHECK(join.message([](auto& p, auto&) { p.count = 0; }) == "expected count of at least 1, found 0");
  CHECK(join.message([](auto& p, auto&) { p.count = 3; }) == "expected count to be 4 (length of value), found 3");
  CHECK(join.message([](auto&, auto& s) { s[1] = u32({3}); }) == "expected length of index to be 4 (count), found 3");
  CHECK(join.message([](auto&, auto& s) { s[2] = u32({2}); }) ==
        "expected length of token to be 1 (one token a pass), found 2");
}
