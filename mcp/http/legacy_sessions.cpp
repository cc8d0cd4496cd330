#include "mcp/http/legacy_sessions.h"

#include <utility>

#include "mcp/core/era.h"
#include "mcp/http/access.h"
#include "mcp/http/request_checks.h"

namespace amk::mcp {
namespace {

constexpr uint64_t kListeningStream = 0;
/// Of streams that have finished, and may be asked for again.
constexpr size_t kKeptStreamsMax = 64;
constexpr size_t kKeptBytesMax = 1U << 20U;
constexpr std::chrono::minutes kKeptTime{5};

}  // namespace

LegacySession::LegacySession(const Server& server, CallThreads& threads, const std::string& version, size_t& in_flight)
    : id_(random_id()),
      primed_(version == kLegacyVersion),
      in_flight_(in_flight),
      listening_(std::make_shared<ReplyStream>(
          ReplyStream::Style{kListeningStream, true, version == kLegacyVersion, false, nullptr}, nullptr)),
      core_(server, threads) {}

std::shared_ptr<ReplyStream> LegacySession::begin(const Json& request_id, const ExchangePtr& exchange) {
  const uint64_t number = next_stream_++;
  const auto stream =
      std::make_shared<ReplyStream>(ReplyStream::Style{number, true, primed_, false, &in_flight_}, exchange);
  streams_.emplace(number, Begun{to_line(request_id), stream});
  exchange->on_gone([stream] { stream->detach(); });
  return stream;
}

std::shared_ptr<ReplyStream> LegacySession::unfinished(const Json& request_id) const {
  const std::string wanted = to_line(request_id);
  for (const auto& [number, begun] : streams_) {
    if (begun.request_id == wanted && !begun.stream->finished()) return begun.stream;
  }
  return nullptr;
}

std::optional<HttpResponse> LegacySession::listen(const ExchangePtr& exchange,
                                                  const std::optional<std::string>& last_event_id) {
  std::shared_ptr<ReplyStream> stream = listening_;
  std::optional<uint64_t> after;
  if (last_event_id) {
    const std::optional<EventId> id = parse_event_id(*last_event_id);
    const auto found = id ? streams_.find(id->stream) : streams_.end();
    if (found != streams_.end()) stream = found->second.stream;
    const bool known = id && (id->stream == kListeningStream || (found != streams_.end() && stream->opened()));
    if (!known || !stream->keeps_after(id->event)) {
      return rpc_response(400, RpcCode::kInvalidRequest,
                          "expected Last-Event-ID to be of an event of this session whose successors are still kept, "
                          "found another one: send the request again, or GET without it");
    }
    after = id->event;
  }
  exchange->on_gone([stream] { stream->detach(); });
  if (stream->resume(exchange, after)) return std::nullopt;
  exchange->on_gone(nullptr);
  return rpc_response(503, RpcCode::kInternal, "expected fewer open streams: close some");
}

void LegacySession::end() {
  core_.cancel_all();
  const HttpResponse ended = rpc_response(404, RpcCode::kInvalidRequest, "the session has ended");
  for (const auto& [number, begun] : streams_) begun.stream->finish_without_reply(ended);
  listening_->finish_without_reply(ended);
}

void LegacySession::begin_stop() {
  core_.begin_shut_down();
  listening_->finish_without_reply(rpc_response(503, RpcCode::kInternal, "the server is ending"));
}

void LegacySession::forget_streams(Clock::time_point now) {
  std::erase_if(streams_, [&](const auto& entry) {
    const ReplyStream& stream = *entry.second.stream;
    return stream.finished() && (!stream.opened() || now - stream.changed_at() > kKeptTime);
  });
  size_t count = 0;
  size_t bytes = 0;
  for (auto newest = streams_.rbegin(); newest != streams_.rend(); ++newest) {
    if (!newest->second.stream->finished()) continue;
    bytes += newest->second.stream->kept_bytes();
    if (++count == 1 || (count <= kKeptStreamsMax && bytes <= kKeptBytesMax)) continue;
    const uint64_t last = newest->first;
    std::erase_if(streams_, [&](const auto& entry) { return entry.first <= last && entry.second.stream->finished(); });
    return;
  }
}

bool LegacySession::busy() const {
  if (listening_->attached()) return true;
  for (const auto& [number, begun] : streams_) {
    if (!begun.stream->finished()) return true;
  }
  return false;
}

bool LegacySessions::add(const std::shared_ptr<LegacySession>& session) {
  if (sessions_.size() >= sessions_max_ && !make_room()) return false;
  sessions_.emplace(session->id(), session);
  return true;
}

bool LegacySessions::make_room() {
  std::string oldest;
  auto used = Clock::time_point::max();
  for (const auto& [id, session] : sessions_) {
    if (session->busy() || session->last_used >= used) continue;
    oldest = id;
    used = session->last_used;
  }
  if (oldest.empty()) return false;
  end(oldest);
  return true;
}

std::shared_ptr<LegacySession> LegacySessions::find(const std::string& id) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return nullptr;
  found->second->last_used = Clock::now();
  return found->second;
}

void LegacySessions::end(const std::string& id) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return;
  const std::shared_ptr<LegacySession> session = std::move(found->second);
  sessions_.erase(found);
  session->end();
  ending_.push_back(session);
}

void LegacySessions::tick() {
  const auto now = Clock::now();
  std::vector<std::string> expired;
  for (const auto& [id, session] : sessions_) {
    session->forget_streams(now);
    if (session->busy()) {
      session->last_used = now;
    } else if (now - session->last_used > idle_time_) {
      expired.push_back(id);
    }
  }
  for (const std::string& id : expired) end(id);
  // A session waits for its calls when it goes; the server's thread must not.
  std::erase_if(ending_,
                [](const auto& session) { return session->core().wait_until_idle(std::chrono::milliseconds(0)); });
}

void LegacySessions::begin_stop() {
  for (const auto& [id, session] : sessions_) session->begin_stop();
}

}  // namespace amk::mcp
