// What a trial remembers of its program and of its model, so that others can learn from it without either.
#pragma once

#include "model/checkpoint.h"
#include "schedule/cost_model.h"
#include "search/trial.h"

namespace amk::search {

/// Of a lowered program and its prediction. The program need not be validated.
[[nodiscard]] ProgramFacts facts_of(const schedule::Program& program, const schedule::Prediction& prediction);

[[nodiscard]] ModelShape shape_of(const model::ModelConfig& config);

}  // namespace amk::search
