#include "mcp/stdio/serve_stdio.h"

#include <csignal>
#include <string>

#include "mcp/core/session.h"
#include "mcp/stdio/channel.h"
#include "mcp/stdio/line_reader.h"

namespace amk::mcp {
namespace {

/// What calls may still take after the end of the input.
constexpr std::chrono::milliseconds kLastCalls{2000};

const Bell* g_stop = nullptr;  // for the handler, which can be given nothing

void on_signal(int) {
  if (g_stop != nullptr) g_stop->ring();
}

void listen_to_signals(const Bell* stop) {
  if (stop != nullptr) g_stop = stop;
  struct sigaction action = {};
  action.sa_handler = stop != nullptr ? on_signal : SIG_DFL;
  sigemptyset(&action.sa_mask);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) ::sigaction(signal, &action, nullptr);
  g_stop = stop;  // last, where it goes: until then a signal rings it
}

}  // namespace

Status serve_stdio(const Server& server, LogFile& log) {
  std::signal(SIGPIPE, SIG_IGN);
  AMK_ASSIGN_OR_RETURN(const Bell stop, Bell::make());
  listen_to_signals(&stop);
  AMK_ASSIGN_OR_RETURN(StdioChannel channel, StdioChannel::claim(stop));
  const Send send = [&](const Json& message) {
    const std::string line = to_line(message);
    log.write("out", line);
    channel.write_line(line);
  };
  CallThreads threads;
  Session session(server, threads);
  session.set_push(send);
  const auto on_line = [&](std::string_view line) {
    log.write("in", line);
    session.receive(line, send);
  };
  LineReader lines(kMessageBytesMax, on_line, [&] { Session::refuse_oversized(kMessageBytesMax, send); });
  std::string bytes;
  StdioChannel::Read read = channel.read(bytes);
  for (; read == StdioChannel::Read::kBytes; read = channel.read(bytes)) lines.feed(bytes);
  if (read == StdioChannel::Read::kEnd) {
    lines.end_of_input();
    session.wait_until_idle(kLastCalls);
  }
  session.shut_down();
  listen_to_signals(nullptr);
  return {};
}

}  // namespace amk::mcp
