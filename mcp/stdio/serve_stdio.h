// MCP over standard input and output: a message a line.
#pragma once

#include "base/result.h"
#include "mcp/core/server.h"
#include "mcp/stdio/log_file.h"

namespace amk::mcp {

/// The longest message that is read, and the end of a line not counted.
inline constexpr size_t kMessageBytesMax = 16U << 20U;

/// Serves until the input ends, nobody reads the output, or SIGTERM or SIGINT comes. After the end of the input, calls
/// have a moment to finish, so that a session can be piped in. kIo where a standard stream is closed.
Status serve_stdio(const Server& server, LogFile& log);

}  // namespace amk::mcp
