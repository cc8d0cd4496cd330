// Trials, incumbents and headers as JSON: what commits, the corpus, proposers and documents hold.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/result.h"
#include "search/trial.h"

namespace amk::search {

using Json = nlohmann::ordered_json;

/// Valid UTF-8: bytes that are none become U+FFFD. Strings of what follows must be that, or writing it throws.
[[nodiscard]] std::string plain_text(const std::string& text);

[[nodiscard]] Json to_json(const Trial& trial);
[[nodiscard]] Json to_json(const Incumbent& incumbent);
[[nodiscard]] Json to_json(const CampaignHeader& header);

/// kBadInput where the text is no such thing; `location` says where it came from.
Result<Trial> trial_from_json(std::string_view text, const std::string& location);
Result<Incumbent> incumbent_from_json(std::string_view text, const std::string& location);
Result<CampaignHeader> header_from_json(std::string_view text, const std::string& location);

}  // namespace amk::search
