// Cutting an extent into tiles.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace amk::schedule::passes {

struct Slice {
  uint32_t begin = 0;
  uint32_t count = 0;
};

/// [0, total) in tiles of `tile` (the last one may be shorter), or, without one, in at most `parts` tiles of whole
/// granules whose sizes differ by at most one granule. total, granule and parts are positive.
[[nodiscard]] std::vector<Slice> slices(uint32_t total, uint32_t granule, std::optional<uint32_t> tile, uint32_t parts);

}  // namespace amk::schedule::passes
