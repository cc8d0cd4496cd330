// The built-in models: sizes of published Llamas with seeded random weights, and two toys. They need no files.
//
// Owns the table of shapes and the values. A value depends on the tensor's name, shape and element index alone, on
// every machine. Matrices are scaled by their fan-in, so that activations stay near 1 and logits spread by about 2.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/checkpoint.h"
#include "model/model_config.h"

namespace amk::model {

/// The config of a built-in name ("toy", "synthetic:smollm2-135m"), or nothing where there is none of that name.
std::optional<ModelConfig> builtin_config(std::string_view name);

/// The tensors of a built-in model, each made when first asked for.
class SyntheticWeights {
 public:
  /// Reserves address space (not memory) for all weights of `config`, stored in config.dtype (f32 or bf16). kIo where
  /// the system refuses it.
  static Result<SyntheticWeights> create(const ModelConfig& config);

  SyntheticWeights(SyntheticWeights&&) noexcept;
  SyntheticWeights& operator=(SyntheticWeights&&) noexcept;
  ~SyntheticWeights();

  /// The tensor at `index` of expected_tensors(config). Thread-safe; the first call fills it, with all cores where it
  /// is large.
  [[nodiscard]] TensorView tensor(size_t index) const;
  /// Gives the memory of a tensor back; nobody may hold it, and it may not be asked for again.
  void release(size_t index) const;

 private:
  struct Impl;
  explicit SyntheticWeights(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace amk::model
