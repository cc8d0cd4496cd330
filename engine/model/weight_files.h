// The weight files of a checkpoint's directory: one model.safetensors, or the shards an index names.
//
// Owns the rules of which files count and that index and files agree. It never looks at what a tensor is for.
#pragma once

#include <filesystem>
#include <vector>

#include "base/result.h"
#include "model/safetensors.h"

namespace amk::model {

/// Opens the weight files of `directory`, in name order. No tensor is in two of them.
///
/// With model.safetensors.index.json, its weight_map decides: every tensor it lists is in the file it names, every
/// tensor of those files is listed. A model.safetensors beside an index that does not name it is refused: transformers
/// would take the single file, other programs the shards, and nothing says that they agree. An adapter_config.json is
/// refused (kUnsupported): transformers would add the adapter to these weights.
Result<std::vector<SafetensorsFile>> open_weight_files(const std::filesystem::path& directory);

}  // namespace amk::model
