// What the rule families share while one program is checked: the program, the findings, and what earlier families
// established. Families run in the order of validator.cpp; each relies only on what stands above it here.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "abi/tables.h"
#include "instructions/contract.h"
#include "schedule/program.h"
#include "validator/hazard_tables.h"
#include "validator/validator.h"

namespace amk::validator {

/// Reused from program to program: nothing in it is allocated anew once it has grown.
struct Workspace {
  // Established by well_formed: later families look only at what is sound.
  std::vector<uint8_t> buffer_sound;      ///< shape and kind make sense
  std::vector<uint8_t> task_sound;        ///< operands, parameters and ranges make sense
  std::vector<uint64_t> buffer_size;      ///< bytes; of a KV cache, the row image of one position
  instructions::RangeList contract;       ///< of the task that is looked at
  std::vector<uint32_t> first_attention;  ///< by buffer: the first attention task that has it as its partials
  const abi::TargetInfo* target = nullptr;
  bool within_limits = false;  ///< of the IR: sizes can be summed and tables allocated

  // Established by placement.
  bool placed = false;             ///< every task stands in exactly one queue
  std::vector<uint32_t> sm_of;     ///< by task
  std::vector<uint32_t> place_of;  ///< by task: index in its queue

  // Established by progress.
  std::vector<uint32_t> producers;  ///< by counter: how many tasks increment it
  std::vector<uint32_t> waiters;    ///< by counter: how many waits name it
  std::vector<uint32_t> order;      ///< task ids, topological; shorter than the tasks when some never run

  // The walk's own tables (progress.cpp).
  std::vector<uint32_t> producers_left;  ///< by counter: producers that have not finished
  std::vector<uint32_t> next_place;      ///< by SM: place of its head
  std::vector<uint32_t> ready;           ///< SMs to look at
  std::vector<uint32_t> first_blocked;   ///< by counter: an SM whose head waits for it
  std::vector<uint32_t> next_blocked;    ///< by SM: another one that waits for the same

  // Established by pages.
  std::vector<uint64_t> page_offset;  ///< by buffer; kNoPage for what has none
  std::vector<uint32_t> pages_of;     ///< by buffer: how many
  std::vector<uint32_t> first_use;    ///< by buffer: lowest task id that names it with a range; UINT32_MAX for none
  std::vector<uint32_t> last_use;     ///< by buffer: highest

  HazardTables hazards;

  /// Some check would have taken too much time or memory and was left out: the program is at best unproven.
  bool incomplete = false;
};

inline constexpr uint64_t kNoPage = UINT64_MAX;

/// Limits of the IR: ids stay far from the end of 32 bits, and all sizes summed stay within 63.
inline constexpr uint64_t kTasksMax = 1ULL << 24;
inline constexpr uint64_t kBuffersMax = 1ULL << 20;
inline constexpr uint64_t kSmsMax = 4096;
inline constexpr uint64_t kBufferBytesMax = 1ULL << 42;

struct Context {
  const schedule::Program& program;
  std::vector<Finding>& findings;
  Workspace& work;
  const TestHooks& hooks;

  /// The finding, for what would mend it; valid until the next one.
  Finding& report(abi::Rule rule, std::vector<TaskId> tasks, std::string message) {
    return report(rule, std::move(tasks), {}, 0, 0, std::move(message));
  }
  Finding& report(abi::Rule rule, std::vector<TaskId> tasks, BufferId buffer, uint64_t begin, uint64_t end,
                  std::string message) {
    return findings.emplace_back(Finding{rule, std::move(tasks), buffer, begin, end, std::move(message), {}});
  }
};

// One family, or a part of one, a file.
void check_program(Context& context);    // well_formed_program.cpp: target, knobs, buffers
void check_tasks(Context& context);      // well_formed_tasks.cpp: references, operands, parameters, ranges
void check_placement(Context& context);  // progress.cpp
void check_progress(Context& context);   // progress.cpp
void check_pages(Context& context);      // pages.cpp
void check_hazards(Context& context);    // hazards.cpp: coverage and hazards, needs a complete order
void check_launch(Context& context);     // launch.cpp
void gather_findings(Context& context);  // gather.cpp: at the end

}  // namespace amk::validator
