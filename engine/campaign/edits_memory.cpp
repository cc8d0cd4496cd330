// Edits of tiles, ranges, pages and KV caches.
#include <algorithm>

#include "campaign/edits.h"

namespace amk::campaign {
namespace {

using schedule::kPageAlignment;
using schedule::Page;
using schedule::Program;
using schedule::Task;

/// Declares what the task does with its new parameters. Where they do not fit its operands, the IR forbids them.
Known with_new_parameters(const Edit& edit) {
  if (!derive_ranges(edit.program, edit.task())) return Known::kForbidden;
  refresh_lives(edit.program);
  return Known::kExplored;
}

}  // namespace

// ---- tiles ----------------------------------------------------------------------------------------------------------

Known apply_OverlappingTile(const Edit& edit) {
  const Tile tile = *tile_of(edit.task().params);
  ++*tile.count;
  if (*tile.begin > 0 && edit.coin()) --*tile.begin;
  return with_new_parameters(edit);
}

Known apply_ShortTile(const Edit& edit) {
  const Tile tile = *tile_of(edit.task().params);
  --*tile.count;
  if (edit.coin()) ++*tile.begin;
  return with_new_parameters(edit);
}

Known apply_ShiftedTile(const Edit& edit) {
  const Tile tile = *tile_of(edit.task().params);
  *tile.begin += *tile.begin > 0 && edit.coin() ? ~0U : 1U;
  return with_new_parameters(edit);
}

// ---- ranges ---------------------------------------------------------------------------------------------------------

Known apply_MovedRange(const Edit& edit) {
  uint64_t& bound = edit.coin() ? edit.range().begin : edit.range().end;
  bound += edit.coin() ? 4 : ~uint64_t{3};
  return Known::kForbidden;
}

Known apply_MissingRange(const Edit& edit) {
  edit.task().ranges.erase(edit.task().ranges.begin() + edit.site.second);
  refresh_lives(edit.program);  // so that no page tells
  return Known::kForbidden;
}

Known apply_ExtraRange(const Edit& edit) {
  const abi::Range range = edit.range();
  edit.task().ranges.insert(edit.task().ranges.begin() + edit.site.second, range);
  return Known::kForbidden;
}

Known apply_KvOutOfBounds(const Edit& edit) {
  const schedule::Buffer& cache = edit.program.buffer(edit.task().operands[edit.range().operand]);
  edit.range().end = cache.shape.extent[0] * cache.shape.extent[2] * abi::dtype_bytes(cache.shape.dtype) + 4;
  return Known::kForbidden;
}

Known apply_KvSpan(const Edit& edit) {
  abi::Span& span = edit.range().span;
  span = span == abi::Span::kPast ? abi::Span::kCurrent : abi::Span::kPast;
  return Known::kForbidden;
}

Known apply_KvHead(const Edit& edit) {
  for (const BufferId operand : edit.task().operands) {
    const schedule::Buffer& buffer = edit.program.buffer(operand);
    if (buffer.kind != abi::BufferKind::kKvCache) continue;
    *kv_head_of(edit.task().params) = static_cast<uint32_t>(buffer.shape.extent[0]);
  }
  return Known::kForbidden;
}

// ---- pages ----------------------------------------------------------------------------------------------------------

Known apply_ReusedPage(const Edit& edit) {
  const Page& other = edit.program.pages[edit.below(edit.program.pages.size())];
  edit.page().offset = std::min(other.offset, edit.program.scratch_bytes - edit.page().size);
  return Known::kExplored;
}

Known apply_MovedPage(const Edit& edit) {
  edit.page().offset = edit.site.second * kPageAlignment;
  return Known::kExplored;
}

Known apply_PageOutside(const Edit& edit) {
  edit.page().offset = edit.program.scratch_bytes - (edit.coin() ? edit.page().size - kPageAlignment : 0);
  return Known::kExplored;
}

Known apply_ShrunkPage(const Edit& edit) {
  edit.page().size -= kPageAlignment;
  return Known::kExplored;
}

Known apply_MisalignedPage(const Edit& edit) {
  edit.page().offset += kPageAlignment / 2;
  return Known::kExplored;
}

Known apply_MissingPage(const Edit& edit) {
  edit.program.pages.erase(edit.program.pages.begin() + edit.site.first);
  return Known::kExplored;
}

Known apply_WrongLife(const Edit& edit) {
  TaskId& bound = edit.coin() ? edit.page().first : edit.page().last;
  bound = TaskId(bound.index() + (edit.coin() ? 1U : ~0U));
  return Known::kExplored;
}

}  // namespace amk::campaign
