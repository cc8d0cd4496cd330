// What the innermost CPU kernels are made of: how they are compiled, and the lanes in which they sum.
//
// Included by cpu_*.cpp alone.
#pragma once

#include <cstddef>

// Innermost kernels are compiled once for each level of x86-64 and chosen when the program is loaded. The sanitizers
// are not yet set up when that choice is made, so they build the plain one.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define AMK_PLAIN_KERNELS 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__x86_64__)
#define AMK_PLAIN_KERNELS 1
#endif
#if defined(AMK_PLAIN_KERNELS)
#define AMK_KERNEL
#else
#define AMK_KERNEL __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#endif
// What a kernel is made of must be inlined into each of its clones.
#define AMK_INLINE inline __attribute__((always_inline))

namespace amk::instructions {

/// Partial sums kept side by side, so that additions do not wait for each other and fill vector registers.
inline constexpr size_t kLanes = 16;
/// Rows summed at once, so that each part of x is loaded once for all of them.
inline constexpr size_t kRowsAtOnce = 4;

AMK_INLINE float sum_of_lanes(float* lanes) {
  for (size_t width = kLanes / 2; width > 0; width /= 2) {
    for (size_t lane = 0; lane < width; ++lane) lanes[lane] += lanes[lane + width];
  }
  return lanes[0];
}

}  // namespace amk::instructions
