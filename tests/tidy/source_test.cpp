#include "tidy/source.h"

#include <doctest/doctest.h>

using namespace amk::tidy;

TEST_CASE("comments and the insides of literals are no code") {
  CHECK(code_of("a // b\nc") == "a     \nc");
  CHECK(code_of("a /* b\nc */ d") == "a     \n     d");
  CHECK(code_of("f(\"x // y\");") == "f(\"      \");");
  CHECK(code_of(R"(f("a\"b");)") == "f(\"    \");");
  CHECK(code_of("char c = '\"'; int d;") == "char c = ' '; int d;");
}

TEST_CASE("a raw string ends at its own delimiter") {
  CHECK(code_of("R\"(a\"b)\"; c") == "R\"     \"; c");
  CHECK(code_of("R\"x(a)\" b)x\"; c") == "R\"         \"; c");
  CHECK(code_of("OTHER\"(a\"; c") == "OTHER\"  \"; c");
}

TEST_CASE("a quote in a number opens no literal") {
  CHECK(code_of("int a = 1'000'000; // b") == "int a = 1'000'000;     ");
  CHECK(code_of("0xff'ff + u8'x'") == "0xff'ff + u8' '");
}

TEST_CASE("an unfinished comment or literal ends with the text or the line") {
  CHECK(code_of("a /* b") == "a     ");
  CHECK(code_of("a \"b\nc").ends_with("\nc"));
  CHECK(code_of("R\"(abc").size() == 6);
  CHECK(code_of("\"\\").size() == 2);
}

TEST_CASE("only the first branch of a condition is kept, and no directive") {
  const std::string plain = without_preprocessor("#if A\nint f() {\n#else\nint g() {\n#endif\n}\n");
  CHECK(plain.find("int f() {") != std::string::npos);
  CHECK(plain.find("int g") == std::string::npos);
  CHECK(without_preprocessor("#define X \\\n  { {\nint y;").find('{') == std::string::npos);
}

TEST_CASE("a word is found only where it stands alone") {
  CHECK(find_word("a puts(b)", "puts") == 2);
  CHECK(find_word("inputs outputs puts_all", "puts") == std::string_view::npos);
  CHECK(find_word("xputs puts", "puts") == 6);
}

TEST_CASE("a file is known by its name, a script by its first line, a binary by its zeros") {
  CHECK(SourceFile("a/b.cpp", "").kind == FileKind::kSource);
  CHECK(SourceFile("a/b.cuh", "").kind == FileKind::kHeader);
  CHECK(SourceFile("a/CMakeLists.txt", "").kind == FileKind::kCmake);
  CHECK(SourceFile("dev", "#!/bin/sh\n").kind == FileKind::kScript);
  CHECK(SourceFile("a/b.h", std::string("a\0b", 3)).kind == FileKind::kBinary);
  CHECK(SourceFile("engine/model/x.cpp", "").is_in("engine/model"));
  CHECK_FALSE(SourceFile("engine/modelling/x.cpp", "").is_in("engine/model"));
}
