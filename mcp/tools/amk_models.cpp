// amk_models: the models that can be named, and what they are.
#include <fmt/format.h>

#include <filesystem>

#include "abi/tables.h"
#include "mcp/tools/completions.h"
#include "mcp/tools/schemas.h"
#include "mcp/tools/toolset.h"
#include "model/checkpoint.h"
#include "model/model_config.h"
#include "model/synthetic.h"

namespace amk::mcp {
namespace {

namespace fs = std::filesystem;

Json facts(const std::string& name, const char* kind, const model::ModelConfig& config) {
  return {{"model", name},
          {"kind", kind},
          {"architecture", config.architecture},
          {"layers", config.layer_count},
          {"hidden_size", config.hidden_size},
          {"intermediate_size", config.intermediate_size},
          {"heads", config.q_head_count},
          {"kv_heads", config.kv_head_count},
          {"head_dim", config.head_dim},
          {"vocab_size", config.vocab_size},
          {"context_max", config.context_max},
          {"dtype", abi::dtype_name(config.dtype)},
          {"problem", nullptr}};
}

Json unusable(const std::string& name, const Error& error) {
  Json out = facts(name, "checkpoint", model::ModelConfig{});
  out["problem"] = error.text();
  return out;
}

Json folder_facts(const fs::path& folder) {
  const Result<model::ModelConfig> config = model::read_model_config(folder);
  return config ? facts(folder.string(), "checkpoint", *config) : unusable(folder.string(), config.error());
}

ToolResult run(const Json& arguments) {
  const std::string folder = arguments.value("folder", "models");
  std::error_code problem;
  ToolResult out;
  if (arguments.contains("folder") && !fs::is_directory(folder, problem)) {
    return failure({ErrorCode::kUsage, fmt::format("expected a folder, found none at '{}'", folder), "folder",
                    "give the folder that holds checkpoints' folders, or leave it out"});
  }
  Json models = Json::array();
  for (const std::string_view name : model::builtin_models()) {
    models.push_back(facts(std::string(name), "built-in", *model::builtin_config(name)));
  }
  const size_t built_in = models.size();
  for (const fs::path& path : checkpoint_folders(folder)) models.push_back(folder_facts(path));
  out.structured = {
      {"summary", fmt::format("{} built-in models with made-up weights, {} checkpoints in {}.", built_in,
                              models.size() - built_in, folder)},
      {"next",
       "Give a \"model\" to amk_propose, amk_eval, amk_compile, amk_bench or amk_trace. Any other folder with a "
       "checkpoint is good too."},
      {"models", std::move(models)}};
  return out;
}

}  // namespace

Tool amk_models() {
  Tool out;
  out.name = "amk_models";
  out.title = "Models that can be compiled";
  out.description =
      "Lists the models that the other AMK tools can be given: built-in shapes (made-up weights, real sizes) and the "
      "checkpoints in a folder, with their sizes; what is wrong with a checkpoint is its \"problem\".";
  out.input_schema = object_schema(
      {{"folder",
        text_property("A checkpoint's folder, or one that holds checkpoints' folders; default models, in the server's "
                      "working directory.")}},
      Json::array(), {{"folder", "models"}});
  Json properties = {{"model", typed("string", "What to give as \"model\".")},
                     {"kind", {{"type", "string"}, {"enum", {"built-in", "checkpoint"}}}}};
  for (const char* text : {"architecture", "dtype"}) properties[text] = {{"type", "string"}};
  for (const char* number :
       {"layers", "hidden_size", "intermediate_size", "heads", "kv_heads", "head_dim", "vocab_size", "context_max"}) {
    properties[number] = {{"type", "integer"}};
  }
  properties["problem"] = or_null("string", "Why it cannot be used.");
  out.output_schema =
      result_schema({{"models", {{"type", "array"}, {"items", {{"type", "object"}, {"properties", properties}}}}}});
  out.annotations = {.read_only = true, .idempotent = true};
  out.call = [](const Json& arguments, CallContext&) { return run(arguments); };
  return out;
}

}  // namespace amk::mcp
