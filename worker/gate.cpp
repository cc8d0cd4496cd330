#include "worker/gate.h"

#include <algorithm>
#include <cstring>

#include "base/random.h"
#include "eval/oracle.h"

namespace amk::worker {
namespace {

using eval::LogitRows;
using vm::cuda::CudaVm;

Result<LogitRows> run_machine(CudaVm& machine, const std::vector<uint32_t>& tokens) {
  LogitRows rows;
  AMK_TRY(machine.reset());
  for (const uint32_t token : tokens) {
    AMK_TRY(machine.step(token));
    AMK_ASSIGN_OR_RETURN(rows.emplace_back(), machine.logits());
  }
  return rows;
}

Result<LogitRows> ask_oracle(const Subject& subject, const std::vector<uint32_t>& tokens) {
  AMK_ASSIGN_OR_RETURN(eval::Oracle oracle,
                       eval::Oracle::create(subject.checkpoint, subject.program.program().meta.context, subject.pool));
  LogitRows rows;
  const auto count = static_cast<uint32_t>(tokens.size());
  for (uint32_t i = 0; i < count; ++i) {
    subject.on_stage({eval::Stage::kOracle, i, i, count});
    AMK_ASSIGN_OR_RETURN(rows.emplace_back(), oracle.forward(std::span(&tokens[i], 1)));
  }
  return rows;
}

}  // namespace

std::vector<uint32_t> random_tokens(uint32_t vocab, uint32_t count, uint64_t seed) {
  Random random(seed);
  std::vector<uint32_t> tokens;
  for (uint32_t i = 0; i < count; ++i) tokens.push_back(static_cast<uint32_t>(random.below(vocab)));
  return tokens;
}

Result<GateResult> check_against_oracle(CudaVm& machine, const Subject& subject, uint32_t count, uint64_t seed) {
  const model::ModelConfig& config = subject.checkpoint.config();
  const schedule::Program& program = subject.program.program();
  GateResult out;
  out.tokens = random_tokens(config.vocab_size, std::min(count, program.meta.context), seed);
  AMK_ASSIGN_OR_RETURN(out.logits, run_machine(machine, out.tokens));
  AMK_ASSIGN_OR_RETURN(const LogitRows again, run_machine(machine, out.tokens));
  out.repeatable = true;
  for (size_t i = 0; i < again.size(); ++i) {
    out.repeatable = out.repeatable && std::memcmp(again[i].data(), out.logits[i].data(), again[i].size() * 4) == 0;
  }
  AMK_ASSIGN_OR_RETURN(const LogitRows expected, ask_oracle(subject, out.tokens));
  out.agreement = eval::compare_logits(expected, out.logits,
                                       eval::megakernel_tolerance(program, config, eval::largest_magnitude(expected)));
  return out;
}

}  // namespace amk::worker
