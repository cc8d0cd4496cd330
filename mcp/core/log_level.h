// The severities of log messages, as MCP has them from syslog.
#pragma once

#include <array>
#include <optional>
#include <string_view>

namespace amk::mcp {

/// The mildest first, so that they compare.
enum class LogLevel { kDebug, kInfo, kNotice, kWarning, kError, kCritical, kAlert, kEmergency };

inline constexpr std::array<std::string_view, 8> kLogLevelNames = {"debug", "info",     "notice", "warning",
                                                                   "error", "critical", "alert",  "emergency"};

[[nodiscard]] constexpr std::string_view log_level_name(LogLevel level) {
  return kLogLevelNames[static_cast<size_t>(level)];
}

/// nullopt for what is no level's name.
[[nodiscard]] constexpr std::optional<LogLevel> log_level_of(std::string_view name) {
  for (size_t i = 0; i < kLogLevelNames.size(); ++i) {
    if (kLogLevelNames[i] == name) return static_cast<LogLevel>(i);
  }
  return std::nullopt;
}

}  // namespace amk::mcp
