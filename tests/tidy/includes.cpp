#include <algorithm>
#include <optional>

#include "tidy/layers.h"
#include "tidy/rules.h"

namespace amk::tidy {
namespace {

struct Include {
  size_t line = 0;
  bool quoted = false;
  std::string_view name;
};

bool lists(std::string_view names, std::string_view name) {
  for (size_t at = names.find(name); at != std::string_view::npos; at = names.find(name, at + 1)) {
    const size_t end = at + name.size();
    if ((at == 0 || names[at - 1] == ' ') && (end == names.size() || names[end] == ' ')) return true;
  }
  return false;
}

std::string_view first_part(std::string_view path) { return path.substr(0, path.find('/')); }

std::vector<Include> includes_of(const SourceFile& file) {
  std::vector<Include> includes;
  for (size_t i = 0; i < file.lines.size(); ++i) {
    // Found in the code, so that one in a comment does not count; read from the text, since the code has no strings.
    const std::string_view code = trim(file.code_lines[i]);
    if (!code.starts_with('#') || !trim(code.substr(1)).starts_with("include")) continue;
    const size_t open = file.lines[i].find_first_of("\"<");
    if (open == std::string_view::npos) continue;
    const bool quoted = file.lines[i][open] == '"';
    const size_t close = file.lines[i].find(quoted ? '"' : '>', open + 1);
    if (close == std::string_view::npos) continue;
    includes.push_back({i + 1, quoted, file.lines[i].substr(open + 1, close - open - 1)});
  }
  return includes;
}

const Layer* layer_of(const SourceFile& file) {
  for (const Layer& layer : kLayers) {
    if (file.is_in(layer.path)) return &layer;
  }
  return nullptr;
}

// Whether a file of this name is one of `stems`.
bool has_stem(std::string_view stems, std::string_view file_name) {
  for (size_t end = 1; end < file_name.size(); ++end) {
    if ((file_name[end] == '.' || file_name[end] == '_') && lists(stems, file_name.substr(0, end))) return true;
  }
  return false;
}

const StricterFiles* stricter_of(const SourceFile& file, const Layer& layer) {
  const std::string_view name = std::string_view(file.path).substr(layer.path.size() + 1);
  for (const StricterFiles& files : kStricterFiles) {
    if (files.layer == layer.name && has_stem(files.stems, name)) return &files;
  }
  return nullptr;
}

bool is_layer(std::string_view name) {
  return std::any_of(std::begin(kLayers), std::end(kLayers), [name](const Layer& layer) { return layer.name == name; });
}

bool is_device_code(const SourceFile& file) {
  const std::string shared = "engine/" + std::string(kSharedWithDevice);
  return file.path.ends_with(".cuh") || file.path.ends_with(".cu") || file.path == shared;
}

// What NVRTC can be given: engine/abi, other device code, and what the two sides share.
std::optional<std::string> refuse_on_device(const Include& include) {
  const bool ours = include.quoted && (first_part(include.name) == "abi" || include.name.ends_with(".cuh") ||
                                       include.name == kSharedWithDevice);
  if (ours || (!include.quoted && lists(kAbiHeaders, include.name))) return std::nullopt;
  return "expected device code to include only engine/abi, " + std::string(kSharedWithDevice) + ", other .cuh and " +
         std::string(kAbiHeaders) + ", found " + std::string(include.name) + ": NVRTC compiles it and has no more";
}

std::optional<std::string> refuse_ours(const Layer& layer, const StricterFiles* stricter, const Include& include) {
  const std::string name(include.name);
  const std::string_view folder = first_part(include.name);
  if (folder == include.name || !is_layer(folder)) {
    return "expected our headers as \"folder/header.h\" and libraries in <>, found \"" + name + "\"";
  }
  if (stricter != nullptr) {
    const bool own = folder == layer.name && has_stem(stricter->stems, include.name.substr(folder.size() + 1));
    if (own || lists(stricter->may_use, folder)) return std::nullopt;
    return "expected only " + std::string(stricter->may_use) + " and its own headers here, found \"" + name +
           "\": " + std::string(stricter->why);
  }
  if (folder == layer.name || lists(layer.may_use, folder)) return std::nullopt;
  const std::string allowed = layer.may_use.empty() ? "itself" : "itself and: " + std::string(layer.may_use);
  return "expected " + std::string(layer.path) + " to include only " + allowed + ", found \"" + name + "\"";
}

std::optional<std::string_view> library_of(std::string_view name) {
  for (const Library& library : kLibraries) {
    if (name.starts_with(library.start)) return library.name;
  }
  return std::nullopt;
}

bool may_use_library(const Layer& layer, const SourceFile& file, std::string_view library) {
  if (library == "json" && layer.name != "abi") {
    // One translation unit of a folder pays for JSON, whatever the folder.
    if (file.path.ends_with("_json.cpp") || file.path.ends_with("_json.h")) return true;
  }
  return lists(layer.libraries, library);
}

std::optional<std::string> refuse_library(const Layer& layer, const SourceFile& file, const Include& include) {
  const std::string name(include.name);
  const std::string_view folder = first_part(include.name);
  if (is_layer(folder) && folder != include.name) return "expected our own \"" + name + "\" in quotes, found it in <>";
  if (const auto library = library_of(include.name)) {
    if (may_use_library(layer, file, *library)) return std::nullopt;
    return "expected no use of " + std::string(*library) + " here, found <" + name + ">";
  }
  if (layer.name == "abi") {
    if (lists(kAbiHeaders, include.name)) return std::nullopt;
    return "expected no header in engine/abi but " + std::string(kAbiHeaders) + ", found <" + name +
           ">: NVRTC compiles it without a standard library";
  }
  if (folder == include.name || lists(kSystemFolders, folder)) return std::nullopt;
  return "expected a library that layers.h knows, found <" + name + ">";
}

}  // namespace

Findings check_includes(const SourceFile& file) {
  const Layer* layer = layer_of(file);
  if (layer == nullptr || !file.is_cpp()) return {};
  const StricterFiles* stricter = stricter_of(file, *layer);
  Findings findings;
  for (const Include& include : includes_of(file)) {
    auto refused = include.quoted ? refuse_ours(*layer, stricter, include) : refuse_library(*layer, file, include);
    if (!refused && is_device_code(file)) refused = refuse_on_device(include);
    if (refused) findings.push_back({file.path, include.line, include.quoted ? "include-table" : "library", *refused});
  }
  return findings;
}

}  // namespace amk::tidy
