// Resources: what clients may read by a URI, and how a URI is found among them.
//
// A resource has a URI of its own; a template has places in its URI, "{run_id}", each of which stands for what is
// between two slashes, percent-encoded. Nothing here opens a file: what is behind a URI is the reader's business, which
// must judge the variables that it is given.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mcp/core/json.h"

namespace amk::mcp {

/// What a resource holds.
struct Contents {
  std::string text;       ///< text, or base64 where `is_base64`
  std::string mime_type;  ///< empty: the resource's own
  bool is_base64 = false;
};

/// Values for the places of a template, decoded.
using Variables = std::map<std::string, std::string>;

/// Values that a person may mean who has typed so much, the best first.
using Complete = std::function<std::vector<std::string>(const std::string& typed)>;

struct Resource {
  std::string uri;  ///< or that of a template
  std::string name;
  std::string title;
  std::string description;
  std::string mime_type;
  uint64_t size = 0;     ///< bytes; 0: not known
  bool changes = false;  ///< while the server runs: clients are not to keep it
  /// An Error where there is no such resource; kInternal where that is a bug of ours.
  std::function<Result<Contents>(const Variables&)> read;
  /// A text that is another one whenever the contents are; empty where they never change.
  std::function<std::string(const Variables&)> state;
  std::map<std::string, Complete> completions;  ///< of a template's variables, by name
};

/// A URI that has been recognised.
struct FoundResource {
  const Resource* resource = nullptr;
  Variables variables;
};

class Resources {
 public:
  Resources() = default;
  /// A resource whose URI has places is a template.
  explicit Resources(std::vector<Resource> all);

  [[nodiscard]] bool empty() const { return resources_.empty() && templates_.empty(); }
  /// As resources/list and resources/templates/list have them.
  [[nodiscard]] Json resource_definitions() const;
  [[nodiscard]] Json template_definitions() const;
  /// nullopt for a URI of none. Whether it holds anything is for read() to say.
  [[nodiscard]] std::optional<FoundResource> find(const std::string& uri) const;
  /// By its URI with the places in it; null for none.
  [[nodiscard]] const Resource* find_template(const std::string& uri_template) const;

 private:
  std::vector<Resource> resources_;
  std::vector<Resource> templates_;
};

/// The values that make `uri` of `uri_template`; nullopt where none do.
[[nodiscard]] std::optional<Variables> match_template(std::string_view uri_template, std::string_view uri);

/// "%2e" to "."; nullopt for what is no encoding, or of no UTF-8.
[[nodiscard]] std::optional<std::string> percent_decoded(std::string_view text);
/// Whatever is not unreserved in a URI, encoded.
[[nodiscard]] std::string percent_encoded(std::string_view text);

}  // namespace amk::mcp
