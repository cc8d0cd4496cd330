// amk-worker: the process that touches the GPU. Started by amk and amk-mcp, spoken to over its standard streams.
#include <fmt/format.h>

#include <cstdio>
#include <string_view>

#include "worker/handlers.h"

namespace {

int fail(const amk::Error& error, int code) {
  fmt::print(stderr, "amk-worker: {}\n", error.text());
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  bool with_test_hooks = false;
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) != "--test-hooks") {
      fmt::print(stderr, "amk-worker: expected --test-hooks or nothing, found '{}'; amk starts this program\n",
                 argv[i]);
      return 2;
    }
    with_test_hooks = true;
  }
  const auto streams = amk::ipc::take_standard_streams();
  if (!streams.ok()) return fail(streams.error(), 3);
  const amk::Status status = amk::ipc::serve(streams->in, streams->out, amk::worker::handlers(with_test_hooks));
  return status.ok() ? 0 : fail(status.error(), 3);
}
