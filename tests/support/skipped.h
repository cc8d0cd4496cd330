// A test that cannot run here says so by name. ctest's SKIP_REGULAR_EXPRESSION reads the line, so that a program where
// anything was skipped never counts as passed.
#pragma once

#include <doctest/doctest.h>

#include <cstdio>
#include <string>

namespace amk::test {

/// Prints "SKIPPED: <test case>: <why>".
inline void skip(const char* test_case, const std::string& why) {
  std::printf("SKIPPED: %s: %s\n", test_case, why.c_str());
  std::fflush(stdout);
}

}  // namespace amk::test
