#include "mcp/core/tool_result.h"

#include <fmt/format.h>

#include <exception>
#include <utility>

#include "mcp/core/asking.h"

namespace amk::mcp {
namespace {

constexpr size_t kFindingsShownMax = 20;

RpcError misfit(const Tool& tool, const std::string& why) {
  return {RpcCode::kInternal, fmt::format("the result of {} does not fit its own schema: {}", tool.name, why), nullptr};
}

Json text_content(std::string text) { return Json::array({{{"type", "text"}, {"text", std::move(text)}}}); }

/// What goes out is what is checked: text that is no UTF-8 has been mended, and NaN has become null.
std::string misfit_of(const Tool& tool, const std::string& text) {
  const std::vector<SchemaFinding> findings = check_schema(tool.output_schema, Json::parse(text));
  return findings.empty() ? "" : findings.front().text();
}

Answer kept_result(const Tool& tool, const KeptResult& kept) {
  const KeptResult::Lines& lines = kept.lines([&](const Json& structured) {
    KeptResult::Lines out;
    out.structured = to_line(structured);
    out.content = to_line(text_content(out.structured));
    out.misfit = misfit_of(tool, out.structured);
    return out;
  });
  if (!lines.misfit.empty()) return misfit(tool, lines.misfit);
  return Json{
      {"content", raw_json(lines.content)}, {"structuredContent", raw_json(lines.structured)}, {"isError", false}};
}

}  // namespace

std::string argument_problems(const Tool& tool, const std::vector<SchemaFinding>& findings) {
  std::string out = fmt::format("the arguments of {} do not fit its schema:", tool.name);
  for (size_t i = 0; i < findings.size() && i < kFindingsShownMax; ++i) out += "\n- " + findings[i].text();
  if (findings.size() > kFindingsShownMax) out += fmt::format("\n- and {} more", findings.size() - kFindingsShownMax);
  if (const Json& examples = member(tool.input_schema, "examples"); !examples.empty()) {
    out += "\nTo mend it, follow this example: " + to_line(examples[0]);
  }
  return out;
}

Answer call_result(const Tool& tool, const ToolResult& result) {
  if (result.failed()) return Json{{"content", text_content(result.error)}, {"isError", true}};
  if (result.kept != nullptr) return kept_result(tool, *result.kept);
  if (tool.output_schema.is_null()) return Json{{"content", result.more_content}, {"isError", false}};
  std::string text = to_line(result.structured);
  if (const std::string why = misfit_of(tool, text); !why.empty()) return misfit(tool, why);
  Json structured = Json::parse(text);
  Json content = text_content(std::move(text));
  for (const Json& more : result.more_content) content.push_back(more);
  return Json{{"content", std::move(content)}, {"structuredContent", std::move(structured)}, {"isError", false}};
}

Answer asking_result(const Json& requests, const std::string& sealed, const Json& capabilities) {
  if (Json missing = missing_capabilities(requests, capabilities); !missing.empty()) {
    const std::string why =
        fmt::format("expected a client that has declared {}, found one that has not", to_line(missing));
    return RpcError{RpcCode::kMissingCapability, why, {{"requiredCapabilities", std::move(missing)}}};
  }
  Json out = {{"resultType", "input_required"}, {"inputRequests", requests}};
  if (!sealed.empty()) out["requestState"] = sealed;
  return out;
}

std::optional<RpcError> run_guarded(const Tool& tool, const Json& arguments, CallContext& context, ToolResult& result) {
  try {
    result = tool.call(arguments, context);
    return std::nullopt;
  } catch (const std::exception& problem) {
    return RpcError{RpcCode::kInternal, fmt::format("{} ended unexpectedly: {}", tool.name, problem.what()), nullptr};
  }
}

}  // namespace amk::mcp
