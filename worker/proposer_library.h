// A proposer in a shared library (abi/proposer_abi.h), hosted by a worker: whatever it does, amk lives.
#pragma once

#include <string>

#include "ipc/serve.h"

namespace amk::worker {

/// "load": {} -> null, and "propose": {"state": JSON as text, "answer_bytes": most that it may answer} -> the answer, a
/// string. Both load the library where it is not yet: kBadInput where that cannot be, or it answers with a failure.
[[nodiscard]] ipc::Handlers proposer_handlers(const std::string& library);

}  // namespace amk::worker
