// Whatever the text, reading it as a program ends in a Program or an Error, and a Program can be judged.
#include <cstdint>

#include "fuzz/program_properties.h"
#include "schedule/program_json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace amk;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Result<schedule::Program> program = schedule::program_from_json(text, "input");
  if (program) fuzz::check_properties(*program);
  return 0;
}
