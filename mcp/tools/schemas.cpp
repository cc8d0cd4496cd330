#include "mcp/tools/schemas.h"

#include <fmt/format.h>

#include <string_view>

#include "abi/tables.h"
#include "model/checkpoint.h"
#include "schedule/schedule_config_json.h"

namespace amk::mcp {
namespace {

Json merged(Json first, const Json& second) {
  first.update(second);
  return first;
}

/// docs/schedule.schema.json, as an argument.
Json schedule_property() {
  Json out = Json::parse(schedule::config_schema());
  out.erase("$schema");
  out.erase("title");
  out["description"] =
      "The knobs of the schedule; what is left out keeps its default. amk_propose says what each is now and what "
      "turning "
      "it is predicted to do.";
  return out;
}

Json gpu_names() {
  Json out = {"auto", "none"};
  for (const abi::TargetInfo& target : abi::kTargets) out.push_back(target.name);
  return out;
}

Json weight_formats() {
  Json out = Json::array({"stored"});
  for (const Json& name : quantised_formats()) out.push_back(name);
  return out;
}

}  // namespace

Json quantised_formats() {
  return {"int8", "int8:64", "int8:128", "int8:row", "int4", "int4:64", "int4:128", "int4:row"};
}

Json object_schema(Json properties, Json required, Json example) {
  return {{"type", "object"},
          {"properties", std::move(properties)},
          {"required", std::move(required)},
          {"additionalProperties", false},
          {"examples", Json::array({std::move(example)})}};
}

Json result_schema(Json properties) {
  Json all = {{"summary", typed("string", "What came of it, in a sentence or two.")},
              {"next", typed("string", "What to do next.")}};
  all.update(properties);
  Json required = Json::array();
  for (const auto& [name, unused] : all.items()) required.push_back(name);
  return {{"type", "object"}, {"properties", std::move(all)}, {"required", std::move(required)}};
}

Json integer_property(const std::string& doc, uint64_t min, uint64_t max, uint64_t default_value) {
  return {{"type", "integer"},
          {"minimum", min},
          {"maximum", max},
          {"default", default_value},
          {"description", fmt::format("{} From {} to {}; default {}.", doc, min, max, default_value)}};
}

Json text_property(const std::string& doc, size_t characters_max) {
  return {{"type", "string"}, {"minLength", 1}, {"maxLength", characters_max}, {"description", doc}};
}

Json flag_property(const std::string& doc) {
  return {{"type", "boolean"}, {"default", false}, {"description", doc + " Default false."}};
}

Json choice_property(const std::string& doc, Json names) {
  std::string all;
  for (const Json& name : names) all += (all.empty() ? "" : ", ") + name.get<std::string>();
  return {{"type", "string"}, {"enum", std::move(names)}, {"description", fmt::format("{} One of {}.", doc, all)}};
}

Json model_property() {
  return text_property(
      fmt::format("The checkpoint's directory (config.json with safetensors), or a built-in model: {}.",
                  fmt::join(model::builtin_models(), ", ")));
}

Json with_schedule(Json properties) {
  return merged(
      std::move(properties),
      {{"gpu", choice_property("The GPU that the program is for; auto (default): this machine's, else h100; none: "
                               "h100, and no GPU is used.",
                               gpu_names())},
       {"context",
        {{"type", "integer"},
         {"minimum", 1},
         {"maximum", 1048576},
         {"description", "Positions that the KV caches hold. From 1 to 1048576; default: the model's, at most 2048."}}},
       {"schedule", schedule_property()},
       {"weights",
        choice_property("What every matrix is quantised to as it is read; default stored.", weight_formats())},
       {"kv_dtype", choice_property("What the KV caches hold; default f32.", {"f32", "f16", "bf16"})},
       {"rope_frequencies",
        choice_property("How precise the rotary frequencies are; default float32.", {"float32", "stored"})}});
}

Json with_device(Json properties) {
  return merged(
      std::move(properties),
      {{"device", choice_property("What runs the program; default auto: the GPU that it is for where this machine "
                                  "has one, else the CPU.",
                                  {"auto", "cpu", "cuda"})},
       {"threads",
        {{"type", "integer"},
         {"minimum", 1},
         {"maximum", 1024},
         {"description", "Threads of the CPU to use. From 1 to 1024; default: every core."}}}});
}

Json with_wait(Json properties) {
  return merged(
      std::move(properties),
      {{"wait_s", integer_property("Seconds to wait for the run to end before its id is returned.", 0, 240, 20)}});
}

Json or_null(const char* type, const std::string& doc) { return {{"type", {type, "null"}}, {"description", doc}}; }

Json typed(const char* type, const std::string& doc) { return {{"type", type}, {"description", doc}}; }

}  // namespace amk::mcp
