#include "instructions/contract.h"

#include <variant>

#include "instructions/argmax/argmax.h"
#include "instructions/attention/attention.h"
#include "instructions/combine/combine.h"
#include "instructions/embed/embed.h"
#include "instructions/gate_up/gate_up.h"
#include "instructions/gemv/gemv.h"
#include "instructions/kv_append/kv_append.h"
#include "instructions/qkv/qkv.h"
#include "instructions/residual_add/residual_add.h"
#include "instructions/rms_norm/rms_norm.h"
#include "instructions/rope/rope.h"
#include "instructions/silu_mul/silu_mul.h"

namespace amk::instructions {

std::optional<std::string> contract(abi::Opcode opcode, const Params& params, std::span<const abi::Shape> shapes,
                                    RangeList& out) {
  AMK_ASSERT(params_match(opcode, params), "the caller has checked the parameters' record");
  AMK_ASSERT(shapes.size() == abi::operand_count(opcode), "the caller has checked the number of operands");
  switch (opcode) {
#define AMK_OPCODE(Name, code, folder, Record, min_arch, doc) \
  case abi::Opcode::k##Name:                                  \
    return contract_of<abi::Opcode::k##Name>(*std::get_if<abi::Record>(&params), shapes, out);
#include "abi/opcode.def"
  }
  return "expected an opcode of opcode.def";
}

}  // namespace amk::instructions
