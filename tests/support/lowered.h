// Programs to test with: real lowerings of built-in and golden models.
#pragma once

#include <string>

#include "schedule/lowering.h"
#include "schedule/target.h"

namespace amk::test {

struct LoweredModel {
  model::Checkpoint checkpoint;
  schedule::ModelGraph graph;
};

/// Opens `model` with these weights, as --weights has them; a failure ends the test program with its text.
LoweredModel open_model(const std::string& model, const char* weights = "stored");

/// Lowers it for `target`; context 0 is the default. A failure ends the test program with its text.
schedule::Program lower(const LoweredModel& model, const std::string& target = "h100",
                        const schedule::ScheduleConfig& config = {}, uint32_t context = 0);

/// The default schedule without any fusion: primitive instructions only.
schedule::ScheduleConfig unfused();

}  // namespace amk::test
