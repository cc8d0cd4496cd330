// A worker that says "hello" properly and then does what its argument names, wrong in one way each.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "ipc/serve.h"

using namespace amk;
using namespace amk::ipc;

namespace {

void put(int out, const std::string& bytes) {
  for (size_t at = 0; at < bytes.size();) {
    const ssize_t written = ::write(out, bytes.data() + at, bytes.size() - at);
    if (written <= 0) ::_exit(9);
    at += static_cast<size_t>(written);
  }
}

[[noreturn]] void sleep_for_ever() {
  while (true) ::pause();
}

void misbehave(const std::string& how, const Streams& streams, uint64_t id) {
  if (how == "half-frame") {
    put(streams.out, std::string("\x64\0\0\0{\"id\":", 10));
    ::_exit(5);
  } else if (how == "half-frame-and-stay") {
    put(streams.out, std::string("\x64\0\0\0{\"id\":", 10));
    sleep_for_ever();
  } else if (how == "half-length") {
    put(streams.out, std::string("\x64\0", 2));
    ::_exit(0);
  } else if (how == "oversized") {
    put(streams.out, "\xff\xff\xff\x7f");
    sleep_for_ever();
  } else if (how == "text") {
    put(streams.out, "Warning: this is no frame\n");
    sleep_for_ever();
  } else if (how == "not-json") {
    put(streams.out, std::string("\5\0\0\0{oops", 9));
    sleep_for_ever();
  } else if (how == "wrong-id") {
    static_cast<void>(write_frame(streams.out, {{"id", id + 1}, {"ok", true}, {"result", 1}}));
  } else if (how == "no-result") {
    static_cast<void>(write_frame(streams.out, {{"id", id}, {"ok", true}}));
  } else if (how == "bad-error") {
    static_cast<void>(write_frame(streams.out, {{"id", id}, {"ok", false}, {"error", {{"code", 3}}}}));
  } else if (how == "close") {
    ::close(streams.out);
    sleep_for_ever();
  } else if (how == "flood") {
    for (int i = 0; i < 20'000; ++i)
      put(STDERR_FILENO, "line " + std::to_string(i) + " of what nobody reads in time\n");
    static_cast<void>(write_frame(streams.out, {{"id", id}, {"ok", true}, {"result", "flooded"}}));
  } else if (how == "grandchild") {
    if (const pid_t child = ::fork(); child == 0) {
      sleep_for_ever();
    } else {
      static_cast<void>(write_frame(streams.out, {{"id", id}, {"ok", true}, {"result", child}}));
    }
  }
}

}  // namespace

int main(int, char** argv) {
  const std::string how = argv[1];
  const Streams streams = take_standard_streams().value();
  if (how == "dies-at-once") {
    put(STDERR_FILENO, "no GPU today\n");
    return 7;
  }
  if (how == "mute") sleep_for_ever();
  while (true) {
    const FrameResult request = read_frame(streams.in);
    if (request.status != FrameStatus::kDone) return 0;
    const uint64_t id = request.json["id"].get<uint64_t>();
    if (request.json["name"] == "hello") {
      const uint32_t protocol = how == "old" ? 0 : kProtocol;
      static_cast<void>(write_frame(streams.out, {{"id", id}, {"ok", true}, {"result", {{"protocol", protocol}}}}));
      if (how == "deaf") sleep_for_ever();
    } else {
      misbehave(how, streams, id);
    }
  }
}
