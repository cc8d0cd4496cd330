#include "schedule/passes/slices.h"

#include <algorithm>

#include "base/checked.h"

namespace amk::schedule::passes {

std::vector<Slice> slices(uint32_t total, uint32_t granule, std::optional<uint32_t> tile, uint32_t parts) {
  std::vector<Slice> out;
  if (tile) {
    for (uint32_t begin = 0; begin < total; begin += *tile) out.push_back({begin, std::min(*tile, total - begin)});
    return out;
  }
  const uint64_t granules = ceil_div(total, granule);
  const uint64_t count = std::min<uint64_t>(granules, parts);
  for (uint64_t i = 0; i < count; ++i) {
    const auto begin = static_cast<uint32_t>(granules * i / count * granule);
    const auto end = static_cast<uint32_t>(std::min<uint64_t>(total, granules * (i + 1) / count * granule));
    out.push_back({begin, end - begin});
  }
  return out;
}

}  // namespace amk::schedule::passes
