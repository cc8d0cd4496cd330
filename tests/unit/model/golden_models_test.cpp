#include <doctest/doctest.h>

#include <string>

#include "model/checkpoint.h"

using namespace amk;
using namespace amk::model;

TEST_CASE("every golden model that is modelled opens, with all its tensors") {
  for (const std::string name : {"llama-mha", "llama-gqa-tied", "llama-head-dim", "llama-odd-sizes",
                                 "llama-bf16-sharded", "llama-f16", "llama3-rope", "llama-linear-rope", "mistral"}) {
    CAPTURE(name);
    const auto checkpoint = Checkpoint::open("tests/models/" + name);
    REQUIRE_MESSAGE(checkpoint.ok(), checkpoint.error().text());
    CHECK(checkpoint->name() == name);
    for (const TensorSpec& spec : expected_tensors(checkpoint->config())) {
      CHECK(checkpoint->tensor(spec.name).shape == spec.shape);
    }
  }
}
