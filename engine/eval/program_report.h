// A program in human words: levels, tasks by instruction, bytes an SM, the critical path.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "abi/tables.h"
#include "eval/verdict.h"
#include "schedule/cost_model.h"
#include "schedule/program.h"

namespace amk::eval {

struct InstructionCount {
  std::string name;
  uint64_t tasks = 0;
  uint64_t weight_bytes = 0;
  uint64_t flops = 0;
};

/// Tasks that can run side by side: those whose longest chain of counter edges has the same length.
struct Level {
  uint32_t tasks = 0;
  uint32_t sms = 0;  ///< that have at least one of them
  uint64_t weight_bytes = 0;
  std::string example;  ///< label of its first task
};

struct ProgramSummary {
  std::vector<InstructionCount> instructions;  ///< most weight bytes first
  std::vector<Level> levels;
  schedule::Prediction prediction;
  uint64_t counters = 0;
  uint64_t waits = 0;
  uint64_t buffers = 0;
  uint64_t scratch_bytes = 0;
  uint64_t kv_bytes = 0;
  uint64_t sm_bytes_min = 0;
  uint64_t sm_bytes_max = 0;
};

/// By task: how many counter edges the longest chain that ends in it has. Of a program the validator accepts.
[[nodiscard]] std::vector<uint32_t> task_levels(const schedule::Program& program);

/// Of a program the validator accepts, for the pass at `position`.
[[nodiscard]] ProgramSummary summarize(const schedule::Program& program, const abi::TargetInfo& target,
                                       uint32_t position);

/// The bundle's report.md: verdict, program and schedule in Markdown.
[[nodiscard]] std::string report_markdown(const Verdict& verdict, const schedule::Program& program,
                                          const ProgramSummary& summary);

}  // namespace amk::eval
