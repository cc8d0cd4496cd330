#include "eval/logits.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace amk::eval {

uint32_t best_token(std::span<const float> logits) {
  return static_cast<uint32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

float top_margin(std::span<const float> logits) {
  float best = -std::numeric_limits<float>::infinity();
  float second = best;
  for (const float logit : logits) {
    if (logit > best) {
      second = std::exchange(best, logit);
    } else if (logit > second) {
      second = logit;
    }
  }
  return best - second;
}

double largest_difference(std::span<const float> a, std::span<const float> b) {
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    if (std::isnan(difference)) return difference;  // a comparison would lose it
    largest = std::max(largest, difference);
  }
  return largest;
}

double largest_magnitude(std::span<const float> logits) {
  double largest = 0;
  for (const float logit : logits) largest = std::max(largest, std::abs(static_cast<double>(logit)));
  return largest;
}

}  // namespace amk::eval
