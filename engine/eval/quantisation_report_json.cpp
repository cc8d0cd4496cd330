#include "eval/quantisation_report_json.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "model/quantise.h"

namespace amk::eval {
namespace {

using Json = nlohmann::ordered_json;

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json bytes_json(const QuantisedBytes& bytes) {
  return {{"stored", bytes.stored}, {"quantised", bytes.quantised}, {"ratio", number(bytes.ratio())}};
}

Json format_json(abi::Dtype dtype) {
  const unsigned group = abi::dtype_group(dtype);
  return {{"format", model::weight_format_name(dtype)},
          {"dtype", abi::dtype_name(dtype)},
          {"bits", abi::dtype_bits(dtype)},
          {"group", group == abi::kWholeRow ? Json(nullptr) : Json(group)}};
}

Json role_json(const QuantisedRole& role) {
  return {{"role", role.role},
          {"tensors", role.tensors},
          {"bytes", bytes_json(role.bytes)},
          {"relative_error", number(role.error.relative())},
          {"max_abs_error", number(role.error.max_abs_error)}};
}

Json tensor_json(const QuantisedTensor& tensor) {
  return {{"name", tensor.name},
          {"role", tensor.role},
          {"shape", tensor.shape},
          {"stored_dtype", abi::dtype_name(tensor.stored)},
          {"bytes", bytes_json(tensor.bytes)},
          {"relative_error", number(tensor.error.relative())},
          {"max_abs_error", number(tensor.error.max_abs_error)}};
}

Json oracle_json(const QuantisationReport& report) {
  const LogitDifference& logits = report.logits;
  return {{"positions", logits.positions},
          {"tokens", report.from_text ? "text" : "seed"},
          {"seed", report.from_text ? Json(nullptr) : Json(report.seed)},
          {"max_abs_difference", number(logits.max_abs)},
          {"largest_logit", number(logits.largest_logit)},
          {"relative_difference", number(logits.relative())},
          {"top1_agreement", number(logits.same_best_share())},
          {"mean_kl_nats", number(logits.kl_mean())},
          {"max_kl_nats", number(logits.kl_max)}};
}

Json perplexity_json(const std::optional<QuantisationReport::Perplexity>& perplexity) {
  if (!perplexity) return nullptr;
  return {{"tokens", perplexity->tokens},
          {"stored", number(perplexity->stored)},
          {"quantised", number(perplexity->quantised)}};
}

}  // namespace

std::string quantisation_report_to_json(const QuantisationReport& report) {
  Json roles = Json::array(), tensors = Json::array();
  for (const QuantisedRole& role : report.roles) roles.push_back(role_json(role));
  for (const QuantisedTensor& tensor : report.tensors) tensors.push_back(tensor_json(tensor));
  const Json out = {{"model", report.model},
                    {"weights", format_json(report.dtype)},
                    {"bytes", {{"streamed", bytes_json(report.streamed)}, {"all", bytes_json(report.all)}}},
                    {"oracle", oracle_json(report)},
                    {"perplexity", perplexity_json(report.perplexity)},
                    {"roles", std::move(roles)},
                    {"tensors", std::move(tensors)},
                    {"notes", report.notes}};
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace amk::eval
