// Pages: every activation has one, it is large enough, inside the scratch memory, and says truly when it is alive.
#include <fmt/format.h>

#include <algorithm>

#include "base/checked.h"
#include "validator/context.h"

namespace amk::validator {
namespace {

using abi::Rule;
using schedule::kPageAlignment;
using schedule::Page;

void find_uses(Context& context) {
  Workspace& work = context.work;
  work.first_use.assign(context.program.buffers.size(), UINT32_MAX);
  work.last_use.assign(context.program.buffers.size(), UINT32_MAX);
  for (uint32_t i = 0; i < context.program.tasks.size(); ++i) {
    const schedule::Task& task = context.program.tasks[i];
    if (work.task_sound[i] == 0) continue;
    for (const abi::Range& range : task.ranges) {
      const uint32_t buffer = task.operands[range.operand].index();
      if (work.first_use[buffer] == UINT32_MAX) work.first_use[buffer] = i;
      work.last_use[buffer] = i;
    }
  }
}

void check_place(Context& context, const Page& page) {
  const uint64_t size = context.work.buffer_size[page.buffer.index()];
  const uint64_t scratch = context.program.scratch_bytes;
  const bool aligned = page.offset % kPageAlignment == 0 && page.size % kPageAlignment == 0;
  const bool inside = page.size <= scratch && page.offset <= scratch - page.size;
  if (aligned && inside && page.size >= size) {
    context.work.page_offset[page.buffer.index()] = page.offset;
    return;
  }
  context.report(Rule::kPageBounds, {}, page.buffer, 0, size,
                 fmt::format("expected multiples of {}, at least {} bytes, inside [0, {}), found offset {} and size {}",
                             kPageAlignment, size, scratch, page.offset, page.size));
}

void check_life(Context& context, const Page& page) {
  const uint32_t first = context.work.first_use[page.buffer.index()];
  const uint32_t last = context.work.last_use[page.buffer.index()];
  if (page.first.index() == first && page.last.index() == last) return;
  if (first == UINT32_MAX) {
    context
        .report(Rule::kPageLive, {}, page.buffer, 0, 0,
                "expected an activation that some task uses, found none that does")
        .mend = "remove the buffer and its page";
    return;
  }
  context
      .report(Rule::kPageLive, {TaskId(first), TaskId(last)}, page.buffer, 0, 0,
              fmt::format("expected it alive from task {} to {}, found from {} to {}", first, last,
                          static_cast<int32_t>(page.first.index()), static_cast<int32_t>(page.last.index())))
      .mend = fmt::format("set first to {} and last to {}", first, last);
}

}  // namespace

void check_pages(Context& context) {
  const schedule::Program& program = context.program;
  Workspace& work = context.work;
  work.page_offset.assign(program.buffers.size(), kNoPage);
  // A task that was not understood may be the first or last user of anything.
  const bool uses_known =
      std::all_of(work.task_sound.begin(), work.task_sound.end(), [](uint8_t sound) { return sound != 0; });
  find_uses(context);
  std::vector<uint32_t>& pages_of = work.pages_of;
  pages_of.assign(program.buffers.size(), 0);
  for (const Page& page : program.pages) {
    if (page.buffer.index() >= program.buffers.size()) {
      context.report(Rule::kReference, {},
                     fmt::format("page: expected a buffer below {}, found {}", program.buffers.size(),
                                 static_cast<int32_t>(page.buffer.index())));
      continue;
    }
    ++pages_of[page.buffer.index()];
    if (work.buffer_sound[page.buffer.index()] == 0) continue;
    if (program.buffer(page.buffer).kind != abi::BufferKind::kActivation) continue;  // refused below, as a whole
    check_place(context, page);
    if (uses_known) check_life(context, page);
  }
  for (uint32_t i = 0; i < program.buffers.size(); ++i) {
    if (work.buffer_sound[i] == 0) continue;  // what it is has been questioned already
    const uint32_t expected = program.buffers[i].kind == abi::BufferKind::kActivation ? 1 : 0;
    if (pages_of[i] == expected) continue;
    work.page_offset[i] = kNoPage;
    context
        .report(Rule::kPageMissing, {}, BufferId(i), 0, 0,
                fmt::format("expected {} for a buffer of kind {}, found {}", expected == 1 ? "one page" : "no page",
                            abi::kBufferKindNames[static_cast<size_t>(program.buffers[i].kind)], pages_of[i]))
        .mend = pages_of[i] > expected ? "take the surplus page away" : "give it a page";
  }
}

}  // namespace amk::validator
