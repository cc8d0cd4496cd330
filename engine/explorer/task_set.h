// Sets of tasks as bits, many of one size side by side: what the explorer's states are made of.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace amk::explorer {

/// A set that is only looked at; bit t of word t / 64 is task t.
using TaskSet = std::span<const uint64_t>;

[[nodiscard]] inline bool contains(TaskSet set, uint32_t task) { return (set[task / 64] >> (task % 64) & 1U) != 0; }

inline constexpr uint32_t kNoTask = UINT32_MAX;

/// The lowest task of `set` for which `keep(word, index)` leaves a bit; kNoTask where there is none.
template <typename Keep>
[[nodiscard]] uint32_t first_task(TaskSet set, Keep keep) {
  for (size_t i = 0; i < set.size(); ++i) {
    const uint64_t left = keep(set[i], i);
    if (left != 0) return static_cast<uint32_t>(i * 64) + static_cast<uint32_t>(std::countr_zero(left));
  }
  return kNoTask;
}

/// The lowest task of `set`; kNoTask where it is empty.
[[nodiscard]] inline uint32_t first_task(TaskSet set) {
  return first_task(set, [](uint64_t word, size_t) { return word; });
}

/// `count` sets over the same tasks.
class TaskSets {
 public:
  /// Empties them.
  void reset(size_t count, size_t tasks) {
    words_ = std::max<size_t>(1, (tasks + 63) / 64);
    bits_.assign(count * words_, 0);
  }
  [[nodiscard]] TaskSet set(size_t i) const { return std::span(bits_).subspan(i * words_, words_); }
  void insert(size_t i, uint32_t task) { bits_[i * words_ + task / 64] |= uint64_t{1} << (task % 64); }
  void insert(size_t i, TaskSet other) {
    for (size_t word = 0; word < words_; ++word) bits_[i * words_ + word] |= other[word];
  }
  [[nodiscard]] std::span<const uint64_t> bits() const { return bits_; }

 private:
  size_t words_ = 1;
  std::vector<uint64_t> bits_;
};

}  // namespace amk::explorer
