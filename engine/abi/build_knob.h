// The rows of instruction_knob.def as a table. Shared with the GPU's build: no library, no allocation.
#pragma once

#include <stdint.h>

namespace amk::abi {

/// One row of instruction_knob.def.
enum class BuildKnob : uint8_t {
#define AMK_BUILD_KNOB(field, folder, name, default_value, min, max, step, unit, doc) field,
#include "abi/instruction_knob.def"
};
struct BuildKnobInfo {
  BuildKnob knob;
  const char* folder;  ///< of the instructions whose body it is in
  const char* name;
  const char* path;   ///< in a schedule
  const char* macro;  ///< in the kernel's build
  uint32_t default_value;
  uint32_t min;
  uint32_t max;
  uint32_t step;
  const char* unit;
  const char* doc;
};
inline constexpr BuildKnobInfo kBuildKnobs[] = {
#define AMK_BUILD_KNOB(field, folder, name, default_value, min, max, step, unit, doc) \
  {BuildKnob::field,                                                                  \
   #folder,                                                                           \
   #name,                                                                             \
   "instruction_knobs." #folder "." #name,                                            \
   "KNOB_" #field,                                                                    \
   default_value,                                                                     \
   min,                                                                               \
   max,                                                                               \
   step,                                                                              \
   unit,                                                                              \
   doc},
#include "abi/instruction_knob.def"
};
inline constexpr uint32_t kBuildKnobCount = sizeof(kBuildKnobs) / sizeof(kBuildKnobs[0]);

}  // namespace amk::abi
