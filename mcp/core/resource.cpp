#include "mcp/core/resource.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <utility>

namespace amk::mcp {
namespace {

/// The text up to the next '/', which is taken off with it.
std::string_view next_segment(std::string_view& rest) {
  const size_t end = std::min(rest.find('/'), rest.size());
  const std::string_view segment = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return segment;
}

bool is_place(std::string_view segment) {
  return segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
}

Json definition_of(const Resource& resource, const char* uri_key) {
  Json out = {{uri_key, resource.uri},
              {"name", resource.name},
              {"title", resource.title},
              {"description", resource.description}};
  if (!resource.mime_type.empty()) out["mimeType"] = resource.mime_type;
  if (resource.size > 0) out["size"] = resource.size;
  return out;
}

Json definitions_of(const std::vector<Resource>& resources, const char* uri_key) {
  Json out = Json::array();
  for (const Resource& resource : resources) out.push_back(definition_of(resource, uri_key));
  return out;
}

/// What is no UTF-8 does not come back as it was.
bool is_utf8(const std::string& text) { return Json::parse(to_line(text)) == text; }

}  // namespace

Resources::Resources(std::vector<Resource> all) {
  for (Resource& resource : all) {
    auto& list = resource.uri.find('{') == std::string::npos ? resources_ : templates_;
    list.push_back(std::move(resource));
  }
}

Json Resources::resource_definitions() const { return definitions_of(resources_, "uri"); }

Json Resources::template_definitions() const { return definitions_of(templates_, "uriTemplate"); }

std::optional<FoundResource> Resources::find(const std::string& uri) const {
  const auto found = std::ranges::find(resources_, uri, &Resource::uri);
  if (found != resources_.end()) return FoundResource{&*found, {}};
  for (const Resource& one : templates_) {
    if (std::optional<Variables> variables = match_template(one.uri, uri))
      return FoundResource{&one, std::move(*variables)};
  }
  return std::nullopt;
}

const Resource* Resources::find_template(const std::string& uri_template) const {
  const auto found = std::ranges::find(templates_, uri_template, &Resource::uri);
  return found == templates_.end() ? nullptr : &*found;
}

std::optional<Variables> match_template(std::string_view uri_template, std::string_view uri) {
  Variables out;
  if (std::ranges::count(uri_template, '/') != std::ranges::count(uri, '/')) return std::nullopt;
  while (!uri_template.empty()) {
    const std::string_view wanted = next_segment(uri_template);
    const std::string_view given = next_segment(uri);
    if (!is_place(wanted)) {
      if (wanted != given) return std::nullopt;
      continue;
    }
    const std::optional<std::string> value = percent_decoded(given);
    if (!value || value->empty()) return std::nullopt;
    out[std::string(wanted.substr(1, wanted.size() - 2))] = *value;
  }
  return out;
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    unsigned value = 0;
    const auto [end, problem] = std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16);
    if (problem != std::errc() || end != text.data() + i + 3) return std::nullopt;
    out += static_cast<char>(value);
    i += 2;
  }
  if (!is_utf8(out)) return std::nullopt;
  return out;
}

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = std::isalnum(byte) != 0 || std::string_view("-._~").find(c) != std::string_view::npos;
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", byte);
  }
  return out;
}

}  // namespace amk::mcp
