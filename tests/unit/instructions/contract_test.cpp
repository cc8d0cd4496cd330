#include "instructions/contract.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "instructions/attention/attention.h"
#include "unit/instructions/cases.h"

using namespace amk;
using namespace amk::instructions;
using abi::Dtype;
using abi::Opcode;
using abi::Range;
using abi::Span;
using test::f32;
using test::shape;
using test::u32;

namespace doctest {
template <>
struct StringMaker<Range> {
  static String convert(const Range& r) {
    return (std::to_string(r.operand) + ":" + abi::kSpanNames[static_cast<int>(r.span)] + "[" +
            std::to_string(r.begin) + "," + std::to_string(r.end) + ")")
        .c_str();
  }
};
}  // namespace doctest

namespace {

constexpr Span kWhole = Span::kWhole;

std::vector<Range> ranges_of(Opcode opcode, const Params& params, const std::vector<abi::Shape>& shapes) {
  RangeList out;
  const auto problem = contract(opcode, params, shapes, out);
  REQUIRE_MESSAGE(!problem, *problem);
  return {out.ranges().begin(), out.ranges().end()};
}

void check_ranges(const std::vector<Range>& found, const std::vector<Range>& expected) {
  REQUIRE(found.size() == expected.size());
  for (size_t i = 0; i < found.size(); ++i) CHECK(found[i] == expected[i]);
}

}  // namespace

TEST_CASE("every opcode has accepted cases whose ranges are in normal form and in bounds") {
  std::set<Opcode> seen;
  for (const test::Case& task : test::accepted_cases()) {
    CAPTURE(task.name);
    seen.insert(task.opcode);
    const std::vector<Range> ranges = ranges_of(task.opcode, task.params, task.shapes);
    std::set<uint32_t> operands;
    for (size_t i = 0; i < ranges.size(); ++i) {
      const Range& range = ranges[i];
      operands.insert(range.operand);
      const abi::Shape& of = task.shapes[range.operand];
      const uint64_t bound =
          range.span == kWhole ? abi::size_bytes(of) : of.extent[0] * of.extent[2] * abi::dtype_bytes(of.dtype);
      CHECK(range.begin < range.end);
      CHECK(range.end <= bound);
      CHECK((of.rank == 3 && range.operand > 0 &&
             abi::operand(task.opcode, range.operand).kinds == abi::kinds::kKvCache) == (range.span != kWhole));
      if (i == 0) continue;
      const Range& last = ranges[i - 1];
      const bool same = last.operand == range.operand && last.span == range.span;
      CHECK(std::tuple(last.operand, last.span, last.begin) < std::tuple(range.operand, range.span, range.begin));
      CHECK((!same || last.end < range.begin));
    }
  }
  CHECK(seen.size() == abi::kOpcodeCount);
}

TEST_CASE("rows of a quantised matrix are read with their padding and their scales, and no more") {
  const abi::Shape weight = shape(Dtype::kI4G128, {20, 200});  // a row: 256 / 2 bytes and 2 scales
  check_ranges(ranges_of(Opcode::kGemv, abi::GemvParams{3, 4, 200, 128}, {weight, f32({200}), f32({20})}),
               {{0, kWhole, 3 * 132, 7 * 132}, {1, kWhole, 0, 800}, {2, kWhole, 12, 28}});
}

TEST_CASE("a cache of 16 bits is accessed by half as many bytes") {
  const abi::Shape cache = shape(Dtype::kBf16, {3, 6, 10});
  check_ranges(ranges_of(Opcode::kKvAppend, abi::KvAppendParams{1, 10}, {u32({1}), f32({30}), f32({30}), cache, cache}),
               {{0, kWhole, 0, 4},
                {1, kWhole, 40, 80},
                {2, kWhole, 40, 80},
                {3, Span::kCurrent, 20, 40},
                {4, Span::kCurrent, 20, 40}});
}

TEST_CASE("embed reads the whole table and writes its slice") {
  check_ranges(ranges_of(Opcode::kEmbed, abi::EmbedParams{8, 4}, {u32({1}), shape(Dtype::kBf16, {10, 16}), f32({16})}),
               {{0, kWhole, 0, 4}, {1, kWhole, 0, 320}, {2, kWhole, 32, 48}});
}

TEST_CASE("rms_norm reads and writes whole vectors") {
  check_ranges(ranges_of(Opcode::kRmsNorm, abi::RmsNormParams{6, 0.0F}, {f32({6}), shape(Dtype::kF16, {6}), f32({6})}),
               {{0, kWhole, 0, 24}, {1, kWhole, 0, 12}, {2, kWhole, 0, 24}});
}

TEST_CASE("a product reads its rows of the matrix in the matrix's own bytes") {
  const abi::Shape weight = shape(Dtype::kF16, {20, 8});
  const abi::GemvParams tile{3, 4, 8, 64};
  const std::vector<Range> head = {{0, kWhole, 48, 112}, {1, kWhole, 0, 32}};
  auto expected = head;
  expected.push_back({2, kWhole, 12, 28});
  check_ranges(ranges_of(Opcode::kGemv, tile, {weight, f32({8}), f32({20})}), expected);
  expected.push_back({3, kWhole, 12, 28});
  check_ranges(ranges_of(Opcode::kGemvResidual, tile, {weight, f32({8}), f32({20}), f32({20})}), expected);
  check_ranges(
      ranges_of(Opcode::kNormGemv, abi::NormGemvParams{3, 4, 8, 64, 1e-5F}, {weight, f32({8}), f32({8}), f32({20})}),
      {{0, kWhole, 48, 112}, {1, kWhole, 0, 32}, {2, kWhole, 0, 32}, {3, kWhole, 12, 28}});
  check_ranges(ranges_of(Opcode::kCombineGemvResidual, abi::CombineGemvParams{3, 4, 64, 2, 4, 5},
                         {weight, f32({2, 5, 6}), f32({20}), f32({20})}),
               {{0, kWhole, 48, 112}, {1, kWhole, 0, 240}, {2, kWhole, 12, 28}, {3, kWhole, 12, 28}});
  check_ranges(ranges_of(Opcode::kGateUpSilu, tile, {weight, f32({20, 8}), f32({8}), f32({20})}),
               {{0, kWhole, 48, 112}, {1, kWhole, 96, 224}, {2, kWhole, 0, 32}, {3, kWhole, 12, 28}});
  check_ranges(
      ranges_of(Opcode::kNormGateUpSilu, abi::NormGemvParams{3, 4, 8, 64, 0.0F},
                {weight, weight, f32({8}), f32({8}), f32({20})}),
      {{0, kWhole, 48, 112}, {1, kWhole, 48, 112}, {2, kWhole, 0, 32}, {3, kWhole, 0, 32}, {4, kWhole, 12, 28}});
}

TEST_CASE("rope and kv_append touch one head") {
  check_ranges(ranges_of(Opcode::kRope, abi::RopeParams{2, 6}, {u32({1}), f32({24}), f32({3}), f32({24})}),
               {{0, kWhole, 0, 4}, {1, kWhole, 48, 72}, {2, kWhole, 0, 12}, {3, kWhole, 48, 72}});
  check_ranges(ranges_of(Opcode::kKvAppend, abi::KvAppendParams{1, 6},
                         {u32({1}), f32({12}), f32({12}), f32({2, 100, 6}), f32({2, 100, 6})}),
               {{0, kWhole, 0, 4},
                {1, kWhole, 24, 48},
                {2, kWhole, 24, 48},
                {3, Span::kCurrent, 24, 48},
                {4, Span::kCurrent, 24, 48}});
}

namespace {
// 4 query and 2 key-value heads of 24, so 12 pairs a head: q has pairs 0 to 47, k 48 to 71, v 72 to 95. Rows of the
// bf16 matrices take 20 bytes, rows of q and of the caches 4.
std::vector<Range> qkv_ranges(uint32_t pair_begin, uint32_t pair_count) {
  const abi::Shape cache = f32({2, 50, 24});
  return ranges_of(Opcode::kQkvRopeAppend, abi::QkvParams{pair_begin, pair_count, 10, 4, 24, 4, 2},
                   {u32({1}), shape(Dtype::kBf16, {96, 10}), shape(Dtype::kBf16, {48, 10}),
                    shape(Dtype::kBf16, {48, 10}), f32({10}), f32({12}), f32({96}), cache, cache});
}
constexpr Range weight_rows(uint8_t operand, uint64_t begin, uint64_t end) {
  return {operand, kWhole, begin * 20, end * 20};
}
constexpr Range q_rows(uint64_t begin, uint64_t end) { return {6, kWhole, begin * 4, end * 4}; }
constexpr Range kPosition = {0, kWhole, 0, 4};
constexpr Range kX = {4, kWhole, 0, 40};
constexpr Range kInvFreq = {5, kWhole, 0, 48};
}  // namespace

TEST_CASE("a QKV tile within one head is its low and its high rows") {
  check_ranges(qkv_ranges(14, 3), {kPosition, weight_rows(1, 26, 29), weight_rows(1, 38, 41), kX, kInvFreq,
                                   q_rows(26, 29), q_rows(38, 41)});
}

TEST_CASE("a QKV tile of whole heads is one range") {
  check_ranges(qkv_ranges(12, 24), {kPosition, weight_rows(1, 24, 72), kX, kInvFreq, q_rows(24, 72)});
}

TEST_CASE("parts of heads join the whole heads beside them") {
  // Pairs 10 to 29: rows 10, 11, then 22 to 53 (the rest of head 0, head 1, the low rows of head 2), then 60 to 65.
  check_ranges(qkv_ranges(10, 20), {kPosition, weight_rows(1, 10, 12), weight_rows(1, 22, 54), weight_rows(1, 60, 66),
                                    kX, kInvFreq, q_rows(10, 12), q_rows(22, 54), q_rows(60, 66)});
}

TEST_CASE("a QKV tile may span query, key and value rows") {
  // Pairs 46 to 78: q 46, 47 (rows 82, 83, 94, 95); all of k; v 0 to 6 (rows 0 to 6, 12 to 18).
  check_ranges(qkv_ranges(46, 33), {kPosition,
                                    weight_rows(1, 82, 84),
                                    weight_rows(1, 94, 96),
                                    {2, kWhole, 0, 960},
                                    weight_rows(3, 0, 7),
                                    weight_rows(3, 12, 19),
                                    kX,
                                    kInvFreq,
                                    q_rows(82, 84),
                                    q_rows(94, 96),
                                    {7, Span::kCurrent, 0, 192},
                                    {8, Span::kCurrent, 0, 28},
                                    {8, Span::kCurrent, 48, 76}});
}

TEST_CASE("the tiles of a level write every row once, whatever the cut") {
  for (uint32_t tile = 1; tile <= 96; ++tile) {
    std::vector<int> q(96), k(48), v(48);
    for (uint32_t begin = 0; begin < 96; begin += tile) {
      for (const Range& r : qkv_ranges(begin, std::min(tile, 96 - begin))) {
        if (r.operand < 6) continue;
        for (uint64_t row = r.begin / 4; row < r.end / 4; ++row) ++(r.operand == 6 ? q : r.operand == 7 ? k : v)[row];
      }
    }
    CAPTURE(tile);
    CHECK(q == std::vector<int>(96, 1));
    CHECK(k == std::vector<int>(48, 1));
    CHECK(v == std::vector<int>(48, 1));
  }
}

TEST_CASE("the normalised QKV reads its norm too") {
  const abi::Shape cache = f32({1, 5, 4});
  check_ranges(ranges_of(Opcode::kNormQkvRopeAppend, abi::NormQkvParams{4, 2, 3, 4, 4, 1, 1, 1e-5F},
                         {u32({1}), f32({4, 3}), f32({4, 3}), f32({4, 3}), f32({3}), shape(Dtype::kF16, {3}), f32({2}),
                          f32({4}), cache, cache}),
               {{0, kWhole, 0, 4},
                {3, kWhole, 0, 48},
                {4, kWhole, 0, 12},
                {5, kWhole, 0, 6},
                {6, kWhole, 0, 8},
                {9, Span::kCurrent, 0, 16}});
}

TEST_CASE("attention reads the past, only its last split the current position, and writes its split of each head") {
  const abi::Shape cache = f32({2, 100, 4});
  const std::vector<abi::Shape> shapes = {u32({1}), f32({24}), cache, cache, f32({6, 2, 6})};
  check_ranges(ranges_of(Opcode::kAttention, abi::AttentionParams{1, 3, 4, 0, 2, 16, 0.5F}, shapes),
               {{0, kWhole, 0, 4},
                {1, kWhole, 48, 96},
                {2, Span::kPast, 16, 32},
                {3, Span::kPast, 16, 32},
                {4, kWhole, 144, 168},
                {4, kWhole, 192, 216},
                {4, kWhole, 240, 264}});
  check_ranges(ranges_of(Opcode::kAttention, abi::AttentionParams{0, 3, 4, 1, 2, 16, 0.5F}, shapes),
               {{0, kWhole, 0, 4},
                {1, kWhole, 0, 48},
                {2, Span::kPast, 0, 16},
                {2, Span::kCurrent, 0, 16},
                {3, Span::kPast, 0, 16},
                {3, Span::kCurrent, 0, 16},
                {4, kWhole, 24, 48},
                {4, kWhole, 72, 96},
                {4, kWhole, 120, 144}});
}

TEST_CASE("the task that joins reads the splits before its own and writes the output of its heads") {
  const abi::Shape cache = f32({2, 100, 4});
  check_ranges(ranges_of(Opcode::kAttentionCombine, abi::AttentionParams{1, 3, 4, 2, 3, 16, 0.5F},
                         {u32({1}), f32({24}), cache, cache, f32({6, 3, 6}), f32({24})}),
               {{0, kWhole, 0, 4},
                {1, kWhole, 48, 96},
                {2, Span::kPast, 16, 32},
                {2, Span::kCurrent, 16, 32},
                {3, Span::kPast, 16, 32},
                {3, Span::kCurrent, 16, 32},
                {4, kWhole, 216, 264},
                {4, kWhole, 288, 336},
                {4, kWhole, 360, 408},
                {5, kWhole, 48, 96}});
}

TEST_CASE("with one split the partials of a group are one range") {
  const abi::Shape cache = f32({2, 100, 4});
  const auto ranges = ranges_of(Opcode::kAttention, abi::AttentionParams{1, 3, 4, 0, 1, 16, 0.5F},
                                {u32({1}), f32({24}), cache, cache, f32({6, 1, 6})});
  CHECK(ranges.back() == Range{4, kWhole, 72, 144});
}

TEST_CASE("the splits cover every position once and the last one holds the current position") {
  for (const uint32_t kv_block : {1U, 3U, 16U, 256U}) {
    for (uint32_t splits = 1; splits <= 9; ++splits) {
      for (const uint32_t position : {0U, 1U, 2U, 15U, 16U, 17U, 100U, 255U, 256U, 1000U}) {
        uint64_t next = 0;
        for (uint32_t split = 0; split < splits; ++split) {
          const PositionSpan span = split_positions(position, kv_block, split, splits);
          CHECK(span.begin == next);
          CHECK(span.begin <= span.end);
          next = span.end;
        }
        CHECK(next == position + 1);
        CHECK(split_positions(position, kv_block, splits - 1, splits).begin <= position);
      }
    }
  }
}

TEST_CASE("combine, the elementwise instructions and argmax touch their slices") {
  check_ranges(ranges_of(Opcode::kCombine, abi::CombineParams{2, 4, 3}, {f32({5, 3, 6}), f32({20})}),
               {{0, kWhole, 144, 216}, {1, kWhole, 32, 48}});
  for (const Opcode opcode : {Opcode::kResidualAdd, Opcode::kSiluMul}) {
    check_ranges(ranges_of(opcode, abi::ElementwiseParams{5, 3}, {f32({9}), f32({9}), f32({9})}),
                 {{0, kWhole, 20, 32}, {1, kWhole, 20, 32}, {2, kWhole, 20, 32}});
  }
  check_ranges(ranges_of(Opcode::kArgmax, abi::ArgmaxParams{10, 20, 3}, {f32({30}), f32({4}), u32({4})}),
               {{0, kWhole, 40, 120}, {1, kWhole, 12, 16}, {2, kWhole, 12, 16}});
  check_ranges(ranges_of(Opcode::kArgmaxCombine, abi::ArgmaxCombineParams{4}, {f32({4}), u32({4}), u32({1})}),
               {{0, kWhole, 0, 16}, {1, kWhole, 0, 16}, {2, kWhole, 0, 4}});
}
