// Whatever the text, reading it as a schedule ends in a ScheduleConfig or an Error; a schedule that is read has only
// legal knobs, survives being written and read, and lowers to a program that the validator accepts or to an Error.
//
// The first byte chooses the target, the rest is the text.
#include <cstdint>

#include "base/assert.h"
#include "schedule/lowering.h"
#include "schedule/schedule_config_json.h"
#include "validator/validator.h"

namespace {

using namespace amk;

constexpr uint32_t kContext = 32;

const schedule::ModelGraph& graph() {
  static const schedule::ModelGraph made = [] {
    Result<model::Checkpoint> checkpoint = model::Checkpoint::open("toy");
    AMK_ASSERT(checkpoint.ok(), "the built-in model opens");
    return schedule::build_graph(*checkpoint);
  }();
  return made;
}

void check_lowering(const schedule::ScheduleConfig& config, const abi::TargetInfo& target) {
  const Result<schedule::Program> program = schedule::lower({&graph(), &target, config, kContext});
  if (!program) {
    AMK_ASSERT(program.error().code != ErrorCode::kInternal,
               "what cannot be lowered is refused: " + program.error().text());
    return;
  }
  validator::Validator validator;
  for (const validator::Finding& finding : validator.check(*program)) {
    AMK_ASSERT(false, "a lowered program is accepted: " + validator::describe(finding, *program));
  }
  AMK_ASSERT(validator.outcome() == validator::Outcome::kAccepted, "a lowered program is proven");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Result<schedule::ScheduleConfig> config = schedule::config_from_json(text, "input");
  if (!config) return 0;
  AMK_ASSERT(schedule::check_knobs(*config).empty(), "a schedule that is read has only legal knobs");
  const Result<schedule::ScheduleConfig> again = schedule::config_from_json(schedule::config_to_json(*config), "again");
  AMK_ASSERT(again.ok() && *again == *config, "a schedule is read back unchanged");
  check_lowering(*config, abi::kTargets[data[0] % abi::kTargetCount]);
  return 0;
}
