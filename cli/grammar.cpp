#include "cli/grammar.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

namespace amk::cli {

// ---- values ---------------------------------------------------------------------------------------------------------

/// An integer of [min, max], all of the text.
CLI::Validator integer(uint64_t min, uint64_t max) {
  const auto check = [min, max](std::string& text) {
    uint64_t value = 0;
    const char* end = text.data() + text.size();
    const auto [stop, problem] = std::from_chars(text.data(), end, value);
    if (problem == std::errc() && stop == end && value >= min && value <= max) return std::string();
    return fmt::format("expected an integer from {} to {}, found '{}'", min, max, text);
  };
  return CLI::Validator(check, "", "integer");
}

CLI::Validator decimal() {
  const auto check = [](std::string& text) {
    double value = 0;
    const char* end = text.data() + text.size();
    const auto [stop, problem] = std::from_chars(text.data(), end, value);
    if (problem == std::errc() && stop == end && std::isfinite(value)) return std::string();
    return fmt::format("expected a number, found '{}'", text);
  };
  return CLI::Validator(check, "", "number");
}

CLI::Option* add_integer(CLI::App& app, const std::string& name, uint32_t& value, uint64_t min,
                         const std::string& doc) {
  return app.add_option(name, value, doc)->check(integer(min, UINT32_MAX))->type_name("N");
}

/// An optional integer: CLI11 converts, the callback remembers that it was given.
void add_index(CLI::App& app, const std::string& name, std::optional<uint32_t>& value, const std::string& doc) {
  app.add_option_function<uint32_t>(
         name, [&value](const uint32_t& given) { value = given; }, doc)
      ->check(integer(0, UINT32_MAX - 1))
      ->type_name("N");
}

void add_text(CLI::App& app, const std::string& name, std::optional<std::string>& value, const std::string& type,
              const std::string& doc) {
  app.add_option_function<std::string>(
         name, [&value](const std::string& given) { value = given; }, doc)
      ->type_name(type);
}

// ---- options that verbs share ---------------------------------------------------------------------------------------

CLI::Option* add_source(CLI::App& app, const std::string& name, std::string& value, const std::string& doc) {
  return app.add_option(name, value, doc)->type_name("")->required();
}

void add_schedule(CLI::App& app, ScheduleOptions& options) {
  app.add_option("--gpu", options.gpu,
                 "GPU the program is for; auto: this machine's, else h100 (default); none: h100, and no GPU is "
                 "used")
      ->type_name("TARGET");
  add_integer(app, "--context", options.context, 1,
              "positions the KV caches hold (default: the model's, at most 2048)");
  app.add_option("--rope-frequencies", options.rope_frequencies,
                 "float32, as transformers' from_pretrained keeps them (default), or stored: rounded to the weights' "
                 "dtype, as model.to(dtype) leaves them")
      ->type_name("PRECISION");
  app.add_option("--weights", options.weights,
                 "stored (default), or what every matrix is quantised to: int8 or int4, with a scale for 128 columns "
                 "of a row, :64 or the whole :row")
      ->type_name("FORMAT");
  app.add_option("--kv-dtype", options.kv_dtype, "what the KV caches hold: f32 (default), f16 or bf16")
      ->type_name("DTYPE");
  app.add_option("--schedule", options.schedule_file,
                 "knobs as JSON, a file or the text itself; those left out keep their defaults")
      ->type_name("FILE|JSON");
  app.add_option("--set", options.sets, "one knob, as in pipelining_depth=8; repeatable; after --schedule")
      ->type_name("KNOB=VALUE")
      ->allow_extra_args(false);
}

void add_run(CLI::App& app, RunOptions& options, bool has_device) {
  if (has_device) {
    app.add_option("--device", options.device,
                   "what runs the program: cpu|cuda|auto (default auto: the GPU that it is for)")
        ->type_name("DEVICE");
  }
  app.add_option("--threads", options.threads, "threads to use (default: every core)")
      ->check(integer(1, 1024))
      ->type_name("N");
}

CLI::Option* add_decimal(CLI::App& app, const std::string& name, double& value, const std::string& doc) {
  return app.add_option(name, value, doc)->check(decimal())->type_name("X");
}

void add_workspace(CLI::App& app, std::string& workspace) {
  app.add_option("--workspace", workspace, "where campaigns are kept (default: $AMK_HOME, else .amk)")
      ->type_name("DIR");
}

}  // namespace amk::cli
