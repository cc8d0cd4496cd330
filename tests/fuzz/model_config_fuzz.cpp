// Whatever the text, reading it as a config.json ends in an Error or in a ModelConfig that keeps what its header
// promises, and whose rotary frequencies are finite.
#include <cmath>
#include <cstdint>

#include "base/assert.h"
#include "model/model_config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace amk;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Result<model::ModelConfig> config = model::parse_model_config(text, "input");
  if (!config) return 0;
  AMK_ASSERT(config->kv_head_count > 0 && config->q_head_count % config->kv_head_count == 0, "KV heads divide heads");
  AMK_ASSERT(config->head_dim > 0 && config->head_dim % 2 == 0, "the head dimension is even");
  AMK_ASSERT(config->hidden_size > 0 && config->intermediate_size > 0 && config->layer_count > 0 &&
                 config->vocab_size > 0 && config->context_max > 0,
             "sizes are positive");
  constexpr uint32_t kHeadDimMax = 4096;  // the frequencies of more take too long here, and are no different
  if (config->head_dim > kHeadDimMax) return 0;
  for (const float frequency : model::rope_inverse_frequencies(config->rope, config->head_dim)) {
    AMK_ASSERT(std::isfinite(frequency), "frequencies are finite");
  }
  return 0;
}
