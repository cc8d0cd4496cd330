// Tasks that the contracts accept, over all opcodes, dtypes and awkward sizes, for the tests of this folder.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "abi/tables.h"
#include "instructions/params.h"

namespace amk::instructions::test {

struct Case {
  std::string name;
  abi::Opcode opcode;
  Params params;
  std::vector<abi::Shape> shapes;  ///< one an operand
  uint32_t position = 0;           ///< where the opcode has that operand
};

inline abi::Shape shape(abi::Dtype dtype, std::initializer_list<uint64_t> extents) {
  abi::Shape out;
  out.dtype = dtype;
  for (const uint64_t extent : extents) out.extent[out.rank++] = extent;
  return out;
}
inline abi::Shape f32(std::initializer_list<uint64_t> extents) { return shape(abi::Dtype::kF32, extents); }
inline abi::Shape u32(std::initializer_list<uint64_t> extents) { return shape(abi::Dtype::kU32, extents); }

/// At least two cases an opcode; every float dtype wherever an operand may be a weight or a cache,
/// and every quantised one wherever it may be a matrix.
std::vector<Case> accepted_cases();

}  // namespace amk::instructions::test
