// The schemas of arguments and results that tools share, from the engine's tables where there is one.
//
// Some clients drop ranges and defaults from a schema, so descriptions say them too.
#pragma once

#include <string>

#include "mcp/core/json.h"

namespace amk::mcp {

/// {"type": "object", ...}: `properties` in the order in which they are read, those of `required` must be there.
[[nodiscard]] Json object_schema(Json properties, Json required, Json example);
/// As a result: "summary" and "next" come first and are required, and so is everything else; what an object has beyond
/// that is allowed.
[[nodiscard]] Json result_schema(Json properties);

[[nodiscard]] Json integer_property(const std::string& doc, uint64_t min, uint64_t max, uint64_t default_value);
[[nodiscard]] Json text_property(const std::string& doc, size_t characters_max = 4096);
[[nodiscard]] Json flag_property(const std::string& doc);
[[nodiscard]] Json choice_property(const std::string& doc, Json names);

/// What weights can be quantised to: ["int8", "int8:64", ...].
[[nodiscard]] Json quantised_formats();
[[nodiscard]] Json model_property();
/// gpu, context, schedule, weights, kv_dtype, rope_frequencies: how a model is read and compiled.
[[nodiscard]] Json with_schedule(Json properties);
/// device, threads.
[[nodiscard]] Json with_device(Json properties);
/// wait_s.
[[nodiscard]] Json with_wait(Json properties);

/// {"type": [TYPE, "null"], "description": doc}.
[[nodiscard]] Json or_null(const char* type, const std::string& doc);
[[nodiscard]] Json typed(const char* type, const std::string& doc);

}  // namespace amk::mcp
