#include "ipc/protocol.h"

#include <doctest/doctest.h>

using namespace amk;
using namespace amk::ipc;

TEST_CASE("an error and its fault come back as they were sent") {
  for (const ErrorCode code :
       {ErrorCode::kUsage, ErrorCode::kUnsupported, ErrorCode::kBadInput, ErrorCode::kIo, ErrorCode::kInternal}) {
    ReplyError sent{{code, "message", "location", "hint"}, std::nullopt};
    const auto plain = reply_error_from(to_json(sent));
    REQUIRE(plain.has_value());
    CHECK(plain->error.code == code);
    CHECK(plain->error.text() == sent.error.text());
    CHECK_FALSE(plain->fault.has_value());
    sent.fault = Fault{1, "qkv.0", 131, 3, ~0ULL, 1ULL << 40U, 0.25};
    CHECK(reply_error_from(to_json(sent))->fault == sent.fault);
  }
}

TEST_CASE("an error that lacks a field, or has one of another type, is none") {
  const Json whole = to_json(ReplyError{{ErrorCode::kIo, "m", "l", "h"}, Fault{}});
  for (const char* field : {"code", "message", "location", "hint"}) {
    Json json = whole;
    json.erase(field);
    CHECK_FALSE(reply_error_from(json).has_value());
    json[field] = 3;
    CHECK_FALSE(reply_error_from(json).has_value());
  }
  for (const auto& [field, value] : whole["fault"].items()) {
    Json json = whole;
    json["fault"].erase(field);
    CHECK_FALSE(reply_error_from(json).has_value());
  }
  CHECK_FALSE(reply_error_from("text").has_value());
  Json newer = whole;
  newer["code"] = "a-code-of-tomorrow";
  CHECK(reply_error_from(newer)->error.code == ErrorCode::kInternal);
}
