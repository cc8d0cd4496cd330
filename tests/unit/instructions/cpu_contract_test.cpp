// Bodies are held to their contracts: what is not declared as read may hold anything, what is not declared as written
// stays.
#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "instructions/contract.h"
#include "unit/instructions/bound_task.h"

using namespace amk;
using namespace amk::instructions;
using test::BoundTask;
using test::Case;

namespace {

/// For each operand, guards included, which bytes the contract declares with `access`.
std::vector<std::vector<bool>> declared(const Case& task, BoundTask& bound, abi::Access access) {
  std::vector<std::vector<bool>> out;
  for (size_t operand = 0; operand < bound.operand_count(); ++operand) {
    out.emplace_back(bound.buffer(operand).size(), false);
  }
  RangeList ranges;
  REQUIRE(!contract(task.opcode, task.params, task.shapes, ranges));
  for (const abi::Range& range : ranges.ranges()) {
    if (abi::operand(task.opcode, range.operand).access != access) continue;
    const abi::Shape& shape = task.shapes[range.operand];
    const uint64_t row = shape.extent[2] * abi::dtype_bytes(shape.dtype);
    const uint64_t first = range.span == abi::Span::kCurrent ? task.position : 0;
    const uint64_t last = range.span == abi::Span::kPast ? task.position : first + 1;
    for (uint64_t position = first; position < last; ++position) {
      for (uint64_t byte = range.begin; byte < range.end; ++byte) {
        const uint64_t at =
            range.span == abi::Span::kWhole ? byte : (byte / row * shape.extent[1] + position) * row + byte % row;
        out[range.operand][BoundTask::kGuard + at] = true;
      }
    }
  }
  return out;
}

/// Fills every byte that is not in `keep`.
void spoil(BoundTask& bound, const std::vector<std::vector<bool>>& keep, std::byte garbage) {
  for (size_t operand = 0; operand < bound.operand_count(); ++operand) {
    std::vector<std::byte>& bytes = bound.buffer(operand);
    for (size_t i = 0; i < bytes.size(); ++i) {
      if (!keep[operand][i]) bytes[i] = garbage;
    }
  }
}

CpuWorkspace dirty_workspace(float garbage) {
  return {std::vector<float>(5000, garbage), std::vector<float>(5000, garbage)};
}

}  // namespace

TEST_CASE("no body depends on a byte that its contract does not declare as read") {
  for (const Case& task : test::accepted_cases()) {
    CAPTURE(task.name);
    BoundTask with_nan(task, 7), with_other(task, 7);
    const auto read = declared(task, with_nan, abi::Access::kRead);
    const auto written = declared(task, with_nan, abi::Access::kWrite);
    spoil(with_nan, read, std::byte{0xff});
    spoil(with_other, read, std::byte{0x3d});
    CpuWorkspace nan_workspace = dirty_workspace(std::numeric_limits<float>::quiet_NaN());
    CpuWorkspace other_workspace = dirty_workspace(3.0F);
    with_nan.run(nan_workspace);
    with_other.run(other_workspace);
    bool equal = true, finite = true;
    for (size_t operand = 0; operand < with_nan.operand_count(); ++operand) {
      for (size_t i = 0; i < written[operand].size(); ++i) {
        if (written[operand][i]) equal &= with_nan.buffer(operand)[i] == with_other.buffer(operand)[i];
      }
      if (abi::operand(task.opcode, static_cast<uint32_t>(operand)).access == abi::Access::kRead) continue;
      if (task.shapes[operand].dtype == abi::Dtype::kU32) continue;
      const size_t element = abi::dtype_bytes(task.shapes[operand].dtype);
      for (size_t i = 0; i < abi::element_count(task.shapes[operand]); ++i) {
        if (written[operand][BoundTask::kGuard + element * i]) finite &= !std::isnan(with_nan.at(operand, i));
      }
    }
    CHECK(equal);
    CHECK(finite);
  }
}

TEST_CASE("no body changes a byte that its contract does not declare as written, and each writes all it declares") {
  for (const Case& task : test::accepted_cases()) {
    CAPTURE(task.name);
    BoundTask first(task, 3), second(task, 3);
    const auto read = declared(task, first, abi::Access::kRead);
    const auto written = declared(task, first, abi::Access::kWrite);
    spoil(first, read, std::byte{0x11});
    spoil(second, read, std::byte{0x77});
    std::vector<std::vector<std::byte>> before;
    for (size_t operand = 0; operand < first.operand_count(); ++operand) before.push_back(first.buffer(operand));
    CpuWorkspace workspace;
    first.run(workspace);
    second.run(workspace);
    bool kept = true, covered = true;
    for (size_t operand = 0; operand < first.operand_count(); ++operand) {
      for (size_t i = 0; i < before[operand].size(); ++i) {
        if (!written[operand][i]) kept &= first.buffer(operand)[i] == before[operand][i];
        // Two runs over different garbage agree only where both have written.
        if (written[operand][i]) covered &= first.buffer(operand)[i] == second.buffer(operand)[i];
      }
    }
    CHECK(kept);
    CHECK(covered);
  }
}

TEST_CASE("a NaN that is read reaches every output that depends on it") {
  for (const Case& task : test::accepted_cases()) {
    if (task.opcode == abi::Opcode::kArgmax || task.opcode == abi::Opcode::kArgmaxCombine) continue;
    for (uint32_t operand = 0; operand < abi::operand_count(task.opcode); ++operand) {
      const abi::OperandInfo& info = abi::operand(task.opcode, operand);
      if (info.access != abi::Access::kRead || info.kinds != abi::kinds::kActivation) continue;
      CAPTURE(task.name);
      CAPTURE(info.name);
      BoundTask bound(task, 5);
      const auto read = declared(task, bound, abi::Access::kRead);
      const auto written = declared(task, bound, abi::Access::kWrite);
      for (size_t i = 0; i < read[operand].size(); ++i) {
        if (read[operand][i]) bound.buffer(operand)[i] = std::byte{0xff};
      }
      CpuWorkspace workspace;
      bound.run(workspace);
      bool any = false;
      bool all = true;
      for (uint32_t out = 0; out < abi::operand_count(task.opcode); ++out) {
        for (size_t i = 0; i < abi::element_count(task.shapes[out]); ++i) {
          const size_t at = BoundTask::kGuard + abi::dtype_bytes(task.shapes[out].dtype) * i;
          if (at >= written[out].size() || !written[out][at]) continue;
          any |= std::isnan(bound.at(out, i));
          all &= std::isnan(bound.at(out, i));
        }
      }
      // A split without positions, and a cache that takes the other vector, need not depend on this operand.
      const bool some = task.opcode == abi::Opcode::kAttention || task.opcode == abi::Opcode::kKvAppend;
      CHECK((some ? any || task.name.starts_with("attention split 0 of 4") : all));
    }
  }
}
