#include "model/weight_files.h"

#include <fmt/format.h>

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "base/files.h"
#include "model/json_reader.h"

namespace amk::model {
namespace {

constexpr uint64_t kIndexBytesMax = 64ULL << 20;
constexpr std::string_view kSingleName = "model.safetensors";
constexpr std::string_view kIndexName = "model.safetensors.index.json";

/// Whether anything of that name is there, a dangling link included: the open then says what is wrong with it.
bool present(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::symlink_status(path, ignored).type() != std::filesystem::file_type::not_found;
}

/// Shard file name to the tensors the index puts in it.
using ShardMap = std::map<std::string, std::set<std::string>>;

/// A name in the directory itself: an index from elsewhere must not reach other files.
bool is_plain_file_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.size() <= 255 &&
         name.find_first_of(std::string_view("/\\\0", 3)) == std::string_view::npos;
}

Result<ShardMap> read_index(const std::filesystem::path& path) {
  const std::string location = path.string();
  AMK_ASSIGN_OR_RETURN(const std::string text, read_file(path, kIndexBytesMax));
  AMK_ASSIGN_OR_RETURN(const Json json, parse_json(text, location));
  AMK_ASSIGN_OR_RETURN(JsonObject index, JsonObject::create(json, location, ""));
  if (index.has("metadata") && !index.at("metadata").is_object() && !index.at("metadata").is_null()) {
    return index.refusal(ErrorCode::kBadInput, "metadata", "an object");
  }
  AMK_ASSIGN_OR_RETURN(JsonObject map, index.object("weight_map"));
  if (const auto unread = index.unread(); !unread.empty()) {
    return index.refusal(ErrorCode::kUnsupported, unread[0], "no such key, as its meaning is not modelled");
  }
  ShardMap shards;
  for (const std::string& tensor : map.unread()) {
    AMK_ASSIGN_OR_RETURN(const std::string file, map.string(tensor));
    if (!is_plain_file_name(file)) {
      return map.refusal(ErrorCode::kBadInput, tensor, "the name of a file in the same directory");
    }
    shards[file].insert(tensor);
  }
  if (shards.empty()) return index.refusal(ErrorCode::kBadInput, "weight_map", "at least one tensor");
  return shards;
}

/// Index and file must name the same tensors.
Status check_shard(const SafetensorsFile& file, const std::set<std::string>& listed) {
  const std::string location = file.path().string();
  for (const std::string& tensor : listed) {
    if (file.tensors().contains(tensor)) continue;
    return Error{
        ErrorCode::kBadInput,
        fmt::format("tensor '{}': expected it in this file, as {} says, found none", printable(tensor), kIndexName),
        location, ""};
  }
  for (const auto& [tensor, view] : file.tensors()) {
    if (listed.contains(tensor)) continue;
    return Error{ErrorCode::kBadInput,
                 fmt::format("tensor '{}': expected {} to list it in this file, found that it does not",
                             printable(tensor), kIndexName),
                 location, ""};
  }
  return {};
}

Result<std::vector<SafetensorsFile>> open_shards(const std::filesystem::path& directory) {
  AMK_ASSIGN_OR_RETURN(const ShardMap shards, read_index(directory / kIndexName));
  if (present(directory / kSingleName) && !shards.contains(std::string(kSingleName))) {
    return Error{ErrorCode::kBadInput,
                 fmt::format("expected {} or the shards of {}, found both", kSingleName, kIndexName),
                 directory.string(), "remove the one that is not meant"};
  }
  std::vector<SafetensorsFile> files;
  for (const auto& [name, listed] : shards) {
    if (!present(directory / name)) {
      return Error{ErrorCode::kBadInput, fmt::format("expected shard '{}', found no such file", printable(name)),
                   (directory / kIndexName).string(), "the checkpoint is not complete"};
    }
    AMK_ASSIGN_OR_RETURN(SafetensorsFile file, SafetensorsFile::open(directory / name));
    AMK_TRY(check_shard(file, listed));
    files.push_back(std::move(file));
  }
  return files;
}

/// No weights that can be read: says what is there instead.
Error no_weights(const std::filesystem::path& directory) {
  Error error{ErrorCode::kBadInput, fmt::format("expected {} or {}, found neither", kSingleName, kIndexName),
              directory.string(), ""};
  for (const std::string_view other : {"pytorch_model.bin", "pytorch_model.bin.index.json", "consolidated.00.pth",
                                       "consolidated.safetensors", "tf_model.h5", "flax_model.msgpack"}) {
    if (!present(directory / other)) continue;
    error.code = ErrorCode::kUnsupported;
    error.message += fmt::format(", only '{}'", other);
    error.hint = "load it with transformers and save_pretrained(..., safe_serialization=True)";
    break;
  }
  return error;
}

}  // namespace

Result<std::vector<SafetensorsFile>> open_weight_files(const std::filesystem::path& directory) {
  if (present(directory / "adapter_config.json")) {
    return Error{ErrorCode::kUnsupported, "expected whole weights, found an adapter (adapter_config.json)",
                 directory.string(), "merge it into its base model first (peft: merge_and_unload)"};
  }
  if (present(directory / kIndexName)) return open_shards(directory);
  if (!present(directory / kSingleName)) return no_weights(directory);
  AMK_ASSIGN_OR_RETURN(SafetensorsFile file, SafetensorsFile::open(directory / kSingleName));
  std::vector<SafetensorsFile> files;
  files.push_back(std::move(file));
  return files;
}

}  // namespace amk::model
