// The two eras of MCP, and how a request says which one it belongs to.
//
// Up to 2025-11-25 a client sends "initialize" and the connection keeps what was agreed. Since 2026-07-28 every request
// carries its version and the client's capabilities, and nothing is kept.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "mcp/core/message.h"

namespace amk::mcp {

enum class Era { kLegacy, kModern };

inline constexpr std::string_view kModernVersion = "2026-07-28";
inline constexpr std::string_view kLegacyVersion = "2025-11-25";  ///< offered to who asks for one that we have not
/// Newest first.
inline constexpr std::array<std::string_view, 3> kVersions = {kModernVersion, kLegacyVersion, "2025-06-18"};

inline constexpr const char* kVersionKey = "io.modelcontextprotocol/protocolVersion";
inline constexpr const char* kCapabilitiesKey = "io.modelcontextprotocol/clientCapabilities";
inline constexpr const char* kServerInfoKey = "io.modelcontextprotocol/serverInfo";
inline constexpr const char* kLogLevelKey = "io.modelcontextprotocol/logLevel";
inline constexpr const char* kSubscriptionKey = "io.modelcontextprotocol/subscriptionId";

/// Whether the request's _meta has anything that only modern requests have.
[[nodiscard]] bool looks_modern(const Message& message);

/// What is wrong with a modern request's _meta, or nothing.
[[nodiscard]] std::optional<RpcError> modern_problem(const Message& message);

/// The version agreed on with a legacy client that asks for `wanted`.
[[nodiscard]] std::string agreed_version(const std::string& wanted);

}  // namespace amk::mcp
