// Finding a GPU of abi/target.def by name.
#pragma once

#include <string_view>
#include <vector>

#include "abi/tables.h"
#include "base/result.h"

namespace amk::schedule {

/// The row of that name; kUsage with the nearest name otherwise. Rows live for ever.
Result<const abi::TargetInfo*> find_target(std::string_view name);

/// Names of all targets, in table order.
[[nodiscard]] std::vector<std::string_view> target_names();

/// Read bandwidth that streaming kernels reach, bytes/s: the data sheet's peak times the fraction measured on an H100
/// (3,090 of 3,350 GB/s; docs/performance-log.md).
[[nodiscard]] constexpr double sustained_bandwidth(const abi::TargetInfo& target) {
  return 0.922 * 1e9 * static_cast<double>(target.bandwidth_gbps);
}

}  // namespace amk::schedule
