// What quantising a checkpoint's weights costs and buys: bytes, errors of each matrix, and what becomes of the logits.
//
// Compares two readings of one model, as stored and quantised, through what Checkpoint gives out: the bytes that a
// program would be given, not a model of them. Says how far they lie apart, never whether that is good enough. Runs no
// program and writes nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "model/checkpoint.h"

namespace amk::eval {

/// How far a quantised matrix W' lies from W, element by element.
struct WeightError {
  double norm_squared = 0;   ///< sum of w^2
  double error_squared = 0;  ///< sum of (w - w')^2
  double max_abs_error = 0;  ///< largest |w - w'|
  /// ||W - W'|| / ||W||, Frobenius; 0 of a matrix of zeros.
  [[nodiscard]] double relative() const;
  /// As if the elements of both were one matrix's.
  void add(const WeightError& other);
};

/// Two matrices of one shape [rows, columns]; sums are in double, row by row: the pool's size changes no bit.
[[nodiscard]] WeightError weight_error(const model::TensorView& stored, const model::TensorView& quantised,
                                       ThreadPool& pool);

/// What reads a weight, in a word: "embed", "norm", "qkv", "o", "gate_up", "down" or "lm_head". A tied embedding table
/// is "lm_head": a token streams it whole as the head's matrix.
[[nodiscard]] std::string_view weight_role(std::string_view tensor, bool tied_head);

/// Kullback-Leibler divergence, in nats, of the next token's distribution under `found` from that under `expected`:
/// sum of p log(p / q). Of logits, one row each of one length. Never below 0.
[[nodiscard]] double kl_divergence(std::span<const float> expected, std::span<const float> found);

/// Logits of the quantised model against those of the stored one, at the same positions behind the same tokens.
struct LogitDifference {
  uint32_t positions = 0;
  double max_abs = 0;        ///< largest |l - l'|; NaN where a logit is
  double largest_logit = 0;  ///< largest |l| of the stored model
  double norm_squared = 0;   ///< sum of l^2
  double error_squared = 0;  ///< sum of (l - l')^2
  uint32_t same_best = 0;    ///< positions at which both choose the same token
  double kl_sum = 0;         ///< nats
  double kl_max = 0;         ///< nats
  void add(std::span<const float> stored, std::span<const float> quantised);
  [[nodiscard]] double relative() const;  ///< ||l - l'|| / ||l||
  [[nodiscard]] double same_best_share() const;
  [[nodiscard]] double kl_mean() const;  ///< nats a position
};

struct QuantisedBytes {
  uint64_t stored = 0;
  uint64_t quantised = 0;
  [[nodiscard]] double ratio() const;  ///< quantised / stored
};

struct QuantisedTensor {
  std::string name;
  std::string_view role;
  std::vector<uint64_t> shape;
  abi::Dtype stored = abi::Dtype::kF32;
  QuantisedBytes bytes;
  WeightError error;
};

struct QuantisedRole {
  std::string_view role;
  uint32_t tensors = 0;
  QuantisedBytes bytes;
  WeightError error;
};

struct QuantisationReport {
  std::string model;
  abi::Dtype dtype = abi::Dtype::kF32;   ///< of the quantised matrices
  QuantisedBytes streamed;               ///< of the weights that a token reads: one row of an embedding table
  QuantisedBytes all;                    ///< of the checkpoint, norms included
  std::vector<QuantisedTensor> tensors;  ///< the matrices, in model order
  std::vector<QuantisedRole> roles;      ///< of the matrices, in model order
  bool from_text = false;
  uint64_t seed = 0;  ///< of the tokens, where they are from no text
  LogitDifference logits;
  /// Of the tokens, where they are from a text.
  struct Perplexity {
    uint32_t tokens = 0;
    double stored = 0;
    double quantised = 0;
  };
  std::optional<Perplexity> perplexity;
  std::vector<std::string> notes;
};

struct QuantisationRequest {
  const model::Checkpoint* stored = nullptr;
  const model::Checkpoint* quantised = nullptr;  ///< the same model, opened with a weight format
  std::vector<uint32_t> ids;                     ///< fed to both, teacher-forced; of a text at least two
  bool from_text = false;
  uint64_t seed = 0;  ///< that the ids came from, otherwise
  std::function<void(std::string_view step, uint32_t done, uint32_t of)> progress;
};

/// Matrices are compared one at a time. Memory: the quantised weights (the stored ones of a built-in model, too) and
/// the logits of a few positions, however many there are. kUsage where `stored` is quantised or `quantised` is not, or
/// there are more ids than positions; otherwise the oracle's errors.
Result<QuantisationReport> report_quantisation(const QuantisationRequest& request, ThreadPool& pool);

}  // namespace amk::eval
