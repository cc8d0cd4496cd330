// What the worker can be asked, by name. Parameters and results are JSON; a handler's own comment says which.
#pragma once

#include "ipc/serve.h"

namespace amk::worker {

/// {"hello"}: what every worker answers first.
[[nodiscard]] ipc::Handlers greeting();

/// greeting(), {"devices"}, and program_handlers() (worker/session.h) on the CUDA VM.
[[nodiscard]] ipc::Handlers handlers(bool with_test_hooks);

/// Ways to go wrong, and an echo: {"babble", "crash", "dawdle", "echo", "fail", "hang"}. Only with --test-hooks.
[[nodiscard]] ipc::Handlers test_hooks();

}  // namespace amk::worker
