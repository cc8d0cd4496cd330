#include "ipc/framing.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <limits>
#include <string>
#include <thread>

using namespace amk::ipc;
using std::chrono::milliseconds;

namespace {

struct TestPipe {
  int ends[2] = {-1, -1};
  TestPipe() { REQUIRE(::pipe2(ends, O_CLOEXEC) == 0); }
  ~TestPipe() {
    close_read();
    close_write();
  }
  TestPipe(const TestPipe&) = delete;
  TestPipe& operator=(const TestPipe&) = delete;
  [[nodiscard]] int read() const { return ends[0]; }
  [[nodiscard]] int write() const { return ends[1]; }
  void close_read() { close_end(0); }
  void close_write() { close_end(1); }
  void put(const std::string& bytes) const {
    REQUIRE(::write(write(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }

 private:
  void close_end(int which) {
    if (ends[which] >= 0) ::close(ends[which]);
    ends[which] = -1;
  }
};

std::string header(uint32_t length) {
  std::string out;
  for (int i = 0; i < 4; ++i) out += static_cast<char>(length >> 8 * i & 0xFFU);
  return out;
}

FrameResult read_of(const std::string& bytes) {
  TestPipe pipe;
  pipe.put(bytes);
  pipe.close_write();
  return read_frame(pipe.read());
}

FrameResult read_body(const std::string& body) { return read_of(header(static_cast<uint32_t>(body.size())) + body); }

}  // namespace

TEST_CASE("a frame is 4 bytes of length, little-endian, and JSON") {
  TestPipe pipe;
  REQUIRE(write_frame(pipe.write(), {{"a", 1}}).status == FrameStatus::kDone);
  char bytes[20];
  REQUIRE(::read(pipe.read(), bytes, sizeof bytes) == 12);
  CHECK(std::string(bytes, 12) == std::string("\10\0\0\0{\"a\":1}\n", 12));
}

TEST_CASE("frames come back in order, then the end") {
  TestPipe pipe;
  for (int i = 0; i < 3; ++i)
    REQUIRE(write_frame(pipe.write(), {{"i", i}, {"text", "\n\"é"}}).status == FrameStatus::kDone);
  pipe.close_write();
  for (int i = 0; i < 3; ++i) {
    const FrameResult frame = read_frame(pipe.read());
    REQUIRE(frame.status == FrameStatus::kDone);
    CHECK(frame.json == Json{{"i", i}, {"text", "\n\"é"}});
  }
  CHECK(read_frame(pipe.read()).status == FrameStatus::kEnd);
}

TEST_CASE(
    "a frame that comes a byte at a time, or is larger than the pipe, arrives whole, on descriptors of both kinds") {
  for (const int flags : {0, O_NONBLOCK}) {
    CAPTURE(flags);
    TestPipe pipe;
    ::fcntl(pipe.read(), F_SETFL, flags);
    ::fcntl(pipe.write(), F_SETFL, flags);
    const Json large = {{"large", std::string(5'000'000, 'x')}};
    std::thread writer([&] {
      const std::string small = header(4) + "1234";
      for (const char c : small) {
        pipe.put(std::string(1, c));
        std::this_thread::sleep_for(milliseconds(1));
      }
      CHECK(write_frame(pipe.write(), large).status == FrameStatus::kDone);
    });
    CHECK(read_frame(pipe.read()).json == Json(1234));
    std::this_thread::sleep_for(milliseconds(20));
    CHECK(read_frame(pipe.read()).json == large);
    writer.join();
  }
}

TEST_CASE("an end within a frame is said to be one, with how much there was") {
  CHECK(read_of("").status == FrameStatus::kEnd);
  const FrameResult in_length = read_of(header(5).substr(0, 3));
  CHECK(in_length.status == FrameStatus::kBroken);
  CHECK(in_length.problem == "expected 4 bytes of a frame's length, found the end after 3");
  const FrameResult in_body = read_of(header(5) + "12");
  CHECK(in_body.status == FrameStatus::kBroken);
  CHECK(in_body.problem == "expected a frame of 5 bytes, found the end after 2");
}

TEST_CASE("what is no frame is refused by what it is") {
  const FrameResult text = read_of("Segmentation fault\n");
  CHECK(text.status == FrameStatus::kBroken);
  CHECK(text.problem.find("(as text 'Segm')") != std::string::npos);
  CHECK(read_of(header(kFrameBytesMax + 1))
            .problem.starts_with("expected a frame of at most 268435456 bytes, found a length of 268435457 "));
  CHECK(read_body("{oops\n").problem == "expected JSON in a frame, found '{oops?'");
  for (const char* body : {"", "{", "1 2", "{\"a\":1}}", "\"\xff\"", "nul", "1e999"}) {
    CAPTURE(body);
    CHECK(read_body(body).status == FrameStatus::kBroken);
  }
}

TEST_CASE("nesting is bounded, however deep it is") {
  const auto nested = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  CHECK(read_body(nested(static_cast<size_t>(kFrameDepthMax))).status == FrameStatus::kDone);
  CHECK(read_body(nested(static_cast<size_t>(kFrameDepthMax) + 2)).status == FrameStatus::kBroken);
  CHECK(read_body(nested(30'000)).problem.find("nesting") != std::string::npos);
}

TEST_CASE("a claimed length costs no memory until the bytes are there") {
  TestPipe pipe;
  pipe.put(header(kFrameBytesMax) + "12");
  CHECK(read_frame(pipe.read(), Clock::now() + milliseconds(20)).status == FrameStatus::kDeadline);
}

TEST_CASE("a deadline ends a read of nothing, a read within a frame, and a write that nobody takes") {
  TestPipe pipe;
  const auto soon = [] { return Clock::now() + milliseconds(30); };
  CHECK(read_frame(pipe.read(), soon()).status == FrameStatus::kDeadline);
  pipe.put(header(9) + "1");
  const auto begin = Clock::now();
  CHECK(read_frame(pipe.read(), soon()).status == FrameStatus::kDeadline);
  CHECK(Clock::now() - begin >= milliseconds(30));
  CHECK(Clock::now() - begin < milliseconds(2000));
  ::fcntl(pipe.write(), F_SETFL, O_NONBLOCK);
  CHECK(write_frame(pipe.write(), std::string(1'000'000, 'x'), soon()).status == FrameStatus::kDeadline);
  CHECK(read_frame(pipe.read(), Clock::now() - milliseconds(5)).status != FrameStatus::kEnd);
}

TEST_CASE("writing to nobody is the end, without a signal") {
  TestPipe pipe;
  pipe.close_read();
  CHECK(write_frame(pipe.write(), 1).status == FrameStatus::kEnd);
  sigset_t pending;
  sigpending(&pending);
  CHECK(sigismember(&pending, SIGPIPE) == 0);
  CHECK(read_frame(-1).status == FrameStatus::kBroken);
  CHECK(write_frame(-1, 1).status == FrameStatus::kBroken);
}

TEST_CASE("what is too large is refused before a byte of it is written") {
  TestPipe pipe;
  const FrameResult written = write_frame(pipe.write(), std::string(kFrameBytesMax, 'x'));
  CHECK(written.status == FrameStatus::kTooLarge);
  CHECK(written.problem == "expected a frame of at most 268435456 bytes, found one of 268435459");
  pipe.close_write();
  CHECK(read_frame(pipe.read()).status == FrameStatus::kEnd);
}

TEST_CASE("text that is no UTF-8 and numbers that are none still make a frame") {
  TestPipe pipe;
  REQUIRE(write_frame(pipe.write(), {{"text", "a\xff"}, {"nan", std::numeric_limits<double>::quiet_NaN()}}).status ==
          FrameStatus::kDone);
  CHECK(read_frame(pipe.read()).json == Json{{"text", "a\xef\xbf\xbd"}, {"nan", nullptr}});
}
