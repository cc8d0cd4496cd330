// Every interleaving of a program, run under the memory model of docs/ir-spec.md: what the validator is measured
// against.
//
// Written from that document alone, and shares no code with the validator. Where the validator reasons about an order,
// this runs: a step is the start or the finish of a task; a task that starts sees the tasks whose finish it was made to
// wait for, by queue or by counter, and what they had seen; it may touch no byte that a task it does not see has
// touched, if one of the two writes. States that were reached before are not gone through twice. Nothing is sampled.
//
// A reduction leaves out orders that cannot matter. A step is taken at once, and no other in its place, when it
// commutes with every step that is or will be possible:
//
//   the start of a task whose counters have all their producers: what it sees is settled, and a start adds to no
//   counter. Each two tasks that may not touch the same bytes are found by whichever starts second.
//   the finish of a task whose counter everyone waits for as a whole: whoever waits sees it, early or late.
//
// So a program whose waits all join has one interleaving left, and only waits for part of a counter's producers branch.
// tests/unit/explorer compares the two ways of running.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "explorer/defect.h"
#include "schedule/program.h"

namespace amk::explorer {

enum class Truth : uint8_t {
  kSafe,
  kUnsafe,    ///< some interleaving goes wrong, or the form leaves nothing to run
  kUnlawful,  ///< no interleaving was found to go wrong, but the IR forbids the program: a wait that is no join
  kUnknown,   ///< more states than it was allowed
};
[[nodiscard]] const char* truth_name(Truth truth);

struct ExploreOptions {
  bool reduce = true;              ///< leave out orders that cannot matter
  bool every_flaw = false;         ///< go on after the first flaw, to the first of each kind
  uint64_t states_max = 1U << 20;  ///< branching states remembered before it gives up
};

struct Exploration {
  Truth truth = Truth::kUnknown;
  std::vector<Defect> defects;  ///< at most one of a kind, in the order of discovery
  uint64_t steps = 0;           ///< starts and finishes run
  uint64_t states = 0;          ///< at which there was more than one way on
};

/// Explores programs one after another without allocating anew for each.
class Explorer {
 public:
  Explorer();
  ~Explorer();
  Explorer(Explorer&&) noexcept;
  Explorer& operator=(Explorer&&) noexcept;

  const Exploration& explore(const schedule::Program& program, const ExploreOptions& options = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace amk::explorer
