#include "vm/cuda/kernel_sources.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <set>
#include <string>

#include "support/temp_directory.h"

using namespace amk;
namespace fs = std::filesystem;

namespace {

bool belongs(const std::string& name) {
  const fs::path path(name);
  const bool device = path.extension() == ".cuh" || path.extension() == ".cu";
  if (name.starts_with("abi/")) return path.extension() == ".h" || path.extension() == ".def";
  if (name.starts_with("instructions/")) return path.extension() == ".cuh" || name == "instructions/device/records.h";
  return name.starts_with("vm/cuda/") && device;
}

}  // namespace

TEST_CASE("every file that the kernel may include is in the program, byte for byte, and no other") {
  std::set<std::string> expected;
  for (const auto& entry : fs::recursive_directory_iterator("engine")) {
    const std::string name = entry.path().lexically_relative("engine").generic_string();
    if (entry.is_regular_file() && belongs(name)) expected.insert(name);
  }
  std::set<std::string> found;
  for (const vm::cuda::SourceFile& file : vm::cuda::kernel_sources()) {
    CAPTURE(file.name);
    CHECK(found.insert(std::string(file.name)).second);
    CHECK((file.text == test::slurp("engine/" + std::string(file.name))));
  }
  CHECK(found == expected);
  CHECK(found.contains("abi/tables.h"));
  CHECK(found.contains("abi/opcode.def"));
}
