#include "ipc/protocol.h"

namespace amk::ipc {
namespace {

ErrorCode code_from(const std::string& name) {
  for (const ErrorCode code : {ErrorCode::kUsage, ErrorCode::kUnsupported, ErrorCode::kBadInput, ErrorCode::kIo}) {
    if (name == error_code_name(code)) return code;
  }
  return ErrorCode::kInternal;
}

}  // namespace

Json to_json(const Fault& fault) {
  return {{"task", fault.task},          {"label", fault.label}, {"sm", fault.sm},
          {"counter", fault.counter},    {"value", fault.value}, {"threshold", fault.threshold},
          {"waited_ms", fault.waited_ms}};
}

Json to_json(const ReplyError& error) {
  Json json = {{"code", error_code_name(error.error.code)},
               {"message", error.error.message},
               {"location", error.error.location},
               {"hint", error.error.hint}};
  if (error.fault) json["fault"] = to_json(*error.fault);
  return json;
}

std::optional<ReplyError> reply_error_from(const Json& json) {
  try {
    ReplyError out;
    out.error = {code_from(json.at("code").get<std::string>()), json.at("message").get<std::string>(),
                 json.at("location").get<std::string>(), json.at("hint").get<std::string>()};
    if (json.contains("fault")) {
      const Json& fault = json.at("fault");
      out.fault = {fault.at("task").get<uint32_t>(),   fault.at("label").get<std::string>(),
                   fault.at("sm").get<uint32_t>(),     fault.at("counter").get<uint32_t>(),
                   fault.at("value").get<uint64_t>(),  fault.at("threshold").get<uint64_t>(),
                   fault.at("waited_ms").get<double>()};
    }
    return out;
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

}  // namespace amk::ipc
