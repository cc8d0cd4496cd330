// The keys of a config.json that the import does not read, sorted by what they may say.
//
// Owns the two lists of known keys: those that cannot change the model's output, and those that are harmless at some
// values only. A key on neither list, and not read by model_config.cpp, is refused.
#pragma once

#include "base/result.h"
#include "model/json_reader.h"

namespace amk::model {

/// Refuses by name (kUnsupported) every key that nobody read and that is not known to be harmless at its value. To be
/// called last, when all that is modelled has been read.
Status refuse_unmodelled_keys(JsonObject& config);

}  // namespace amk::model
