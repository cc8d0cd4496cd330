// One edit of a sound program, at one place: mutants for the validator to be measured with.
//
// An edit either leaves the program such that the explorer can decide what it is, or knows by how it is made that the
// IR forbids what came out; mutation.def says which. Edits are made in place.
#pragma once

#include <cstdint>
#include <vector>

#include "base/random.h"
#include "schedule/program.h"

namespace amk::campaign {

enum class Mutation : uint8_t {
#define AMK_MUTATION(Name, text, sites, known, doc) k##Name,
#include "campaign/mutation.def"
};

/// What a mutation can be made at: the records of a site's `first`, and within it `second`.
enum class SiteKind : uint8_t {
  kTasks,
  kWaits,       ///< task, its wait
  kRanges,      ///< task, its range
  kKvRanges,    ///< task, its range of a KV cache
  kKvTasks,     ///< task with a parameter kv_head
  kAttentions,  ///< task with a parameter kv_block
  kTiles,       ///< task whose parameters say where a tile begins and how long it is
  kNeighbours,  ///< queue, place of the second of two tasks
  kCounters,
  kPages,
  kPagePlaces,  ///< page, multiple of its alignment in the scratch memory at which it could lie
  kBuffers,
  kExcesses,  ///< way of asking for more than there may be
  kUnits,     ///< unit that only later targets have
  kKnobs,     ///< knob
  kOnce,      ///< one site
  kTargets,   ///< way of having a wrong one
};

/// How it is known whether a mutant is unsafe.
enum class Known : uint8_t { kExplored, kForbidden, kEither };

struct MutationInfo {
  const char* name;
  SiteKind sites;
  Known known;
  const char* doc;
};
inline constexpr MutationInfo kMutations[] = {
#define AMK_MUTATION(Name, text, sites, known, doc) {text, SiteKind::k##sites, Known::k##known, doc},
#include "campaign/mutation.def"
};
inline constexpr uint32_t kMutationCount = sizeof(kMutations) / sizeof(kMutations[0]);
constexpr const MutationInfo& info(Mutation mutation) { return kMutations[static_cast<uint32_t>(mutation)]; }

struct Site {
  uint32_t first = 0;
  uint32_t second = 0;

  bool operator==(const Site&) const = default;
};

/// Every place of `program` where a mutation of that kind can be made, in program order.
[[nodiscard]] std::vector<Site> sites(const schedule::Program& program, SiteKind kind);

/// Makes the edit at `site`, one of sites(program, info(mutation).sites). What it leaves open is drawn from `random`.
/// kExplored: the explorer can say what the program is now. kForbidden: the IR forbids it. Never kEither. The program
/// must be one whose declared ranges are what its instructions do.
Known mutate(schedule::Program& program, Mutation mutation, Site site, Random& random);

}  // namespace amk::campaign
