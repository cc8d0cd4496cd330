#include "search/trial.h"

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

}  // namespace amk::search
