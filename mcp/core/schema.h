// JSON Schema as the tools use it: a value against a schema, with words for whoever has to mend it.
//
// Owns a closed set of keywords of draft 2020-12 (those that the tools and docs/schedule.schema.json use), none of
// which needs $ref or a network. unknown_keyword() is how a schema that uses another is refused. Libraries say that a
// value does not fit; an agent needs to hear what would.
#pragma once

#include <string>
#include <vector>

#include "mcp/core/json.h"

namespace amk::mcp {

struct SchemaFinding {
  std::string path;     ///< "schedule.tiling.gemv.n_tile"; empty: the value itself
  std::string problem;  ///< "expected an integer from 1 to 4096, found 0"

  /// "path: problem".
  [[nodiscard]] std::string text() const { return path.empty() ? problem : path + ": " + problem; }
};

/// Every way in which the value does not fit; empty where it does. The schema has no unknown_keyword().
[[nodiscard]] std::vector<SchemaFinding> check_schema(const Json& schema, const Json& value);

/// What the schema asks for, in words: "an integer from 1 to 4096", "one of \"f32\", \"f16\"".
[[nodiscard]] std::string describe_schema(const Json& schema);

/// The first keyword of the schema, or of those in it, that check_schema() does not know; empty: it knows all.
[[nodiscard]] std::string unknown_keyword(const Json& schema);

}  // namespace amk::mcp
