#include "tidy/rules.h"

#include <doctest/doctest.h>

#include <initializer_list>

using namespace amk::tidy;

namespace {

std::string rules_of(const Findings& findings) {
  std::string rules;
  for (const Finding& finding : findings) rules += (rules.empty() ? "" : " ") + finding.rule;
  return rules;
}

std::string text_rules(const char* path, const std::string& text) {
  return rules_of(check_text(SourceFile(path, text)));
}
std::string code_rules(const char* path, const std::string& text) {
  return rules_of(check_code(SourceFile(path, text)));
}

// A path of one machine, put together here so that this file holds none.
std::string machine_path(const char* folder) { return std::string("/") + folder + "/amk"; }

}  // namespace

TEST_CASE("blanks, tabs, carriage returns and a missing newline are found, in any text") {
  CHECK(text_rules("a.md", "fine\n").empty());
  CHECK(text_rules("a.md", "").empty());
  CHECK(text_rules("a.md", "a \n") == "trailing-blank");
  CHECK(text_rules("a.cpp", "\ta\n") == "tab");
  CHECK(text_rules("a.cpp", "a\r\n") == "carriage-return");
  CHECK(text_rules("a.txt", "a") == "final-newline");
}

TEST_CASE("data is kept byte for byte") {
  CHECK(text_rules("models/a/tokenizer.json", "a\t \r\nb").empty());
  CHECK(text_rules("tests/golden/a.txt", "a ").empty());
  CHECK(text_rules("a.bin", std::string("\0 \t", 3)).empty());
}

TEST_CASE("code is at most 120 columns wide, counted as characters") {
  CHECK(text_rules("a.cpp", std::string(120, 'x') + "\n").empty());
  CHECK(text_rules("a.cpp", std::string(121, 'x') + "\n") == "line-length");
  CHECK(text_rules("a.md", std::string(200, 'x') + "\n").empty());
  CHECK(text_rules("a.def", std::string(200, 'x') + "\n").empty());
  std::string boxes;
  for (int i = 0; i < 120; ++i) boxes += "\xe2\x94\x80";
  CHECK(text_rules("a.cpp", boxes + "\n").empty());
}

TEST_CASE("a path of one machine is found in any text, data included") {
  for (const char* folder : {"work", "root", "home"}) {
    CAPTURE(folder);
    CHECK(text_rules("a.md", "see " + machine_path(folder) + "\n") == "machine-path");
    CHECK(text_rules("models/a/config.json", "\"" + machine_path(folder) + "\"\n") == "machine-path");
    CHECK(text_rules("a.md", "see ../x" + machine_path(folder) + " or ~" + machine_path(folder) + "\n").empty());
    CHECK(text_rules("a.md", std::string("the folder /") + folder + "/ itself\n").empty());
  }
}

TEST_CASE("words for unfinished work are found in code and its comments, whole and as they are") {
  for (const char* word : {"TO"
                           "DO",
                           "FIX"
                           "ME",
                           "XX"
                           "X",
                           "HA"
                           "CK"}) {
    CAPTURE(word);
    CHECK(code_rules("a.cpp", std::string("// ") + word + ": later\n") == "banned-word");
    CHECK(code_rules("CMakeLists.txt", std::string("# ") + word + "\n") == "banned-word");
    CHECK(code_rules("dev", std::string("#!/bin/bash\n# ") + word + "\n") == "banned-word");
    CHECK(code_rules("a.cpp", std::string("// ") + word + "ER and my_" + word + "\n").empty());
  }
}

TEST_CASE("only programs print") {
  for (const char* call :
       {"printf(\"a\");", "std::cout << 1;", "std::fprintf(stderr, \"a\");", "fmt::print(\"a\");", "puts(x);"}) {
    CAPTURE(call);
    CHECK(code_rules("engine/vm/a.cpp", std::string(call) + "\n") == "printing");
    CHECK(code_rules("mcp/a.cpp", std::string(call) + "\n") == "printing");
    CHECK(code_rules("mcp/main.cpp", std::string(call) + "\n").empty());
    CHECK(code_rules("cli/a.cpp", std::string(call) + "\n").empty());
    CHECK(code_rules("tests/a.cpp", std::string(call) + "\n").empty());
    CHECK(code_rules("engine/base/assert.cpp", std::string(call) + "\n").empty());
  }
  CHECK(code_rules("engine/vm/a.cpp", "// printf\nauto a = \"puts\"; inputs(a); snprintf(a);\n").empty());
}

TEST_CASE("a header says what it owns, is read once, and opens no namespace") {
  CHECK(code_rules("a.h", "// Owns a.\n#pragma once\n").empty());
  CHECK(code_rules("a.h", "#pragma once\n// Owns a.\n") == "header-comment");
  CHECK(code_rules("a.h", "// Owns a.\n// #pragma once\n") == "pragma-once");
  CHECK(code_rules("a.h", "// Owns a.\n#pragma once\nusing namespace std;\n") == "using-namespace");
  CHECK(code_rules("a.h", "// Owns a.\n#pragma once\nusing std::string;\nnamespace b {}\n").empty());
  CHECK(code_rules("a.cpp", "using namespace amk;\n").empty());
  CHECK(code_rules("a.def", "ROW(a)\n") == "header-comment");
  CHECK(code_rules("a.def", "// ROW(name)\nROW(a)\n").empty());
}

TEST_CASE("a source file that no CMakeLists.txt names is found") {
  Tree tree;
  tree.emplace_back("engine/CMakeLists.txt", "lib(SOURCES base/a.cpp\n  base/b.cpp)\n# base/c.cpp\n");
  tree.emplace_back("tests/CMakeLists.txt",
                    "t(${PROJECT_SOURCE_DIR}/engine/base/d.cpp ../engine/base/e.cpp \"x.cpp\")\n");
  for (const char* path : {"engine/base/a.cpp", "engine/base/b.cpp", "engine/base/d.cpp", "engine/base/e.cpp",
                           "tests/x.cpp", "engine/base/f.cu"}) {
    tree.emplace_back(path, "");
  }
  CHECK(check_build_lists(tree).empty());
  tree.emplace_back("engine/base/c.cpp", "");
  tree.emplace_back("base/a.cpp", "");
  const Findings findings = check_build_lists(tree);
  REQUIRE(findings.size() == 2);
  CHECK(findings[0].path == "engine/base/c.cpp");
  CHECK(findings[1].path == "base/a.cpp");
}

TEST_CASE("a whole tree is checked, its findings in order of place, its exceptions taken from it") {
  Tree tree;
  tree.emplace_back("engine/base/b.h", "#include <CLI/CLI.hpp>\n");
  tree.emplace_back("engine/base/a.h", "// a\n#pragma once\nint x; \n");
  tree.emplace_back("tests/tidy/size_exceptions.txt", "engine/base/gone.cpp 700\n");
  CHECK(rules_of(check_tree(tree)) == "trailing-blank pragma-once header-comment library size-exceptions");
}
