#include "validator/validator.h"

#include <fmt/format.h>

#include <new>
#include <stdexcept>

#include "validator/context.h"

namespace amk::validator {
namespace {

/// All families, in the order in which each may rely on the ones before.
void check_all(Context& context) {
  context.work.incomplete = false;
  check_program(context);
  if (!context.work.within_limits) return;
  check_tasks(context);
  check_placement(context);
  check_progress(context);
  check_pages(context);
  check_launch(context);
  // Coverage and hazards are questions about an order: where there is none, that has been reported, and asking further
  // would only repeat it in other words.
  const bool ordered = context.work.placed && context.work.order.size() == context.program.tasks.size();
  if (ordered) check_hazards(context);
}

std::string task_words(const schedule::Task& task) {
  const auto opcode = static_cast<uint32_t>(task.opcode);
  if (!task.label.empty() || opcode >= abi::kOpcodeCount) return fmt::format("'{}'", task.label);
  return fmt::format("({})", abi::kOpcodes[opcode].name);
}

}  // namespace

struct Validator::Impl {
  Workspace work;
  std::vector<Finding> findings;
  Outcome outcome = Outcome::kUnproven;
  TestHooks hooks;
};

Validator::Validator(const TestHooks& hooks) : impl_(std::make_unique<Impl>()) { impl_->hooks = hooks; }
Validator::~Validator() = default;
Validator::Validator(Validator&&) noexcept = default;
Validator& Validator::operator=(Validator&&) noexcept = default;

const std::vector<Finding>& Validator::check(const schedule::Program& program) {
  impl_->findings.clear();
  impl_->outcome = Outcome::kUnproven;
  try {
    Context context{program, impl_->findings, impl_->work, impl_->hooks};
    check_all(context);
    gather_findings(context);
    if (const auto off = impl_->hooks.switched_off)
      std::erase_if(impl_->findings, [&](auto& f) { return f.rule == *off; });
    const Outcome unbroken = impl_->work.incomplete ? Outcome::kUnproven : Outcome::kAccepted;
    impl_->outcome = impl_->findings.empty() ? unbroken : Outcome::kRejected;
  } catch (const std::bad_alloc&) {
    // Memory ran out before everything was looked at. What was found stands; what was not looked at is not proven.
    impl_->outcome = impl_->findings.empty() ? Outcome::kUnproven : Outcome::kRejected;
  } catch (const std::length_error&) {
    impl_->outcome = impl_->findings.empty() ? Outcome::kUnproven : Outcome::kRejected;
  }
  return impl_->findings;
}

Outcome Validator::outcome() const { return impl_->outcome; }

Validation validate(schedule::Program program) {
  Validation out;
  out.program = std::make_shared<const schedule::Program>(std::move(program));
  Validator validator;
  out.findings = validator.check(*out.program);
  out.outcome = validator.outcome();
  if (out.outcome == Outcome::kAccepted) out.validated = ValidatedProgram(out.program);
  return out;
}

const char* outcome_name(Outcome outcome) {
  switch (outcome) {
    case Outcome::kAccepted:
      return "accepted";
    case Outcome::kRejected:
      return "rejected";
    case Outcome::kUnproven:
      return "unproven";
  }
  return "unproven";
}

std::string describe(const Finding& finding, const schedule::Program& program) {
  std::string where;
  for (const TaskId task : finding.tasks) {
    where += fmt::format("{}task {} {}", where.empty() ? "" : ", ", task.index(), task_words(program.task(task)));
  }
  if (finding.buffer.valid() && finding.buffer.index() < program.buffers.size()) {
    where += fmt::format("{}buffer {} '{}'", where.empty() ? "" : ", ", finding.buffer.index(),
                         program.buffer(finding.buffer).name);
    if (finding.end > finding.begin) where += fmt::format(" bytes [{}, {})", finding.begin, finding.end);
  }
  return fmt::format("{}: {}{}{}; mend: {}", finding.id(), where, where.empty() ? "" : ": ", finding.message,
                     finding.mend_words());
}

}  // namespace amk::validator
