// The model as a chain of operations, before any choice of schedule.
//
// Source: transformers, models/llama/modeling_llama.py (LlamaDecoderLayer.forward, LlamaModel.forward).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "abi/tables.h"
#include "model/checkpoint.h"

namespace amk::schedule {

struct GraphNode {
  abi::GraphOp op;
  uint32_t layer;  ///< kHead for what comes after the layers, 0 for the embedding

  bool operator==(const GraphNode&) const = default;
};

inline constexpr uint32_t kHead = UINT32_MAX;

/// Nodes in execution order, with the shapes and dtypes of the weights they use.
struct ModelGraph {
  std::string name;
  model::ModelConfig config;
  std::vector<GraphNode> nodes;
  std::map<std::string, abi::Shape, std::less<>> weights;  ///< by the checkpoint's tensor name

  /// Names of the weights of one layer: "model.layers.3.mlp.up_proj.weight" for (3, "mlp.up_proj").
  [[nodiscard]] static std::string layer_tensor(uint32_t layer, std::string_view part);
  /// The head's matrix: lm_head.weight, or the embedding table where they are tied.
  [[nodiscard]] std::string head_tensor() const;
};

ModelGraph build_graph(const model::Checkpoint& checkpoint);

/// The same of a model that has a shape but no values: `dtype_of` says how a tensor would be stored.
ModelGraph build_graph(std::string name, const model::ModelConfig& config,
                       const std::function<abi::Dtype(const model::TensorSpec&)>& dtype_of);

}  // namespace amk::schedule
