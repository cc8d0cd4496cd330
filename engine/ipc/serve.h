// The worker's side: requests are read, handed to handlers by name, and answered.
//
// Owns the order of things on the two streams. A handler that fails or throws is an error in a reply; only a client
// that is gone or talks nonsense ends the loop.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "base/result.h"
#include "ipc/protocol.h"

namespace amk::ipc {

/// What a handler may say before it returns.
class Progress {
 public:
  Progress(int out, uint64_t id) : out_(out), id_(id) {}

  /// Sends a progress frame. A client that is gone is found out by the reply.
  void report(const Json& what);
  /// Goes into the reply, where the handler returns an Error.
  void set_fault(Fault fault) { fault_ = std::move(fault); }
  [[nodiscard]] const std::optional<Fault>& fault() const { return fault_; }

 private:
  int out_;
  uint64_t id_;
  std::optional<Fault> fault_;
};

using Handler = std::function<Result<Json>(const Json& params, Progress& progress)>;
using Handlers = std::map<std::string, Handler, std::less<>>;

/// Answers until the requests end (ok), or kBadInput where what comes is no request, kIo where replies cannot be
/// written.
Status serve(int in, int out, const Handlers& handlers);

/// The streams of the frames.
struct Streams {
  int in = -1;
  int out = -1;
};

/// Keeps the standard streams for frames: they are moved to other descriptors, close-on-exec; stdin becomes empty and
/// stdout becomes stderr, so that nothing else that reads or prints gets between the frames.
Result<Streams> take_standard_streams();

}  // namespace amk::ipc
