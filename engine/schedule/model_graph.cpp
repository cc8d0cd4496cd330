#include "schedule/model_graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace amk::schedule {

std::string ModelGraph::layer_tensor(uint32_t layer, std::string_view part) {
  return fmt::format("model.layers.{}.{}.weight", layer, part);
}

std::string ModelGraph::head_tensor() const {
  return config.tied_head ? "model.embed_tokens.weight" : "lm_head.weight";
}

ModelGraph build_graph(const model::Checkpoint& checkpoint) {
  return build_graph(checkpoint.name(), checkpoint.config(),
                     [&](const model::TensorSpec& spec) { return checkpoint.dtype_of(spec.name); });
}

ModelGraph build_graph(std::string name, const model::ModelConfig& config,
                       const std::function<abi::Dtype(const model::TensorSpec&)>& dtype_of) {
  using enum abi::GraphOp;
  ModelGraph graph;
  graph.name = std::move(name);
  graph.config = config;
  graph.nodes.push_back({kEmbed, 0});
  for (uint32_t layer = 0; layer < graph.config.layer_count; ++layer) {
    for (const abi::GraphOp op : {kRmsNorm, kQkv, kRope, kKvAppend, kAttention, kCombine, kO, kResidual,  //
                                  kRmsNorm, kGate, kUp, kSiluMul, kDown, kResidual}) {
      graph.nodes.push_back({op, layer});
    }
  }
  for (const abi::GraphOp op : {kRmsNorm, kLmHead, kArgmax}) graph.nodes.push_back({op, kHead});

  for (const model::TensorSpec& spec : model::expected_tensors(graph.config)) {
    abi::Shape shape;
    shape.dtype = dtype_of(spec);
    shape.rank = static_cast<uint32_t>(spec.shape.size());
    std::copy(spec.shape.begin(), spec.shape.end(), shape.extent);
    graph.weights.emplace(spec.name, shape);
  }
  return graph;
}

}  // namespace amk::schedule
