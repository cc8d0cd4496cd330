// The validator: the only maker of a ValidatedProgram, and so the only way to a launch.
//
// It proves, for exactly the program that will run, the rules of abi/rule.def: well-formed, in bounds and covered,
// progress, no hazard, launchable. It collects every finding, never throws, never hangs, and has no size above which
// it looks less closely. Cost is linear in tasks and ranges: ordering is answered by per-SM vector clocks.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "abi/tables.h"
#include "base/ids.h"
#include "schedule/program.h"

namespace amk::validator {

/// One broken rule, with everything an agent needs to mend it. Fields that do not apply are empty or invalid.
struct Finding {
  abi::Rule rule = abi::Rule::kReference;
  std::vector<TaskId> tasks;  ///< the task at fault first
  BufferId buffer;
  uint64_t begin = 0;  ///< bytes of `buffer`
  uint64_t end = 0;
  std::string message;  ///< expected and actual
  std::string mend;     ///< what would mend this very one; empty where the rule's own words say all

  [[nodiscard]] const char* id() const { return abi::info(rule).id; }
  /// What would mend it, in any case.
  [[nodiscard]] std::string_view mend_words() const {
    return mend.empty() ? std::string_view(abi::info(rule).mend) : std::string_view(mend);
  }
};

/// "rule.id: task 3 'l0.o[0:8]', task 7 '...', buffer 5 'x0' bytes [0, 512): expected ..., found ...; mend: ...". A
/// task without a label is named by its instruction: "task 3 (Gemv)".
[[nodiscard]] std::string describe(const Finding& finding, const schedule::Program& program);

enum class Outcome : uint8_t {
  kAccepted,
  kRejected,  ///< a rule is broken
  kUnproven,  ///< no rule was found broken, but a check could not be completed
};
[[nodiscard]] const char* outcome_name(Outcome outcome);

struct Validation;

/// A program that was accepted. Immutable and cheap to copy; both VMs take nothing else.
class ValidatedProgram {
 public:
  [[nodiscard]] const schedule::Program& program() const { return *program_; }
  [[nodiscard]] const schedule::Program* operator->() const { return program_.get(); }

 private:
  friend Validation validate(schedule::Program program);
  explicit ValidatedProgram(std::shared_ptr<const schedule::Program> program) : program_(std::move(program)) {}
  std::shared_ptr<const schedule::Program> program_;
};

struct Validation {
  Outcome outcome = Outcome::kUnproven;
  std::vector<Finding> findings;
  std::shared_ptr<const schedule::Program> program;  ///< what was looked at, for describe()
  std::optional<ValidatedProgram> validated;         ///< present exactly when accepted
};

/// Takes the program over, so that what was validated cannot change before it runs.
[[nodiscard]] Validation validate(schedule::Program program);

/// What tests change about the rules, to show what each is good for. Only validate() makes a ValidatedProgram, and it
/// has none of this.
struct TestHooks {
  std::optional<abi::Rule> switched_off = std::nullopt;  ///< findings of this rule are dropped
  uint32_t instruction_arch_min = 0;                     ///< every instruction asks for at least this architecture
};

/// Checks programs one after another without allocating anew for each: for campaigns of millions.
class Validator {
 public:
  explicit Validator(const TestHooks& hooks = {});
  ~Validator();
  Validator(Validator&&) noexcept;
  Validator& operator=(Validator&&) noexcept;

  /// Findings of `program`; outcome() then says what they amount to.
  const std::vector<Finding>& check(const schedule::Program& program);
  [[nodiscard]] Outcome outcome() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace amk::validator
