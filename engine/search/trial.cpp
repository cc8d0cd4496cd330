#include "search/trial.h"

#include "base/assert.h"
#include "search/decision.h"

namespace amk::search {

uint32_t complexity(const schedule::ScheduleConfig& config) {
  const schedule::ScheduleConfig defaults;
  uint32_t turned = 0;
#define AMK_KNOB_INT(field, ...) turned += config.field == defaults.field ? 0 : 1;
#define AMK_KNOB_AUTO_INT(field, ...) turned += config.field == defaults.field ? 0 : 1;
#define AMK_KNOB_AUTO_CHOICE(field, ...) turned += config.field == defaults.field ? 0 : 1;
#define AMK_KNOB_CHOICE(field, ...) turned += config.field == defaults.field ? 0 : 1;
#define AMK_KNOB_GROUPS(field, ...) turned += config.field == defaults.field ? 0 : 1;
#define AMK_KNOB_SMS(field, ...) turned += config.field == defaults.field ? 0 : 1;
#include "abi/knob.def"
  return turned;
}

Incumbent incumbent_after(const Incumbent& before, const Trial& kept) {
  AMK_ASSERT(kept.outcome == Outcome::kKept && kept.measurement, "a trial that was kept");
  const Measurement& of = *kept.measurement;
  return {kept.number,   kept.proposal.config, kept.schedule_id,
          of.latency_us, of.floor_us,          behind_after(before.behind_best, of.ratio)};
}

}  // namespace amk::search
