#include "model/synthetic_name.h"

#include "unit/model/fixture.h"

using namespace amk;
using namespace amk::model;
using namespace amk::model::fixture;

TEST_CASE("two keys make a model: the others follow from them") {
  const auto config = synthetic_shape("synthetic:hidden=2560,layers=20");
  REQUIRE_MESSAGE(config.ok(), (config.ok() ? "" : config.error().text()));
  CHECK(config->hidden_size == 2560);
  CHECK(config->layer_count == 20);
  CHECK(config->head_dim == 128);
  CHECK(config->q_head_count == 20);
  CHECK(config->kv_head_count == 5);
  CHECK(config->intermediate_size == 6912);
  CHECK(config->vocab_size == 32000);
  CHECK(config->context_max == 8192);
  CHECK_FALSE(config->tied_head);
  CHECK(config->dtype == abi::Dtype::kBf16);
  CHECK(config->eos_ids.empty());
  const auto small = synthetic_shape("synthetic:hidden=576,layers=2");
  REQUIRE(small.ok());
  CHECK(small->head_dim == 64);
  CHECK(small->q_head_count == 9);
  CHECK(small->kv_head_count == 3);
}

TEST_CASE("every key is taken as given, in any order") {
  const auto config = synthetic_shape(
      "synthetic:tied=true,layers=3,context=64,vocab=100,intermediate=48,head_dim=16,kv_heads=1,heads=2,hidden=24");
  REQUIRE_MESSAGE(config.ok(), (config.ok() ? "" : config.error().text()));
  CHECK(config->tied_head);
  CHECK(config->layer_count == 3);
  CHECK(config->context_max == 64);
  CHECK(config->vocab_size == 100);
  CHECK(config->intermediate_size == 48);
  CHECK(config->head_dim == 16);
  CHECK(config->kv_head_count == 1);
  CHECK(config->q_head_count == 2);
  CHECK(config->hidden_size == 24);
  CHECK(synthetic_shape("synthetic:hidden=96,layers=1,heads=3").value().head_dim == 32);
  CHECK(synthetic_shape("synthetic:hidden=96,layers=1,head_dim=48").value().q_head_count == 2);
}

TEST_CASE("a name that makes no model says what is wrong with it") {
  const auto refused = [](const std::string& keys, const std::string& why) {
    CAPTURE(keys);
    check_refused(Checkpoint::open("synthetic:" + keys), ErrorCode::kBadInput, {why});
  };
  refused("hidden=2560", "expected layers=N, found none");
  refused("layers=2,heads=4", "expected hidden=N, found none");
  refused("hidden=2560,layer=20", "did you mean 'layers'");
  refused("hidden=2560,layers=20,", "expected one of the keys");
  refused("hidden=2560,layers=20,hidden=64", "expected hidden once");
  refused("hidden=2560,layers", "expected layers=a whole number above 0");
  refused("hidden=2560,layers=0", "expected layers=a whole number above 0");
  refused("hidden=2560,layers=-1", "expected layers=a whole number above 0");
  refused("hidden=2560,layers=2x", "expected layers=a whole number above 0");
  refused("hidden=99999999999,layers=2", "expected hidden=a whole number above 0");
  refused("hidden=2560,layers=20,tied=yes", "expected tied=true or false");
  refused("hidden=100,layers=2", "expected a hidden size that head_dim 64 divides");
  refused("hidden=100,layers=2,heads=3", "expected a hidden size that heads 3 divides");
  refused("hidden=2560,layers=20,kv_heads=3", "expected a divisor of num_attention_heads");
  refused("hidden=2560,layers=5000", "num_hidden_layers");
  refused("hidden=64,layers=1,head_dim=7,heads=2", "expected an even number");
}

TEST_CASE("its weights are there, and its name is fit for a file") {
  const auto model = Checkpoint::open("synthetic:hidden=64,layers=1,head_dim=16,vocab=64");
  REQUIRE_MESSAGE(model.ok(), (model.ok() ? "" : model.error().text()));
  CHECK(model->name() == "synthetic-hidden-64-layers-1-head_dim-16-vocab-64");
  CHECK(model->tensor("model.layers.0.self_attn.q_proj.weight").data.size() == 2 * 64 * 64);
  CHECK(model->tensor("model.embed_tokens.weight").shape == std::vector<uint64_t>{64, 64});
}
