#include "mcp/tools/run_tool.h"

#include <fmt/format.h>

#include <array>
#include <chrono>

#include "mcp/resources/artefacts.h"
#include "mcp/tools/schemas.h"
#include "mcp/tools/toolset.h"

namespace amk::mcp {
namespace {

constexpr std::chrono::milliseconds kFirstLook{10};
constexpr std::chrono::milliseconds kEveryLook{200};
constexpr size_t kListMax = 40;         ///< of a list in a result
constexpr size_t kTextBytesMax = 8000;  ///< of a text in a result

/// Cuts what is long, wherever it is. Clients show a model no more than some 30,000 characters.
void cut_long(Json& json) {
  if (json.is_array() && json.size() > kListMax) {
    const size_t count = json.size();
    json.erase(json.begin() + static_cast<std::ptrdiff_t>(kListMax), json.end());
    if (!json.empty() && json[0].is_string()) json.push_back(fmt::format("... {} in all", count));
  }
  if (json.is_string() && json.get_ref<const std::string&>().size() > kTextBytesMax) {
    json = json.get<std::string>().substr(0, kTextBytesMax) + "...";
  }
  if (json.is_structured()) {
    for (Json& part : json) cut_long(part);
  }
}

Story story_of(const Run& run) {
  const std::string again =
      fmt::format("Call amk_run_status with run_id \"{}\" to wait for it, or amk_run_cancel to end it.", run.id);
  const std::string step = run.progress.empty() ? "" : ": " + run.progress;
  switch (run.state) {
    case RunState::kQueued:
      return {fmt::format("{} waits in the queue behind another run.", run.tool), again};
    case RunState::kRunning:
      return {fmt::format("{} has been running for {:.0f} s{}.", run.tool, run.elapsed_s, step), again};
    case RunState::kFailed:
      return {fmt::format("{} failed: {}", run.tool, run.error), "Mend the arguments and call the tool again."};
    case RunState::kCancelled:
      return {fmt::format("{} was cancelled after {:.0f} s.", run.tool, run.elapsed_s),
              "Start it again where it is wanted after all."};
    case RunState::kDone:
      break;
  }
  if (run.result_left_out) {
    return {fmt::format("{} is done; its result is longer than what is sent here.", run.tool),
            "Ask amk_run_status for it, or read result.json in the folder."};
  }
  const Tell tell = teller_of(run.tool);
  if (tell == nullptr) return {run.tool + " is done.", "Read the result."};
  if (run.result.is_object() && run.result.contains("findings") && run.result.value("valid", true) == false)
    return refusal_story(run.result);
  return tell(run.result);
}

Json files_of(const std::filesystem::path& folder) {
  Json out = Json::array();
  std::error_code problem;
  for (const std::filesystem::directory_entry& entry : std::filesystem::directory_iterator(folder, problem)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(".svg") || name.ends_with(".perfetto.json") || name.ends_with(".amk") ||
        name.ends_with(".html") || name.ends_with(".md"))
      out.push_back(entry.path().string());
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

Json run_schema() {
  return result_schema(
      {{"run_id", typed("string", "For amk_run_status and amk_run_cancel; it stays good after the server has gone.")},
       {"tool", typed("string", "What was started.")},
       {"state", {{"type", "string"}, {"enum", {"queued", "running", "done", "failed", "cancelled"}}}},
       {"started", typed("string", "UTC.")},
       {"elapsed_s", typed("number", "Seconds, time in the queue included.")},
       {"progress", or_null("string", "The step that it reported last.")},
       {"result",
        {{"type", {"object", "array", "null"}},
         {"description",
          "The document of the amk verb; null until done. Long lists are cut; result.json in the folder has all."}}},
       {"error", or_null("string", "Why it failed.")},
       {"files",
        {{"type", "array"},
         {"items", {{"type", "string"}}},
         {"description", "What it made: bundles, charts, traces."}}},
       {"folder", typed("string", "Where everything about the run is.")}});
}

Json run_json(const Run& run) {
  const Story story = story_of(run);
  Json result = run.result;
  cut_long(result);
  return {{"summary", story.summary},
          {"next", story.next},
          {"run_id", run.id},
          {"tool", run.tool},
          {"state", run_state_name(run.state)},
          {"started", run.started},
          {"elapsed_s", run.elapsed_s},
          {"progress", run.progress.empty() ? Json(nullptr) : Json(run.progress)},
          {"result", std::move(result)},
          {"error", run.error.empty() ? Json(nullptr) : Json(run.error)},
          {"files", files_of(run.folder)},
          {"folder", run.folder.string()}};
}

double wait_seconds(const Json& arguments) { return arguments.value("wait_s", 20.0); }

Result<Run> wait_for_run(RunStore& store, const std::string& id, double seconds, CallContext& context, uint64_t told) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  std::chrono::milliseconds pause = kFirstLook;
  while (true) {
    AMK_ASSIGN_OR_RETURN(Run run, store.look(id));
    uint64_t before = told;
    do {
      before = told;
      for (const std::string& note : store.notes(id, told)) context.log(LogLevel::kInfo, id + ": " + note);
    } while (run.ended() && told != before);  // nobody looks again
    if (run.ended() || context.stop() != Stop::kNo || std::chrono::steady_clock::now() >= end) return run;
    context.progress(run.state == RunState::kQueued ? "waiting behind another run"
                     : run.progress.empty()         ? "running"
                                                    : run.progress);
    context.pause(pause);
    pause = std::min(pause * 2, kEveryLook);
  }
}

ToolResult start_run(RunStore& store, const std::string& tool, const Json& arguments, const MakeCommand& make_command,
                     CallContext& context) {
  const auto started = [&]() -> Result<Run> {
    AMK_ASSIGN_OR_RETURN(const std::string id, store.make(tool, arguments));
    const Result<std::vector<std::string>> command = make_command(store.folder_of(id));
    if (const Status begun = command ? store.start(id, *command) : Status(command.error()); !begun) {
      store.fail(id, begun.error());
      return begun.error();
    }
    AMK_ASSIGN_OR_RETURN(Run run, wait_for_run(store, id, wait_seconds(arguments), context));
    if (context.stop() == Stop::kCancelled) return store.cancel(id);
    return run;
  };
  const Result<Run> run = started();
  if (!run) return failure(run.error());
  ToolResult out;
  if (run->state == RunState::kFailed) {
    out.error =
        fmt::format("{} failed: {}\nThe run is {}; its folder is {}", tool, run->error, run->id, run->folder.string());
  } else {
    out = run_result(*run);
  }
  return out;
}

ToolResult run_result(const Run& run) {
  ToolResult out;
  out.structured = run_json(run);
  out.more_content = artefact_links(run);
  return out;
}

std::string text_in(const Json& object, const char* key) {
  const Json& value = member(object, key);
  return value.is_string() ? value.get<std::string>() : std::string();
}

std::string number_text(const Json& value, int digits) {
  return value.is_number() ? fmt::format("{:.{}f}", value.get<double>(), digits) : "unknown";
}

}  // namespace amk::mcp
