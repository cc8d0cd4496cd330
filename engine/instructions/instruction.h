// What every instruction provides, one specialisation an opcode, declared in the instruction's own folder.
//
// contract.cpp and cpu.cpp dispatch to these by opcode.def; an opcode without one does not link.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "abi/tables.h"
#include "instructions/contract.h"
#include "instructions/cpu.h"

namespace amk::instructions {

namespace detail {
template <abi::Opcode kOpcode>
struct RecordOf;
#define AMK_OPCODE(Name, code, folder, Record, min_arch, doc) \
  template <>                                                 \
  struct RecordOf<abi::Opcode::k##Name> {                     \
    using type = abi::Record;                                 \
  };
#include "abi/opcode.def"
}  // namespace detail

/// The parameter record that an opcode takes.
template <abi::Opcode kOpcode>
using RecordOf = typename detail::RecordOf<kOpcode>::type;

/// One shape an operand, in the order of opcode.def.
using Shapes = std::span<const abi::Shape>;
/// What is wrong, or nothing.
using Problem = std::optional<std::string>;

/// Index of the operand called `name`; a name that opcode.def does not give the opcode does not compile.
template <abi::Opcode kOpcode>
consteval uint8_t operand_index(std::string_view name) {
  for (uint32_t i = 0; i < abi::operand_count(kOpcode); ++i) {
    if (name == abi::operand(kOpcode, i).name) return static_cast<uint8_t>(i);
  }
  throw "opcode.def has no such operand";
}

/// contract() of one opcode: checks, then appends every range in normal form.
template <abi::Opcode kOpcode>
[[nodiscard]] Problem contract_of(const RecordOf<kOpcode>& params, Shapes shapes, RangeList& out);

/// run_cpu() of one opcode; contract_of() has accepted `params` with the operands' shapes.
template <abi::Opcode kOpcode>
void run_cpu_of(const RecordOf<kOpcode>& params, std::span<const CpuOperand> operands, CpuWorkspace& workspace);

}  // namespace amk::instructions
