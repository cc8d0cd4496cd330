#include <doctest/doctest.h>

#include "tidy/layers.h"
#include "tidy/rules.h"

using namespace amk::tidy;

namespace {

// The rules that one include in one file breaks, with blanks between.
std::string broken(const char* path, const std::string& include) {
  std::string rules;
  for (const Finding& finding : check_includes(SourceFile(path, "#include " + include + "\n"))) {
    rules += (rules.empty() ? "" : " ") + finding.rule;
  }
  return rules;
}

}  // namespace

TEST_CASE("a folder may use only folders above it in the table") {
  std::string above = " ";
  for (const Layer& layer : kLayers) {
    CAPTURE(layer.name);
    for (std::string_view names = layer.may_use; !names.empty();) {
      const std::string name(names.substr(0, names.find(' ')));
      CHECK(above.find(" " + name + " ") != std::string::npos);
      names.remove_prefix(std::min(name.size() + 1, names.size()));
    }
    above += std::string(layer.name) + " ";
  }
}

TEST_CASE("every library that the table names is one that can be recognised") {
  for (const Layer& layer : kLayers) {
    for (std::string_view names = layer.libraries; !names.empty();) {
      const std::string name(names.substr(0, names.find(' ')));
      CAPTURE(name);
      bool known = false;
      for (const Library& library : kLibraries) known = known || library.name == name;
      CHECK(known);
      names.remove_prefix(std::min(name.size() + 1, names.size()));
    }
  }
}

TEST_CASE("an include downwards is found, and the same upwards is not") {
  CHECK(broken("engine/base/x.cpp", "\"model/checkpoint.h\"") == "include-table");
  CHECK(broken("engine/model/x.cpp", "\"base/result.h\"").empty());
  CHECK(broken("engine/instructions/rope/rope.cpp", "\"model/checkpoint.h\"") == "include-table");
  CHECK(broken("engine/validator/x.cpp", "\"model/checkpoint.h\"") == "include-table");
  CHECK(broken("engine/validator/x.cpp", "\"schedule/program.h\"").empty());
  CHECK(broken("engine/schedule/x.cpp", "\"vm/reference/vm.h\"") == "include-table");
  CHECK(broken("engine/vm/reference/vm.cpp", "\"validator/validate.h\"").empty());
  CHECK(broken("engine/search/x.cpp", "\"cli/verb.h\"") == "include-table");
  CHECK(broken("cli/main.cpp", "\"search/propose.h\"").empty());
  CHECK(broken("cli/main.cpp", "\"mcp/server.h\"") == "include-table");
  CHECK(broken("tests/unit/a_test.cpp", "\"search/propose.h\"").empty());
}

TEST_CASE("the oracle may use the model and nothing that it judges") {
  CHECK(broken("engine/eval/oracle.cpp", "\"model/checkpoint.h\"").empty());
  CHECK(broken("engine/eval/oracle.cpp", "\"eval/oracle.h\"").empty());
  CHECK(broken("engine/eval/oracle_attention.cpp", "\"eval/oracle_attention.h\"").empty());
  CHECK(broken("engine/eval/oracle.cpp", "\"instructions/rope/rope.h\"") == "include-table");
  CHECK(broken("engine/eval/oracle_attention.cpp", "\"schedule/program.h\"") == "include-table");
  CHECK(broken("engine/eval/oracle.h", "\"eval/perplexity.h\"") == "include-table");
  CHECK(broken("engine/eval/oracle.cpp", "\"eval/rotary.h\"").empty());
  CHECK(broken("engine/eval/stored_rows.cpp", "\"schedule/program.h\"") == "include-table");
  CHECK(broken("engine/eval/oracles.cpp", "\"schedule/program.h\"").empty());
  CHECK(broken("engine/eval/verdict.cpp", "\"instructions/rope/rope.h\"").empty());
}

TEST_CASE("our headers are written from engine/ and in quotes") {
  CHECK(broken("engine/model/x.cpp", "\"checkpoint.h\"") == "include-table");
  CHECK(broken("engine/model/x.cpp", "\"../base/result.h\"") == "include-table");
  CHECK(broken("engine/model/x.cpp", "<base/result.h>") == "library");
  CHECK(broken("engine/model/x.cpp", "\"nlohmann/json.hpp\"") == "include-table");
}

TEST_CASE("a library is used only where the table has it") {
  CHECK(broken("engine/model/config.cpp", "<nlohmann/json.hpp>").empty());
  CHECK(broken("engine/schedule/program.cpp", "<nlohmann/json.hpp>") == "library");
  CHECK(broken("engine/schedule/program_json.cpp", "<nlohmann/json.hpp>").empty());
  CHECK(broken("engine/abi/program_json.h", "<nlohmann/json.hpp>") == "library");
  CHECK(broken("cli/main.cpp", "<CLI/CLI.hpp>").empty());
  CHECK(broken("engine/search/x.cpp", "<CLI/CLI.hpp>") == "library");
  CHECK(broken("engine/model/tokenizer.cpp", "<pcre2.h>").empty());
  CHECK(broken("cli/main.cpp", "<pcre2.h>") == "library");
  CHECK(broken("engine/base/sha256.cpp", "<openssl/evp.h>").empty());
  CHECK(broken("engine/model/x.cpp", "<openssl/evp.h>") == "library");
  CHECK(broken("engine/base/x.cpp", "<doctest/doctest.h>") == "library");
  CHECK(broken("engine/base/x.cpp", "<some/library.h>") == "library");
  CHECK(broken("engine/base/x.cpp", "<sys/mman.h>").empty());
  CHECK(broken("engine/validator/x.cpp", "<fmt/format.h>").empty());
}

TEST_CASE("nothing of CUDA is included anywhere: its libraries are opened at run time") {
  CHECK(broken("engine/vm/cuda/driver.cpp", "<cuda.h>") == "library");
  CHECK(broken("engine/vm/cuda/nvrtc.cpp", "<nvrtc.h>") == "library");
  CHECK(broken("engine/eval/baseline.cpp", "<cublas_v2.h>") == "library");
  CHECK(broken("engine/instructions/rope/rope.cuh", "<cuda_fp16.h>") == "library");
  CHECK(broken("engine/instructions/rope/rope.cuh", "<cooperative_groups.h>") == "library");
}

TEST_CASE("device code includes abi, device code, the shared records and the fixed-size integers") {
  for (const char* path :
       {"engine/instructions/rope/rope.cuh", "engine/vm/cuda/kernel.cu", "engine/instructions/device/records.h"}) {
    CAPTURE(path);
    CHECK(broken(path, "\"abi/tables.h\"").empty());
    CHECK(broken(path, "\"instructions/device/ring.cuh\"").empty());
    CHECK(broken(path, "<stdint.h>").empty());
    CHECK(broken(path, "<cstdint>") == "library");
    CHECK(broken(path, "<vector>") == "library");
    CHECK(broken(path, "\"instructions/contract.h\"") == "include-table");
    CHECK(broken(path, "\"base/result.h\"") == "include-table");
  }
  CHECK(broken("engine/vm/cuda/kernel.cu", "\"instructions/device/records.h\"").empty());
  CHECK(broken("engine/instructions/rope/rope.cuh", "\"instructions/device/records.h\"").empty());
  CHECK(broken("engine/vm/cuda/loader.cpp", "\"instructions/device/records.h\"").empty());
  CHECK(broken("engine/vm/cuda/loader.cpp", "<vector>").empty());
}

TEST_CASE("abi includes only itself and the fixed-size integers") {
  CHECK(broken("engine/abi/record.h", "<stdint.h>").empty());
  CHECK(broken("engine/abi/record.h", "\"abi/dtype.def\"").empty());
  CHECK(broken("engine/abi/record.h", "<vector>") == "library");
  CHECK(broken("engine/abi/record.h", "<fmt/format.h>") == "library");
  CHECK(broken("engine/abi/record.h", "\"base/ids.h\"") == "include-table");
}

TEST_CASE("an include in a comment does not count, one after a blank does") {
  CHECK(
      check_includes(SourceFile("engine/base/x.h", "// #include \"vm/vm.h\"\n/*\n#include \"vm/vm.h\"\n*/\n")).empty());
  const Findings findings = check_includes(SourceFile("engine/base/x.h", "//\n  #  include \"vm/vm.h\"\n"));
  REQUIRE(findings.size() == 1);
  CHECK(findings[0].line == 2);
}
