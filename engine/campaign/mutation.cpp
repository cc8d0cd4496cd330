#include "campaign/mutation.h"

#include "base/assert.h"
#include "campaign/edits.h"

namespace amk::campaign {
namespace {

using schedule::Program;
using schedule::Task;

bool is_kv(const Program& program, const Task& task, const abi::Range& range) {
  return program.buffer(task.operands[range.operand]).kind == abi::BufferKind::kKvCache;
}

/// How many sites of a kind a task has, and which of its records they are.
void add_sites_of_task(const Program& program, uint32_t index, SiteKind kind, std::vector<Site>& out) {
  const Task& task = program.tasks[index];
  instructions::Params params = task.params;
  switch (kind) {
    case SiteKind::kTasks:
      return out.push_back({index, 0});
    case SiteKind::kWaits:
      for (uint32_t i = 0; i < task.waits.size(); ++i) out.push_back({index, i});
      return;
    case SiteKind::kRanges:
      for (uint32_t i = 0; i < task.ranges.size(); ++i) out.push_back({index, i});
      return;
    case SiteKind::kKvRanges:
      for (uint32_t i = 0; i < task.ranges.size(); ++i) {
        if (is_kv(program, task, task.ranges[i])) out.push_back({index, i});
      }
      return;
    case SiteKind::kKvTasks:
      if (kv_head_of(params) != nullptr) out.push_back({index, 0});
      return;
    case SiteKind::kAttentions:
      if (std::holds_alternative<abi::AttentionParams>(params)) out.push_back({index, 0});
      return;
    case SiteKind::kTiles:
      if (tile_of(params)) out.push_back({index, 0});
      return;
    default:
      return;
  }
}

void add_rows(size_t count, std::vector<Site>& out) {
  for (uint32_t i = 0; i < count; ++i) out.push_back({i, 0});
}

void add_page_places(const Program& program, std::vector<Site>& out) {
  for (uint32_t page = 0; page < program.pages.size(); ++page) {
    const uint64_t room = program.scratch_bytes - program.pages[page].size;
    for (uint32_t place = 0; place * schedule::kPageAlignment <= room; ++place) out.push_back({page, place});
  }
}

}  // namespace

std::vector<Site> sites(const Program& program, SiteKind kind) {
  std::vector<Site> out;
  switch (kind) {
    case SiteKind::kNeighbours:
      for (uint32_t queue = 0; queue < program.placement.queues.size(); ++queue) {
        for (uint32_t i = 1; i < program.placement.queues[queue].size(); ++i) out.push_back({queue, i});
      }
      return out;
    case SiteKind::kCounters:
      add_rows(program.counters.size(), out);
      return out;
    case SiteKind::kPages:
      add_rows(program.pages.size(), out);
      return out;
    case SiteKind::kPagePlaces:
      add_page_places(program, out);
      return out;
    case SiteKind::kBuffers:
      add_rows(program.buffers.size(), out);
      return out;
    case SiteKind::kOnce:
      add_rows(1, out);
      return out;
    case SiteKind::kExcesses:
      add_rows(kExcessCount, out);
      return out;
    case SiteKind::kUnits:
      add_rows(kLaterUnitCount, out);
      return out;
    case SiteKind::kKnobs:
      add_rows(kIllegalKnobCount, out);
      return out;
    case SiteKind::kTargets:
      add_rows(kWrongTargetCount, out);
      return out;
    case SiteKind::kTasks:
    case SiteKind::kWaits:
    case SiteKind::kRanges:
    case SiteKind::kKvRanges:
    case SiteKind::kKvTasks:
    case SiteKind::kAttentions:
    case SiteKind::kTiles:
      for (uint32_t i = 0; i < program.tasks.size(); ++i) add_sites_of_task(program, i, kind, out);
      return out;
  }
  return out;
}

Known mutate(Program& program, Mutation mutation, Site site, Random& random) {
  const Edit edit{program, site, random};
  Known known = Known::kEither;
  switch (mutation) {
#define AMK_MUTATION(Name, text, sites, how, doc) \
  case Mutation::k##Name:                         \
    known = apply_##Name(edit);                   \
    break;
#include "campaign/mutation.def"
  }
  const Known promised = info(mutation).known;
  AMK_ASSERT(known != Known::kEither && (promised == Known::kEither || promised == known),
             "an edit decides as mutation.def says");
  return known;
}

}  // namespace amk::campaign
