#include <fmt/format.h>

#include "mcp/conformance/fixtures.h"

namespace amk::mcp {
namespace {

Resource resource(const char* uri, const char* name, const char* mime_type,
                  std::function<Result<Contents>(const Variables&)> read) {
  Resource out;
  out.uri = uri;
  out.name = name;
  out.title = name;
  out.description = name;
  out.mime_type = mime_type;
  out.read = std::move(read);
  return out;
}

Json message(Json content) { return {{"role", "user"}, {"content", std::move(content)}}; }

Prompt prompt(const char* name, const char* description, std::vector<PromptArgument> arguments,
              std::function<Json(const Json& arguments)> messages) {
  Prompt out;
  out.name = name;
  out.title = name;
  out.description = description;
  out.arguments = std::move(arguments);
  out.messages = std::move(messages);
  return out;
}

Prompt asking_prompt() {
  Prompt out =
      prompt("test_input_required_result_prompt", "Asks for a context", {}, [](const Json&) { return Json::array(); });
  out.asks = {
      {"user_context", elicitation("What context should the prompt use?", {{"context", {{"type", "string"}}}})}};
  out.answered = [](const Json&, const Json& answers) {
    return Json::array({user_message("The context: " + to_line(member(answers.at("user_context"), "content")))});
  };
  return out;
}

}  // namespace

std::vector<Resource> fixture_resources() {
  const auto text = [](const std::string& words) {
    return [words](const Variables&) -> Result<Contents> { return Contents{words, "", false}; };
  };
  const auto by_id = [](const Variables& variables) -> Result<Contents> {
    const std::string& id = variables.at("id");
    const Json json = {{"id", id}, {"templateTest", true}, {"data", "Data for ID: " + id}};
    return Contents{to_line(json), "", false};
  };
  return {
      resource("test://static-text", "Static text", "text/plain",
               text("This is the content of the static text resource.")),
      resource("test://static-binary", "Static image", "image/png",
               [](const Variables&) -> Result<Contents> {
                 return Contents{kTinyPng, "", true};
               }),
      resource("test://watched-resource", "Watched text", "text/plain", text("This may be watched.")),
      resource("test://template/{id}/data", "Data by id", "application/json", by_id),
  };
}

std::vector<Prompt> fixture_prompts() {
  const auto both = [](const Json& arguments) {
    return Json::array(
        {user_message(fmt::format("Prompt with arguments: arg1='{}', arg2='{}'",
                                  arguments.at("arg1").get<std::string>(), arguments.at("arg2").get<std::string>()))});
  };
  const auto embedded = [](const Json& arguments) {
    return Json::array({message(embedded_item(arguments.at("resourceUri").get<std::string>(), "text/plain",
                                              "Embedded resource content for testing.")),
                        user_message("Please process the embedded resource above.")});
  };
  const auto known = [](const std::string& typed) { return matching({"paris", "park", "party", "test"}, typed); };
  return {
      prompt("test_simple_prompt", "A text", {},
             [](const Json&) { return Json::array({user_message("This is a simple prompt for testing.")}); }),
      prompt("test_prompt_with_arguments", "A text with two places",
             {{"arg1", "First test argument", true, known}, {"arg2", "Second test argument", true, nullptr}}, both),
      prompt("test_prompt_with_embedded_resource", "A resource and a text",
             {{"resourceUri", "URI of the resource to embed", true, nullptr}}, embedded),
      prompt("test_prompt_with_image", "An image and a text", {},
             [](const Json&) {
               return Json::array({message(image_item()), user_message("Please analyze the image above.")});
             }),
      asking_prompt(),
  };
}

}  // namespace amk::mcp
