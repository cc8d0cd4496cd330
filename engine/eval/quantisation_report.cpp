#include "eval/quantisation_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/assert.h"
#include "eval/logits.h"
#include "eval/oracle.h"
#include "eval/perplexity.h"
#include "eval/stored_rows.h"
#include "model/quantise.h"

namespace amk::eval {
namespace {

constexpr size_t kBatch = 32;  // positions fed at once: bounds the logits that are held

double ratio_of(double part, double whole) { return whole == 0 ? 0 : part / whole; }

StoredRows rows_of(const model::TensorView& matrix) {
  return {matrix.dtype, matrix.data.data(), matrix.shape[1], matrix.shape[1]};
}

/// Of one row, widened.
WeightError row_error(const std::vector<float>& stored, const std::vector<float>& quantised) {
  WeightError out;
  for (size_t c = 0; c < stored.size(); ++c) {
    const double weight = stored[c];
    const double error = weight - static_cast<double>(quantised[c]);
    out.norm_squared += weight * weight;
    out.error_squared += error * error;
    out.max_abs_error = std::max(out.max_abs_error, std::abs(error));
  }
  return out;
}

/// log of the sum of exp(logit).
double log_sum_exp(std::span<const float> logits) {
  const double top = *std::ranges::max_element(logits);
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - top);
  return top + std::log(sum);
}

void add_to_role(std::vector<QuantisedRole>& roles, const QuantisedTensor& tensor) {
  auto found = std::ranges::find(roles, tensor.role, &QuantisedRole::role);
  if (found == roles.end()) found = roles.insert(roles.end(), QuantisedRole{tensor.role, 0, {}, {}});
  ++found->tensors;
  found->bytes.stored += tensor.bytes.stored;
  found->bytes.quantised += tensor.bytes.quantised;
  found->error.add(tensor.error);
}

/// Fills tensors, roles, and the bytes of both kinds.
void compare_weights(const QuantisationRequest& request, ThreadPool& pool, QuantisationReport& report) {
  const model::ModelConfig& config = request.stored->config();
  const std::vector<model::TensorSpec> specs = model::expected_tensors(config);
  uint32_t done = 0;
  for (const model::TensorSpec& spec : specs) {
    const model::TensorView stored = request.stored->tensor(spec.name);
    const model::TensorView quantised = request.quantised->tensor(spec.name);
    const std::string_view role = weight_role(spec.name, config.tied_head);
    const QuantisedBytes bytes{stored.data.size(), quantised.data.size()};
    const uint64_t share = role == "embed" ? spec.shape[0] : 1;  // a token looks one row up
    report.all.stored += bytes.stored;
    report.all.quantised += bytes.quantised;
    report.streamed.stored += bytes.stored / share;
    report.streamed.quantised += bytes.quantised / share;
    if (abi::is_quantised(quantised.dtype)) {
      report.tensors.push_back(
          {spec.name, role, spec.shape, stored.dtype, bytes, weight_error(stored, quantised, pool)});
      add_to_role(report.roles, report.tensors.back());
    }
    if (request.progress) request.progress("comparing the weights", ++done, static_cast<uint32_t>(specs.size()));
  }
}

/// Feeds both models the same tokens, side by side.
Status compare_models(const QuantisationRequest& request, ThreadPool& pool, QuantisationReport& report) {
  const std::span<const uint32_t> ids = request.ids;
  const auto context = static_cast<uint32_t>(ids.size());
  AMK_ASSIGN_OR_RETURN(Oracle stored, Oracle::create(*request.stored, context, pool));
  AMK_ASSIGN_OR_RETURN(Oracle quantised, Oracle::create(*request.quantised, context, pool));
  const size_t vocab = request.stored->config().vocab_size;
  double stored_nll = 0, quantised_nll = 0;
  for (size_t begin = 0; begin < ids.size();) {
    const size_t count = std::min(kBatch, ids.size() - begin);
    AMK_ASSIGN_OR_RETURN(const std::vector<float> expected, stored.forward(ids.subspan(begin, count)));
    AMK_ASSIGN_OR_RETURN(const std::vector<float> found, quantised.forward(ids.subspan(begin, count)));
    for (size_t i = 0; i < count; ++i) {
      const std::span<const float> ours = std::span(expected).subspan(i * vocab, vocab);
      const std::span<const float> theirs = std::span(found).subspan(i * vocab, vocab);
      report.logits.add(ours, theirs);
      if (!request.from_text || begin + i + 1 >= ids.size()) continue;
      stored_nll += negative_log_likelihood(ours, ids[begin + i + 1]);
      quantised_nll += negative_log_likelihood(theirs, ids[begin + i + 1]);
    }
    begin += count;
    if (request.progress) request.progress("running both models", static_cast<uint32_t>(begin), context);
  }
  if (request.from_text) {
    const double predictions = static_cast<double>(ids.size() - 1);
    report.perplexity = {context, std::exp(stored_nll / predictions), std::exp(quantised_nll / predictions)};
  }
  return {};
}

Status check(const QuantisationRequest& request) {
  const model::Checkpoint& stored = *request.stored;
  if (stored.weight_format()) {
    return Error{ErrorCode::kUsage,
                 fmt::format("expected a model with its weights as stored, found them quantised to {} already",
                             model::weight_format_name(stored.weight_format())),
                 stored.source(), "open the model without a weight format"};
  }
  if (!request.quantised->weight_format()) {
    return Error{ErrorCode::kUsage, "expected weights quantised to int8 or int4, found them as stored",
                 request.quantised->source(), "open the model with a weight format"};
  }
  const size_t least = request.from_text ? 2 : 1, most = stored.config().context_max;
  if (request.ids.size() >= least && request.ids.size() <= most) return {};
  return Error{ErrorCode::kUsage,
               fmt::format("expected {} to {} positions, the model's, found {}", least, most, request.ids.size()),
               stored.source(), ""};
}

void add_notes(const model::Checkpoint& stored, const std::string& format, QuantisationReport& report) {
  report.notes.push_back(fmt::format(
      "--weights {} quantises as a checkpoint is read, wherever a model is given: there is no file to make", format));
  if (stored.config().tied_head)
    report.notes.emplace_back("the head is tied: lm_head is the embedding table, which is quantised for both its uses");
  if (report.from_text) {
    report.notes.emplace_back("both models ran in the oracle, on the CPU, with float32 activations and KV caches");
  } else {
    report.notes.emplace_back(
        "both models ran in the oracle, on the CPU, with float32 activations and KV caches, on tokens drawn from a "
        "seed: their perplexity would mean nothing; --text gives tokens of a text");
  }
}

}  // namespace

double WeightError::relative() const { return std::sqrt(ratio_of(error_squared, norm_squared)); }

void WeightError::add(const WeightError& other) {
  norm_squared += other.norm_squared;
  error_squared += other.error_squared;
  max_abs_error = std::max(max_abs_error, other.max_abs_error);
}

WeightError weight_error(const model::TensorView& stored, const model::TensorView& quantised, ThreadPool& pool) {
  AMK_ASSERT(stored.shape.size() == 2 && stored.shape == quantised.shape, "two matrices of one shape");
  const size_t rows = stored.shape[0], columns = stored.shape[1];
  std::vector<WeightError> errors(rows);
  pool.parallel_for(rows, [&](size_t begin, size_t end) {
    std::vector<float> ours(columns), theirs(columns);
    for (size_t r = begin; r < end; ++r) {
      widen_row(rows_of(stored), r, ours.data());
      widen_row(rows_of(quantised), r, theirs.data());
      errors[r] = row_error(ours, theirs);
    }
  });
  WeightError out;
  for (const WeightError& error : errors) out.add(error);
  return out;
}

std::string_view weight_role(std::string_view tensor, bool tied_head) {
  struct Part {
    std::string_view in_name;
    std::string_view role;
  };
  constexpr Part kParts[] = {{"q_proj", "qkv"},     {"k_proj", "qkv"},        {"v_proj", "qkv"},
                             {"o_proj", "o"},       {"gate_proj", "gate_up"}, {"up_proj", "gate_up"},
                             {"down_proj", "down"}, {"norm", "norm"},         {"lm_head", "lm_head"}};
  for (const Part& part : kParts) {
    if (tensor.find(part.in_name) != std::string_view::npos) return part.role;
  }
  return tied_head ? "lm_head" : "embed";
}

double kl_divergence(std::span<const float> expected, std::span<const float> found) {
  const double p_log_sum = log_sum_exp(expected), q_log_sum = log_sum_exp(found);
  double sum = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double p_log = static_cast<double>(expected[i]) - p_log_sum;
    sum += std::exp(p_log) * (p_log - (static_cast<double>(found[i]) - q_log_sum));
  }
  return sum < 0 ? 0 : sum;  // rounding, where the two are the same; a NaN stays
}

void LogitDifference::add(std::span<const float> stored, std::span<const float> quantised) {
  ++positions;
  const double difference = largest_difference(stored, quantised);
  if (!(difference <= max_abs)) max_abs = std::isnan(max_abs) ? max_abs : difference;  // a NaN stays
  largest_logit = std::max(largest_logit, largest_magnitude(stored));
  for (size_t i = 0; i < stored.size(); ++i) {
    const double logit = stored[i], error = logit - static_cast<double>(quantised[i]);
    norm_squared += logit * logit;
    error_squared += error * error;
  }
  same_best += best_token(stored) == best_token(quantised) ? 1 : 0;
  const double divergence = kl_divergence(stored, quantised);
  kl_sum += divergence;
  kl_max = std::max(kl_max, divergence);
}

double LogitDifference::relative() const { return std::sqrt(ratio_of(error_squared, norm_squared)); }
double LogitDifference::same_best_share() const { return ratio_of(same_best, positions); }
double LogitDifference::kl_mean() const { return ratio_of(kl_sum, positions); }
double QuantisedBytes::ratio() const { return ratio_of(static_cast<double>(quantised), static_cast<double>(stored)); }

Result<QuantisationReport> report_quantisation(const QuantisationRequest& request, ThreadPool& pool) {
  AMK_TRY(check(request));
  const model::WeightFormat format = request.quantised->weight_format();
  QuantisationReport report;
  report.model = request.stored->name();
  report.dtype = *format;
  report.from_text = request.from_text;
  report.seed = request.seed;
  compare_weights(request, pool, report);
  AMK_TRY(compare_models(request, pool, report));
  add_notes(*request.stored, model::weight_format_name(format), report);
  return report;
}

}  // namespace amk::eval
