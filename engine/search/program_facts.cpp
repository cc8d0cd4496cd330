#include "search/program_facts.h"

#include <algorithm>

namespace amk::search {

ProgramFacts facts_of(const schedule::Program& program, const schedule::Prediction& prediction) {
  ProgramFacts out;
  out.predicted_us = prediction.latency_us;
  out.stream_us = prediction.stream_us;
  out.wait_us = prediction.wait_us;
  out.floor_us = prediction.floor_us;
  out.levels = prediction.levels;
  out.tasks = static_cast<uint32_t>(program.tasks.size());
  out.attention_tasks = static_cast<uint32_t>(std::ranges::count_if(program.tasks, [](const schedule::Task& task) {
    return std::holds_alternative<abi::AttentionParams>(task.params);
  }));
  out.stages = program.launch.stages;
  out.stage_bytes = program.launch.stage_bytes;
  out.smem_bytes = program.launch.smem_bytes;
  out.copies_in_flight = program.launch.copies_in_flight;
  out.stream_backend = program.launch.stream_backend;
  out.products = program.launch.products;
  return out;
}

ModelShape shape_of(const model::ModelConfig& config) {
  return {config.hidden_size,   config.layer_count, config.q_head_count,
          config.kv_head_count, config.head_dim,    config.intermediate_size,
          config.vocab_size,    config.tied_head,   abi::dtype_name(config.dtype)};
}

}  // namespace amk::search
