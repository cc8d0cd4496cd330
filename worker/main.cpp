// amk-worker: the process that touches what may crash, the GPU or a proposer's library. Started by amk and amk-mcp,
// spoken to over its standard streams.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdio>
#include <string_view>

#include "worker/handlers.h"
#include "worker/proposer_library.h"

namespace {

using amk::ipc::Handlers;

int fail(const amk::Error& error, int code) {
  fmt::print(stderr, "amk-worker: {}\n", error.text());
  return code;
}

/// What the arguments ask for; empty where they are none that there are.
Handlers asked_for(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  if (argc == 1) return amk::worker::handlers(false);
  if (argc == 2 && what == "--test-hooks") return amk::worker::handlers(true);
  if (argc != 3 || what != "--proposer") return {};
  Handlers out = amk::worker::proposer_handlers(argv[2]);
  out.merge(amk::worker::greeting());
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  const Handlers handlers = asked_for(argc, argv);
  if (handlers.empty()) {
    fmt::print(
        stderr,
        "amk-worker: expected --test-hooks, --proposer LIBRARY or nothing, found '{}'; amk starts this program\n",
        fmt::join(argv + 1, argv + argc, " "));
    return 2;
  }
  const auto streams = amk::ipc::take_standard_streams();
  if (!streams.ok()) return fail(streams.error(), 3);
  const amk::Status status = amk::ipc::serve(streams->in, streams->out, handlers);
  return status.ok() ? 0 : fail(status.error(), 3);
}
