// A machine's logits against the oracle's: every field of a verdict that is about correctness.
#pragma once

#include "base/result.h"
#include "base/thread_pool.h"
#include "eval/evaluate.h"

namespace amk::eval {

/// Sets correct, max_abs_err, tolerance, top1_agreement, compared_positions, repeatable and notes. evaluate.h says what
/// is compared; what of it was left out, or cut short, is a note. Errors are the machine's or the oracle's; the fields
/// then say what was found before.
Status check_correctness(const EvaluateRequest& request, const schedule::Program& program, Machine& machine,
                         ThreadPool& pool, Verdict& verdict);

}  // namespace amk::eval
