#include "eval/tolerance.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace amk::eval {

double logit_tolerance(const model::ModelConfig& config, double largest_logit) {
  const double layer = 2.0 * config.hidden_size + config.q_size() + config.intermediate_size + config.head_dim;
  const double additions = layer * config.layer_count + config.hidden_size;
  const double epsilon = std::numeric_limits<float>::epsilon();
  return 0.5 * epsilon * std::sqrt(additions) * std::max(1.0, largest_logit);
}

}  // namespace amk::eval
