// Strong ids: a TaskId is not a BufferId, and neither is a number until `.index()` is asked for.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace amk {

/// A dense index into one kind of table. `Tag` only tells the kinds apart.
template <typename Tag>
class Id {
 public:
  constexpr Id() = default;
  constexpr explicit Id(uint32_t index) : index_(index) {}
  [[nodiscard]] constexpr uint32_t index() const { return index_; }
  [[nodiscard]] constexpr bool valid() const { return index_ != kNone; }
  constexpr auto operator<=>(const Id&) const = default;

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  uint32_t index_ = kNone;
};

using TaskId = Id<struct TaskTag>;
using BufferId = Id<struct BufferTag>;
using CounterId = Id<struct CounterTag>;
using SmId = Id<struct SmTag>;

}  // namespace amk

template <typename Tag>
struct std::hash<amk::Id<Tag>> {
  std::size_t operator()(amk::Id<Tag> id) const noexcept { return std::hash<uint32_t>{}(id.index()); }
};
