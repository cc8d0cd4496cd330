#include "ipc/serve.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.h"

namespace amk::ipc {
namespace {

Result<Json> run(const Handlers& handlers, const std::string& name, const Json& params, Progress& progress) {
  const auto handler = handlers.find(name);
  if (handler == handlers.end()) {
    std::vector<std::string_view> names;
    for (const auto& [known, unused] : handlers) names.push_back(known);
    return Error{ErrorCode::kUsage,
                 fmt::format("expected one of {}, found '{}'{}", join(names), name, did_you_mean(name, names)), "", ""};
  }
  try {
    return handler->second(params, progress);
  } catch (const Json::exception& error) {
    return Error{ErrorCode::kUsage, fmt::format("the parameters of '{}': {}", name, error.what()), "", ""};
  } catch (const std::exception& error) {
    return Error{ErrorCode::kInternal, fmt::format("'{}' threw: {}", name, error.what()), "", ""};
  }
}

Json error_reply(uint64_t id, Error error, std::optional<Fault> fault) {
  return {{"id", id}, {"ok", false}, {"error", to_json(ReplyError{std::move(error), std::move(fault)})}};
}

/// A reply that does not fit becomes an error that does.
FrameResult answer(int out, uint64_t id, const Json& reply) {
  FrameResult written = write_frame(out, reply);
  if (written.status != FrameStatus::kTooLarge) return written;
  return write_frame(out, error_reply(id, {ErrorCode::kUnsupported, "the result: " + written.problem, "", ""}, {}));
}

bool is_request(const Json& json) {
  return json.is_object() && json.contains("id") && json["id"].is_number_unsigned() && json.contains("name") &&
         json["name"].is_string() && json.contains("params");
}

}  // namespace

void Progress::report(const Json& what) { static_cast<void>(write_frame(out_, {{"id", id_}, {"progress", what}})); }

Status serve(int in, int out, const Handlers& handlers) {
  while (true) {
    const FrameResult request = read_frame(in);
    if (request.status == FrameStatus::kEnd) return {};
    if (request.status != FrameStatus::kDone) return Error{ErrorCode::kBadInput, request.problem, "requests", ""};
    if (!is_request(request.json)) {
      return Error{ErrorCode::kBadInput, "expected an object with id, name and params", "requests", ""};
    }
    const uint64_t id = request.json["id"].get<uint64_t>();
    Progress progress(out, id);
    Result<Json> result = run(handlers, request.json["name"].get<std::string>(), request.json["params"], progress);
    const Json reply = result.ok() ? Json{{"id", id}, {"ok", true}, {"result", std::move(result).value()}}
                                   : error_reply(id, result.error(), progress.fault());
    const FrameResult written = answer(out, id, reply);
    if (written.status == FrameStatus::kEnd) return {};
    if (written.status != FrameStatus::kDone) return Error{ErrorCode::kIo, written.problem, "replies", ""};
  }
}

Result<Streams> take_standard_streams() {
  Streams streams;
  streams.in = ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  streams.out = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (streams.in < 0 || streams.out < 0 || nothing < 0 || ::dup2(nothing, STDIN_FILENO) < 0 ||
      ::dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
    return Error{ErrorCode::kIo, fmt::format("cannot move the standard streams: {}", std::strerror(errno)), "", ""};
  }
  ::close(nothing);
  return streams;
}

}  // namespace amk::ipc
