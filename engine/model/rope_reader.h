// The rotary keys of a config.json, in the forms of transformers 4 and 5, reduced to a RopeConfig.
#pragma once

#include "base/result.h"
#include "model/json_reader.h"
#include "model/model_config.h"

namespace amk::model {

/// Reads `rope_theta`, `rope_scaling` and `rope_parameters`. What is said twice must agree (kBadInput); a rope type or
/// parameter that is not modelled is kUnsupported.
Result<RopeConfig> read_rope_config(JsonObject& config);

}  // namespace amk::model
