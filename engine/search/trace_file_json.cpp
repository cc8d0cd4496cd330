#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <tuple>

#include "base/files.h"
#include "eval/trace_json.h"
#include "search/trace_file.h"
#include "search/trial_json.h"

namespace amk::search {
namespace {

constexpr uint64_t kTraceBytesMax = uint64_t{256} << 20;

/// Throws Json::exception for a name that is none.
eval::Bottleneck bottleneck_from(const Json& json) {
  const auto name = json.get<std::string>();
  for (const eval::Bottleneck of :
       {eval::Bottleneck::kStream, eval::Bottleneck::kCompute, eval::Bottleneck::kWait, eval::Bottleneck::kSkew}) {
    if (name == eval::bottleneck_name(of)) return of;
  }
  throw Json::other_error::create(501, "expected a bottleneck, found " + name, nullptr);
}

TraceFile facts_from(const Json& json) {
  const Json& trace = json.at("trace");
  TraceFile out;
  out.model = json.at("model").get<std::string>();
  out.target = json.at("gpu").get<std::string>();
  out.device = json.at("device").get<std::string>();
  out.schedule_id = json.at("schedule_id").get<std::string>();
  out.position = json.at("position").get<uint32_t>();
  out.made = json.value("made", int64_t{0});
  out.span_us = trace.at("span_us").get<double>();
  if (trace.at("floor_us").is_number()) out.floor_us = trace.at("floor_us").get<double>();
  out.bottleneck = bottleneck_from(trace.at("bottleneck"));
  out.largest_loss = bottleneck_from(trace.at("largest_loss"));
  out.stream_us = trace.at("stream_us").get<double>();
  out.compute_us = trace.at("compute_us").get<double>();
  out.wait_us = trace.at("wait_us").get<double>();
  out.skew_us = trace.at("skew_us").get<double>();
  return out;
}

/// A file's name holds letters, digits and a few signs.
std::string plain_name(std::string text) {
  const auto legal = [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.'; };
  std::replace_if(
      text.begin(), text.end(), [&](char c) { return !legal(static_cast<unsigned char>(c)); }, '-');
  return text;
}

}  // namespace

Result<TraceFile> trace_from_json(std::string_view text, const std::string& location) {
  try {
    const Json json = Json::parse(text);
    TraceFile out = facts_from(json);
    out.path = location;
    if (json.contains("timeline") && json.at("timeline").is_object()) {
      AMK_ASSIGN_OR_RETURN(out.timeline, eval::timeline_from_json(json.at("timeline").dump(), location));
    }
    return out;
  } catch (const Json::exception& problem) {
    return Error{ErrorCode::kBadInput,
                 std::string("expected what amk trace --json writes of a correct program: ") + problem.what(), location,
                 "amk trace --timeline --json writes one"};
  }
}

Result<TraceFile> read_trace(const std::filesystem::path& path) {
  AMK_ASSIGN_OR_RETURN(const std::string text, read_file(path, kTraceBytesMax));
  return trace_from_json(text, path.string());
}

std::filesystem::path trace_path(const std::filesystem::path& workspace, const std::string& model,
                                 const std::string& target, const std::string& schedule_id, uint32_t position) {
  return workspace / "traces" / plain_name(fmt::format("{}-{}-{}-p{}.json", model, target, schedule_id, position));
}

std::optional<TraceFile> newest_trace(const std::filesystem::path& workspace, const std::string& model,
                                      const std::string& target, const std::string& schedule_id,
                                      std::optional<uint32_t> position) {
  std::optional<TraceFile> newest;
  std::error_code problem;
  for (const auto& entry : std::filesystem::directory_iterator(workspace / "traces", problem)) {
    // Its name says the model: files of others, which may be large, are not read.
    const std::string name = entry.path().filename().string();
    if (!name.ends_with(".json") || !name.starts_with(plain_name(model))) continue;
    Result<TraceFile> found = read_trace(entry.path());
    if (!found || found->model != model || found->target != target) continue;
    if (!schedule_id.empty() && found->schedule_id != schedule_id) continue;
    if (position && found->position != *position) continue;
    if (!newest || std::tie(found->made, found->path) > std::tie(newest->made, newest->path))
      newest = std::move(*found);
  }
  return newest;
}

}  // namespace amk::search
