#include "mcp/core/era.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "mcp/core/log_level.h"

namespace amk::mcp {

bool looks_modern(const Message& message) {
  const Json& meta = member(message.params, "_meta");
  return meta.is_object() && (meta.contains(kVersionKey) || meta.contains(kCapabilitiesKey));
}

std::optional<RpcError> modern_problem(const Message& message) {
  const Json& meta = member(message.params, "_meta");
  const Json& version = member(meta, kVersionKey);
  if (!version.is_string()) {
    return RpcError{RpcCode::kInvalidParams,
                    fmt::format("expected params._meta[\"{}\"], a version such as \"{}\", found {}", kVersionKey,
                                kModernVersion, version.is_null() ? "none" : version.type_name()),
                    nullptr};
  }
  if (version != std::string(kModernVersion)) {
    return RpcError{
        RpcCode::kUnsupportedVersion,
        fmt::format("expected the version {} in params._meta (earlier ones begin with \"initialize\"), found {}",
                    kModernVersion, shown(version)),
        {{"supported", kVersions}, {"requested", version}}};
  }
  if (const Json& capabilities = member(meta, kCapabilitiesKey); !capabilities.is_object()) {
    return RpcError{RpcCode::kInvalidParams,
                    fmt::format("expected params._meta[\"{}\"], an object (it may be empty), found {}",
                                kCapabilitiesKey, capabilities.is_null() ? "none" : capabilities.type_name()),
                    nullptr};
  }
  if (const Json& level = member(meta, kLogLevelKey); !level.is_null()) {
    if (!level.is_string() || !log_level_of(level.get_ref<const std::string&>())) {
      return RpcError{RpcCode::kInvalidParams,
                      fmt::format("expected params._meta[\"{}\"] to be one of {}, found {}", kLogLevelKey,
                                  join(kLogLevelNames), shown(level)),
                      nullptr};
    }
  }
  return std::nullopt;
}

std::string agreed_version(const std::string& wanted) {
  const bool ours = std::ranges::count(kVersions, wanted) > 0 && wanted != kModernVersion;
  return ours ? wanted : std::string(kLegacyVersion);
}

}  // namespace amk::mcp
