#include "model/rope_reader.h"

#include <fmt/format.h>

#include <optional>

namespace amk::model {
namespace {

constexpr double kThetaMax = 1e12;
constexpr double kFactorMax = 1e6;
constexpr uint64_t kContextMax = 1ULL << 24;

/// One source's word on the frequencies. Theta may be given beside the scaling or in it.
struct RopeSource {
  std::string name;
  std::optional<double> theta;
  std::optional<RopeConfig> scaling;  // its theta is not set
};

Result<std::optional<double>> read_theta(JsonObject& object) {
  if (!object.has("rope_theta")) return std::optional<double>();
  AMK_ASSIGN_OR_RETURN(const double theta, object.number("rope_theta", 1.0, kThetaMax));
  return std::optional<double>(theta);
}

/// `rope_type`, or `type` in files from before transformers 4.43, or both; "default" where neither is there and
/// nothing else would need it.
Result<std::string> read_type(JsonObject& object) {
  std::optional<std::string> type;
  for (const std::string_view key : {"rope_type", "type"}) {
    if (!object.has(key)) continue;
    AMK_ASSIGN_OR_RETURN(const std::string found, object.string(key));
    if (type && *type != found) return object.refusal(ErrorCode::kBadInput, key, fmt::format("\"{}\"", *type));
    type = found;
  }
  return type.value_or("default");
}

Result<RopeConfig> read_llama3(JsonObject& object) {
  RopeConfig rope;
  rope.scaling = RopeScaling::kLlama3;
  AMK_ASSIGN_OR_RETURN(rope.factor, object.number("factor", 1.0, kFactorMax));
  AMK_ASSIGN_OR_RETURN(rope.low_freq_factor, object.number("low_freq_factor", 1e-3, kFactorMax));
  AMK_ASSIGN_OR_RETURN(rope.high_freq_factor, object.number("high_freq_factor", 1e-3, kFactorMax));
  AMK_ASSIGN_OR_RETURN(rope.original_context, object.integer("original_max_position_embeddings", 1, kContextMax));
  if (rope.high_freq_factor <= rope.low_freq_factor) {
    return object.refusal(ErrorCode::kBadInput, "high_freq_factor",
                          fmt::format("a number above low_freq_factor, which is {}", rope.low_freq_factor));
  }
  return rope;
}

Result<RopeConfig> read_linear(JsonObject& object) {
  RopeConfig rope;
  rope.scaling = RopeScaling::kLinear;
  AMK_ASSIGN_OR_RETURN(rope.factor, object.number("factor", 1.0, kFactorMax));
  return rope;
}

Result<RopeConfig> read_scaling(JsonObject& object) {
  AMK_ASSIGN_OR_RETURN(const std::string type, read_type(object));
  RopeConfig rope;
  if (type == "linear") {
    AMK_ASSIGN_OR_RETURN(rope, read_linear(object));
  } else if (type == "llama3") {
    AMK_ASSIGN_OR_RETURN(rope, read_llama3(object));
  } else if (type != "default") {
    const std::string_view key = object.has("rope_type") ? "rope_type" : "type";
    return object.refusal(ErrorCode::kUnsupported, key, "\"default\", \"linear\" or \"llama3\"");
  }
  if (object.has_value("partial_rotary_factor") && object.at("partial_rotary_factor") != 1.0) {
    return object.refusal(ErrorCode::kUnsupported, "partial_rotary_factor", "1.0");
  }
  if (const auto unread = object.unread(); !unread.empty()) {
    return object.refusal(ErrorCode::kUnsupported, unread[0],
                          fmt::format("no such key with rope type \"{}\"", printable(type)));
  }
  return rope;
}

/// `rope_scaling` or `rope_parameters`; null and absent say nothing.
Result<RopeSource> read_source(JsonObject& config, const std::string& key) {
  RopeSource source{key, {}, {}};
  if (!config.has_value(key)) return source;
  AMK_ASSIGN_OR_RETURN(JsonObject object, config.object(key));
  AMK_ASSIGN_OR_RETURN(source.theta, read_theta(object));
  AMK_ASSIGN_OR_RETURN(source.scaling, read_scaling(object));
  return source;
}

}  // namespace

Result<RopeConfig> read_rope_config(JsonObject& config) {
  RopeSource top{"rope_theta", {}, {}};
  AMK_ASSIGN_OR_RETURN(top.theta, read_theta(config));
  AMK_ASSIGN_OR_RETURN(const RopeSource parameters, read_source(config, "rope_parameters"));
  AMK_ASSIGN_OR_RETURN(const RopeSource scaling, read_source(config, "rope_scaling"));

  std::optional<double> theta;
  std::optional<RopeConfig> rope;
  for (const RopeSource& source : {top, parameters, scaling}) {
    if (source.theta && theta && *theta != *source.theta) {
      return Error{
          ErrorCode::kBadInput,
          fmt::format("rope_theta: expected one value, found {} and, in {}, {}", *theta, source.name, *source.theta),
          config.location(), ""};
    }
    if (source.scaling && rope && *rope != *source.scaling) {
      return Error{ErrorCode::kBadInput, "rope_scaling: expected what rope_parameters says, found something else",
                   config.location(), ""};
    }
    if (source.theta) theta = source.theta;
    if (source.scaling) rope = source.scaling;
  }
  RopeConfig out = rope.value_or(RopeConfig{});
  out.theta = theta.value_or(10000.0);
  return out;
}

}  // namespace amk::model
