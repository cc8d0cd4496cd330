// A checkpoint: a checked ModelConfig and the tensors it calls for, wherever they come from.
//
// Opened from a directory (config.json, model.safetensors or shards with model.safetensors.index.json) or made from a
// built-in name: "toy", "toy-2l", "synthetic:<shape>", "synthetic:hidden=N,layers=N". Every tensor is either used or
// refused by name; its shape is checked against the config on opening.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/model_config.h"
#include "model/quantise.h"
#include "model/safetensors.h"

namespace amk::model {

/// A tensor the config calls for: its canonical transformers name and its shape.
struct TensorSpec {
  std::string name;
  std::vector<uint64_t> shape;
};

/// Every tensor a checkpoint of this config holds, in model order. A tied head has no lm_head.weight.
std::vector<TensorSpec> expected_tensors(const ModelConfig& config);

/// A file that holds weights, for the bundle's manifest.
struct WeightFile {
  std::filesystem::path path;
  uint64_t size_bytes = 0;
};

/// How a checkpoint is to be read where its files leave a choice.
struct OpenOptions {
  /// kStored rounds the rotary frequencies to the dtype of the embedding table: for comparison with a model that was
  /// cast after loading (docs/decisions/0005-rope-frequencies.md).
  RopePrecision rope_frequencies = RopePrecision::kFloat32;
  /// What every matrix is quantised to as it is read, embedding table and head included; a tied head is the embedding
  /// table's quantised rows. Norms are left as stored. Nothing: all is left as stored.
  WeightFormat weights = std::nullopt;
};

class Checkpoint {
 public:
  /// `model` is a built-in name or a directory. A built-in name wins: a directory called "toy" is reached as "./toy".
  /// Errors: kUnsupported (named key or tensor), kBadInput, kIo; what is neither gets the list of built-in names and
  /// the nearest (kBadInput). Weights that are to be quantised are read through, and those that cannot be are refused
  /// by tensor and index (kBadInput).
  static Result<Checkpoint> open(const std::string& model, const OpenOptions& options = {});

  Checkpoint(Checkpoint&&) noexcept;
  Checkpoint& operator=(Checkpoint&&) noexcept;
  ~Checkpoint();

  /// "shakespeare-llama-3m": the directory's name; or the built-in's, ':' replaced by '-'. Quantised weights are part
  /// of it: "toy-i8g128".
  [[nodiscard]] const std::string& name() const;
  /// What open() was given.
  [[nodiscard]] const std::string& source() const;
  /// The checkpoint's directory; empty for a built-in.
  [[nodiscard]] const std::filesystem::path& directory() const;
  [[nodiscard]] const ModelConfig& config() const;
  /// What the matrices were quantised to, if anything.
  [[nodiscard]] WeightFormat weight_format() const;
  /// Element type in which tensor() gives a tensor (all tensors of a checkpoint need not agree).
  [[nodiscard]] abi::Dtype dtype_of(std::string_view name) const;
  /// The tensor of that name; asking for one not in expected_tensors() is a bug. Synthetic tensors are made on the
  /// first call (all cores), deterministically from the name, and so are quantised ones; thread-safe.
  [[nodiscard]] TensorView tensor(std::string_view name) const;
  /// Files that hold weights (empty for a built-in), in name order.
  [[nodiscard]] const std::vector<WeightFile>& weight_files() const;
  /// Bytes of all weights as tensor() gives them.
  [[nodiscard]] uint64_t weight_bytes() const;

 private:
  struct Impl;
  explicit Checkpoint(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// The built-in names, for messages and help.
std::vector<std::string_view> builtin_models();

}  // namespace amk::model
