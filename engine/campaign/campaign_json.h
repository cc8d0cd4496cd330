// A campaign's report, and one program judged, as JSON and as words.
#pragma once

#include <string>

#include "campaign/campaign.h"

namespace amk::campaign {

/// The whole report. The same count and seed give the same text, but for what ends in `seconds` or `_per_second`.
[[nodiscard]] std::string report_to_json(const Report& report);

/// The program, what is known of it, what the validator found.
[[nodiscard]] std::string judgement_to_json(const Sample& sample, const Judgement& judgement);

/// The same in lines, the program as its JSON.
[[nodiscard]] std::string report_text(const Report& report);
[[nodiscard]] std::string judgement_text(const Sample& sample, const Judgement& judgement);

}  // namespace amk::campaign
