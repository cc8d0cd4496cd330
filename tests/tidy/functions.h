// Finds the functions of a C++ file by its braces, to measure them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace amk::tidy {

/// One function with a body. The lines count from 1: `first_line` is where its declaration starts (its comment does
/// not count), `last_line` is where its closing brace stands.
struct Function {
  std::string name;  ///< as written, with its qualification: "Checkpoint::open"
  size_t first_line = 0;
  size_t last_line = 0;

  [[nodiscard]] size_t lines() const { return last_line - first_line + 1; }
};

/// The functions in `code`, which is what code_of() returns. Lambdas belong to the function they stand in; one that
/// initialises a variable outside of functions is not seen.
std::vector<Function> find_functions(std::string_view code);

}  // namespace amk::tidy
