#include "support/lowered.h"

namespace amk::test {

LoweredModel open_model(const std::string& model, const char* weights) {
  model::OpenOptions options;
  options.weights = model::parse_weight_format(weights).value();
  Result<model::Checkpoint> checkpoint = model::Checkpoint::open(model, options);
  AMK_ASSERT(checkpoint.ok(), checkpoint.error().text());
  schedule::ModelGraph graph = schedule::build_graph(*checkpoint);
  return {std::move(checkpoint).value(), std::move(graph)};
}

schedule::Program lower(const LoweredModel& model, const std::string& target, const schedule::ScheduleConfig& config,
                        uint32_t context) {
  const Result<const abi::TargetInfo*> gpu = schedule::find_target(target);
  AMK_ASSERT(gpu.ok(), gpu.error().text());
  Result<schedule::Program> program = schedule::lower(
      {&model.graph, *gpu, config, context == 0 ? schedule::default_context(model.graph.config) : context});
  AMK_ASSERT(program.ok(), program.error().text());
  return std::move(program).value();
}

schedule::ScheduleConfig unfused() {
  schedule::ScheduleConfig config;
  config.fusion_grouping.clear();
  return config;
}

}  // namespace amk::test
