#include "vm/cuda/baselines/rival_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <string>

#include "instructions/cpu_math.h"

namespace amk::vm::cuda {
namespace {

constexpr uint64_t kPieceBytes = uint64_t{64} << 20;  // converted and uploaded at a time

class Uploader {
 public:
  Uploader(Device& device, const model::Checkpoint& checkpoint, ThreadPool& pool, RivalWeights& out)
      : device_(device), checkpoint_(checkpoint), pool_(pool), out_(out) {}

  /// The tensors one after another; where they begin.
  Result<uint64_t> put(const std::vector<std::string>& names) {
    uint64_t elements = 0;
    for (const std::string& name : names) elements += elements_of(checkpoint_.tensor(name));
    AMK_ASSIGN_OR_RETURN(DeviceBuffer buffer, device_.allocate(elements * abi::dtype_bytes(out_.dtype)));
    const uint64_t address = buffer.address();
    out_.memory.push_back(std::move(buffer));
    uint64_t at = address;
    for (const std::string& name : names) {
      const model::TensorView tensor = checkpoint_.tensor(name);
      AMK_TRY(copy(tensor, at));
      at += elements_of(tensor) * abi::dtype_bytes(out_.dtype);
    }
    return address;
  }

  Result<uint64_t> put_floats(const std::vector<float>& values) {
    AMK_ASSIGN_OR_RETURN(DeviceBuffer buffer, device_.allocate(values.size() * sizeof(float)));
    const uint64_t address = buffer.address();
    out_.memory.push_back(std::move(buffer));
    AMK_TRY(device_.upload(address, std::as_bytes(std::span(values))));
    return address;
  }

 private:
  static uint64_t elements_of(const model::TensorView& tensor) {
    uint64_t count = 1;
    for (const uint64_t extent : tensor.shape) count *= extent;
    return count;
  }

  Status copy(const model::TensorView& tensor, uint64_t address) {
    if (tensor.dtype == out_.dtype) return device_.upload(address, tensor.data);
    const uint64_t columns = tensor.shape.back();
    const uint64_t rows = elements_of(tensor) / columns;
    const uint64_t row_bytes = columns * abi::dtype_bytes(out_.dtype);
    const uint64_t at_once = std::max<uint64_t>(1, kPieceBytes / row_bytes);
    const instructions::MatrixView matrix{tensor.dtype, tensor.data.data(), columns};
    std::vector<std::byte> piece(std::min(rows, at_once) * row_bytes);
    for (uint64_t begin = 0; begin < rows; begin += at_once) {
      const uint64_t count = std::min(at_once, rows - begin);
      pool_.parallel_for(count, [&](size_t from, size_t to) {
        std::vector<float> row(columns);
        for (size_t r = from; r < to; ++r) {
          instructions::widen_columns(matrix, begin + r, 0, columns, row.data());
          instructions::store_rounded(out_.dtype, row.data(), columns, piece.data() + r * row_bytes);
        }
      });
      AMK_TRY(device_.upload(address + begin * row_bytes, std::span(piece).first(count * row_bytes)));
    }
    return {};
  }

  Device& device_;
  const model::Checkpoint& checkpoint_;
  ThreadPool& pool_;
  RivalWeights& out_;
};

std::vector<std::string> of_layer(uint32_t layer, std::initializer_list<const char*> parts) {
  std::vector<std::string> names;
  for (const char* part : parts) names.push_back(fmt::format("model.layers.{}.{}.weight", layer, part));
  return names;
}

}  // namespace

abi::Dtype rival_dtype(const model::Checkpoint& checkpoint) {
  const abi::Dtype stored = checkpoint.dtype_of("model.layers.0.self_attn.q_proj.weight");
  return abi::is_quantised(stored) ? abi::Dtype::kBf16 : stored;
}

Result<RivalWeights> upload_rival_weights(Device& device, const model::Checkpoint& checkpoint, ThreadPool& pool) {
  const model::ModelConfig& config = checkpoint.config();
  RivalWeights out;
  out.dtype = rival_dtype(checkpoint);
  Uploader uploader(device, checkpoint, pool, out);
  for (uint32_t i = 0; i < config.layer_count; ++i) {
    RivalLayer layer;
    AMK_ASSIGN_OR_RETURN(layer.input_norm, uploader.put(of_layer(i, {"input_layernorm"})));
    AMK_ASSIGN_OR_RETURN(layer.qkv,
                         uploader.put(of_layer(i, {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"})));
    AMK_ASSIGN_OR_RETURN(layer.o, uploader.put(of_layer(i, {"self_attn.o_proj"})));
    AMK_ASSIGN_OR_RETURN(layer.post_norm, uploader.put(of_layer(i, {"post_attention_layernorm"})));
    AMK_ASSIGN_OR_RETURN(layer.gate_up, uploader.put(of_layer(i, {"mlp.gate_proj", "mlp.up_proj"})));
    AMK_ASSIGN_OR_RETURN(layer.down, uploader.put(of_layer(i, {"mlp.down_proj"})));
    out.layers.push_back(layer);
  }
  AMK_ASSIGN_OR_RETURN(out.embed, uploader.put({"model.embed_tokens.weight"}));
  out.head = out.embed;
  if (!config.tied_head) {
    AMK_ASSIGN_OR_RETURN(out.head, uploader.put({"lm_head.weight"}));
  }
  AMK_ASSIGN_OR_RETURN(out.final_norm, uploader.put({"model.norm.weight"}));
  AMK_ASSIGN_OR_RETURN(out.inv_freq,
                       uploader.put_floats(model::rope_inverse_frequencies(config.rope, config.head_dim)));
  const uint64_t hidden = config.hidden_size;
  const uint64_t of_a_layer =
      hidden * (2ULL + 2ULL * config.q_size() + 2ULL * config.kv_size() + 3ULL * config.intermediate_size);
  const uint64_t elements =
      of_a_layer * config.layer_count + hidden * (config.vocab_size + 1ULL) + (config.tied_head ? 0 : hidden);
  out.pass_bytes = elements * abi::dtype_bytes(out.dtype);
  return out;
}

}  // namespace amk::vm::cuda
