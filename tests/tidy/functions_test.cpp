#include "tidy/functions.h"

#include <doctest/doctest.h>

#include "tidy/source.h"

using namespace amk::tidy;

namespace {

std::vector<Function> functions_in(const char* text) { return find_functions(code_of(text)); }

std::string names_in(const char* text) {
  std::string names;
  for (const Function& function : functions_in(text)) names += (names.empty() ? "" : " ") + function.name;
  return names;
}

}  // namespace

TEST_CASE("a function is measured from its declaration to its closing brace") {
  const auto functions = functions_in("// about f\nstatic int\nf(int a) {\n  if (a) {\n  }\n  return 1;\n}\n");
  REQUIRE(functions.size() == 1);
  CHECK(functions[0].name == "f");
  CHECK(functions[0].first_line == 2);
  CHECK(functions[0].last_line == 7);
  CHECK(functions[0].lines() == 6);
}

TEST_CASE("functions are found in namespaces, classes and behind templates") {
  CHECK(names_in("namespace a::b { namespace {\nint f() { return 0; }\n}\nvoid g() const noexcept {}\n}") == "f g");
  CHECK(names_in("class C final : public D<int> {\n public:\n  int f() { return 0; }\n private:\n  int x_{0};\n};") ==
        "f");
  CHECK(names_in("template <typename T = int, int N = (3 > 2)>\nauto C<T>::f(T t) -> int { return N; }") == "f");
  CHECK(names_in("int A::B::f(int a = 3) { return a; }\nA::~A() {}\n") == "A::B::f A::~A");
  CHECK(names_in("extern \"C\" {\nint f() { return 0; }\n}") == "f");
}

TEST_CASE("operators and constrained constructors keep their names") {
  CHECK(names_in("struct A {\n  bool operator==(const A& o) const { return true; }\n};") == "operator==");
  CHECK(names_in("int A::operator()(int x) { return x; }") == "A::operator()");
  CHECK(names_in("template <typename U>\n  requires(is_x<U>)\nR(U&& v) : s_(v) {}") == "R");
  CHECK(names_in("[[nodiscard]] T& operator[](int i) { return a_[i]; }") == "operator[]");
}

TEST_CASE("specialisations are told apart by their arguments") {
  CHECK(names_in("template <>\nvoid run<Op::kA>(int x) {}\ntemplate <>\nMap<A, B> make<A, B>() {}") ==
        "run<Op::kA> make<A,B>");
  CHECK(names_in("std::function<void()> f{g};\nstd::vector<int> h() { return {}; }") == "h");
}

TEST_CASE("a constructor's braced members belong to the constructor") {
  const auto functions = functions_in("A::A(int x)\n    : a_{x},\n      b_(2) {\n  f();\n}\nint g() { return 1; }\n");
  REQUIRE(functions.size() == 2);
  CHECK(functions[0].name == "A::A");
  CHECK(functions[0].lines() == 5);
  CHECK(functions[1].name == "g");
}

TEST_CASE("tables, enums and variables are no functions") {
  CHECK(names_in("constexpr Row kRows[] = {\n  {\"a\", f(1)},\n};\nenum class E : unsigned char { kA };\nint x{3};")
            .empty());
  CHECK(names_in("int kTable[] = {1, 2};\nvoid f() { int a[] = {1}; g([] { return 1; }); }") == "f");
  CHECK(names_in("#define BODY { {\nvoid f() {}\n") == "f");
}
