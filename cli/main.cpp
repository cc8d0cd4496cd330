// amk: the command line. Parses, runs one verb, turns what came of it into an exit code.

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <exception>
#include <new>

#include "cli/arguments.h"

namespace amk::cli {
namespace {

/// A closed standard stream would be given to the next file that is opened, and what is printed would end up in it.
/// Streams that are closed get a descriptor on which reading or writing fails.
void occupy_standard_streams() {
  for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; ++stream) {
    if (fcntl(stream, F_GETFD) != -1) continue;
    const int flags = stream == STDIN_FILENO ? O_WRONLY : O_RDONLY;
    if (open("/dev/null", flags) != stream) std::_Exit(static_cast<int>(Exit::kInput));
  }
}

Result<Exit> run(int argc, const char* const* argv, Output& output) {
  AMK_ASSIGN_OR_RETURN(const Request request, parse_arguments(argc, argv));
  output = Output(output.json() && request.run, request.quiet, request.progress_lines);
  output.text(request.text);
  if (!request.run) return Exit::kDone;
  return request.run(output);
}

/// No exception leaves: what a library throws here is a bug, except that memory ran out.
Result<Exit> run_guarded(int argc, const char* const* argv, Output& output) {
  try {
    return run(argc, argv, output);
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::kIo, "memory ran out", "", "a smaller --context needs less"};
  } catch (const std::exception& problem) {
    return Error{ErrorCode::kInternal, fmt::format("unexpected exception: {}", problem.what()), "", ""};
  } catch (...) {
    return Error{ErrorCode::kInternal, "unexpected exception", "", ""};
  }
}

int report(const Error& error, Output& output) {
  output.error(error);
  (void)output.finish();
  return static_cast<int>(exit_of(error.code));
}

int run_program(int argc, const char* const* argv) {
  std::signal(SIGPIPE, SIG_IGN);
  occupy_standard_streams();
  Output output(wants_json(argc, argv), false);
  const Result<Exit> result = run_guarded(argc, argv, output);
  if (!result) return report(result.error(), output);
  if (const Status written = output.finish(); !written) return report(written.error(), output);
  return static_cast<int>(*result);
}

}  // namespace
}  // namespace amk::cli

int main(int argc, char** argv) { return amk::cli::run_program(argc, argv); }
