#include "eval/perplexity.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

using namespace amk::eval;

TEST_CASE("uniform logits cost the logarithm of the vocabulary, whatever their height") {
  for (const float height : {0.0F, -1e30F, 3e38F}) {
    const std::vector<float> logits(100, height);
    CHECK(negative_log_likelihood(logits, 17) == doctest::Approx(std::log(100.0)).epsilon(1e-14));
  }
}

TEST_CASE("a likelihood is softmax's, and far logits neither overflow nor vanish") {
  const std::vector<float> logits = {1.0F, 2.0F, 4.0F};
  const double sum = std::exp(1.0) + std::exp(2.0) + std::exp(4.0);
  CHECK(negative_log_likelihood(logits, 0) == doctest::Approx(std::log(sum) - 1.0).epsilon(1e-14));
  CHECK(negative_log_likelihood(logits, 2) == doctest::Approx(std::log(sum) - 4.0).epsilon(1e-14));
  const std::vector<float> far = {-5000.0F, 5000.0F};
  CHECK(negative_log_likelihood(far, 0) == 10000.0);
  CHECK(negative_log_likelihood(far, 1) == 0.0);
}

TEST_CASE("perplexity is the exponential of the mean over the tokens that have a predecessor") {
  const std::vector<float> logits = {1.0F, 2.0F, 0.5F, 0.25F, 9.0F, -9.0F};  // the last row predicts nothing
  const std::vector<uint32_t> ids = {1, 0, 1};
  const double expected = std::exp((std::log1p(std::exp(1.0)) + std::log1p(std::exp(0.25))) / 2.0);
  CHECK(perplexity(logits, ids) == doctest::Approx(expected).epsilon(1e-14));
}

TEST_CASE("a model that knows nothing has the vocabulary's size as its perplexity") {
  const std::vector<float> logits(5 * 64, 0.125F);
  const std::vector<uint32_t> ids = {3, 1, 4, 1, 5};
  CHECK(perplexity(logits, ids) == doctest::Approx(64.0).epsilon(1e-14));
}
