#include "instructions/cpu.h"

#include <variant>

#include "base/assert.h"
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

void run_cpu(abi::Opcode opcode, const Params& params, std::span<const CpuOperand> operands, CpuWorkspace& workspace) {
  AMK_ASSERT(params_match(opcode, params), "a task that runs has been validated");
  switch (opcode) {
#define AMK_OPCODE(Name, code, folder, Record, min_arch, doc) \
  case abi::Opcode::k##Name:                                  \
    return run_cpu_of<abi::Opcode::k##Name>(*std::get_if<abi::Record>(&params), operands, workspace);
#include "abi/opcode.def"
  }
}

}  // namespace amk::instructions
