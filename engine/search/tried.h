// What of a campaign has been tried. What is still judged counts: proposals are drawn while others are in flight.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "search/history.h"

namespace amk::search {

/// As schedule::config_to_json() writes them: the start, the incumbent, and every candidate, ended or in flight.
[[nodiscard]] std::set<std::string> tried_in(const Campaign& campaign);

/// Trials that have ended or are in flight.
[[nodiscard]] uint32_t trials_drawn(const Campaign& campaign);

}  // namespace amk::search
