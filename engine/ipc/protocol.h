// What a client and a worker say to each other, as frames (ipc/framing.h).
//
//   request   {"id": 7, "name": "bench", "params": {...}}
//   progress  {"id": 7, "progress": ...}                  any number of them, before the reply
//   reply     {"id": 7, "ok": true, "result": ...}
//             {"id": 7, "ok": false, "error": {"code", "message", "location", "hint", "fault"?}}
//
// One request at a time; ids count up from 1. The first request is "hello", which says kProtocol. Bytes (logits,
// traces) travel as base64 strings (base/base64.h): a vocabulary of 128,256 floats takes 0.7 MB. What would not fit in
// a frame belongs in a file whose path is a parameter.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "ipc/fault.h"
#include "ipc/framing.h"

namespace amk::ipc {

inline constexpr uint32_t kProtocol = 1;

struct ReplyError {
  Error error;
  std::optional<Fault> fault;
};

[[nodiscard]] Json to_json(const Fault& fault);
[[nodiscard]] Json to_json(const ReplyError& error);

/// nullopt where a field is missing or of another type; a code that is none of ours is kInternal.
[[nodiscard]] std::optional<ReplyError> reply_error_from(const Json& json);

}  // namespace amk::ipc
