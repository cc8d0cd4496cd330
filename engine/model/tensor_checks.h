// Holds the tensors found in a checkpoint's files against those its config calls for.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/model_config.h"
#include "model/safetensors.h"

namespace amk::model {

/// expected_tensors() names to the views of the files, which own them.
using TensorMap = std::map<std::string, const TensorView*>;

/// kBadInput: an expected tensor is missing, twice there or of another shape. kUnsupported: it is not f32, f16 or bf16,
/// or the files hold a tensor that the config does not call for. `location` names the checkpoint in errors.
///
/// Two kinds of extra tensor are accepted, and only where they say nothing new:
/// - lm_head.weight beside a tied head, if byte for byte the embedding. transformers would not read it; but where it
///   differs, file and config contradict each other, and the file may be right.
/// - model.layers.N.self_attn.rotary_emb.inv_freq (saved before transformers 4.32), if it holds the frequencies that
///   follow from the config, scaled or not, to its dtype's rounding. transformers would not read it either.
Result<TensorMap> check_tensors(const ModelConfig& config, const std::vector<SafetensorsFile>& files,
                                const std::string& location);

}  // namespace amk::model
