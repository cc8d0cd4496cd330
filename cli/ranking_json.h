// How good an order was, as documents and texts of loop and log say it.
#pragma once

#include <fmt/format.h>

#include "cli/output.h"
#include "search/ranking.h"

namespace amk::cli {

/// null where there was too little to compare.
[[nodiscard]] inline Json ranking_json(const search::RankQuality& of) {
  const auto value = [](const std::optional<double>& x) { return x ? json_number(*x) : Json(nullptr); };
  return {{"trials", of.trials}, {"prior", value(of.prior)}, {"cost_model", value(of.cost_model)}};
}

/// "rank correlation over 40 trials: the prior 0.81, the cost model 0.62".
[[nodiscard]] inline std::string ranking_text(const search::RankQuality& of) {
  const auto value = [](const std::optional<double>& x) { return x ? fmt::format("{:.2f}", *x) : std::string("none"); };
  return fmt::format("rank correlation with what came, over {} trials: the prior's {}, the cost model's {}", of.trials,
                     value(of.prior), value(of.cost_model));
}

}  // namespace amk::cli
