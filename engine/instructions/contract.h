// What each instruction reads and writes, as a function of its parameters and its operands' shapes.
//
// This is the one source of access ranges: lowering declares what a contract says, the validator compares what a
// program declares with it, and the CPU and device bodies may touch nothing else. One function an instruction, in the
// instruction's own folder; the dispatch is made from opcode.def.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include "abi/tables.h"
#include "base/assert.h"
#include "instructions/params.h"

namespace amk::instructions {

/// Ranges in normal form: by operand, then by span, then by begin; adjacent ranges of one operand and span are joined.
/// Fixed capacity, so that checking a program allocates nothing.
class RangeList {
 public:
  /// Attention writes one range for each query head of its group, and has the most (attention/attention.h).
  static constexpr size_t kCapacity = 136;

  /// Appends [begin, end) of `operand`; an empty range is left out, one that continues the last is joined to it.
  void add(uint8_t operand, uint64_t begin, uint64_t end, abi::Span span = abi::Span::kWhole) {
    if (begin == end) return;
    if (size_ > 0) {
      abi::Range& last = ranges_[size_ - 1];
      if (last.operand == operand && last.span == span && last.end == begin) {
        last.end = end;
        return;
      }
    }
    AMK_ASSERT(size_ < kCapacity, "an instruction with more ranges than RangeList holds");
    ranges_[size_++] = {operand, span, begin, end};
  }
  void clear() { size_ = 0; }
  [[nodiscard]] std::span<const abi::Range> ranges() const { return {ranges_.data(), size_}; }

 private:
  std::array<abi::Range, kCapacity> ranges_;
  size_t size_ = 0;
};

/// Appends to `out` the ranges that a task touches. `shapes` has one entry an operand, in the order of opcode.def; the
/// caller has checked their dtypes and ranks against that table, and that their sizes do not overflow. Returns what
/// is wrong when the parameters do not fit the shapes or each other; `out` is then unspecified.
[[nodiscard]] std::optional<std::string> contract(abi::Opcode opcode, const Params& params,
                                                  std::span<const abi::Shape> shapes, RangeList& out);

}  // namespace amk::instructions
