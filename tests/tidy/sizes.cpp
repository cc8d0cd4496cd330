#include <algorithm>
#include <charconv>
#include <limits>
#include <map>

#include "tidy/functions.h"
#include "tidy/rules.h"

namespace amk::tidy {
namespace {

constexpr size_t kFileLinesMax = 600;
constexpr size_t kFileLinesHard = 800;  // not even when listed
constexpr size_t kHostFunctionLinesMax = 70;
constexpr size_t kDeviceFunctionLinesMax = 100;
constexpr size_t kNoHardLimit = std::numeric_limits<size_t>::max();

struct Measured {
  std::string path;
  size_t line = 0;
  std::string rule;
  size_t size = 0;
  size_t limit = 0;
  size_t hard_limit = 0;
};

// By what the exceptions call it: a path, or path:function.
using Measures = std::map<std::string, Measured>;

struct Listed {
  size_t size = 0;
  size_t line = 0;  // of the list
};

void measure_functions(const SourceFile& file, Measures& measures) {
  const bool device = file.path.ends_with(".cuh") || file.path.ends_with(".cu");
  const size_t limit = device ? kDeviceFunctionLinesMax : kHostFunctionLinesMax;
  for (const Function& function : find_functions(file.code)) {
    Measured& measured = measures[file.path + ":" + function.name];
    // Overloads share a name: the longest counts.
    if (measured.size >= function.lines()) continue;
    measured = {file.path, function.first_line, "function-size", function.lines(), limit, kNoHardLimit};
  }
}

Measures measure(const Tree& tree) {
  Measures measures;
  for (const SourceFile& file : tree) {
    if (!file.is_cpp() || file.is_generated()) continue;
    measures[file.path] = {file.path, 0, "file-size", file.lines.size(), kFileLinesMax, kFileLinesHard};
    if (file.is_in("engine") || file.is_in("cli") || file.is_in("mcp") || file.is_in("worker"))
      measure_functions(file, measures);
  }
  return measures;
}

std::map<std::string, Listed> parse_exceptions(std::string_view text, std::string_view path, Findings& findings) {
  std::map<std::string, Listed> listed;
  size_t number = 0;
  for (const std::string_view raw : split_lines(text)) {
    ++number;
    const std::string_view line = trim(raw);
    if (line.empty() || line.starts_with('#')) continue;
    const size_t blank = line.rfind(' ');
    const std::string_view digits = blank == std::string_view::npos ? "" : line.substr(blank + 1);
    size_t size = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), size);
    if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) {
      findings.push_back({std::string(path), number, "size-exceptions",
                          "expected 'path lines' or 'path:function lines', found '" + std::string(line) + "'"});
      continue;
    }
    listed[std::string(trim(line.substr(0, blank)))] = {size, number};
  }
  return listed;
}

std::string at_most(size_t limit, size_t found) {
  return "expected at most " + std::to_string(limit) + " lines, found " + std::to_string(found);
}

void check_unlisted(const std::string& key, const Measured& measured, Findings& findings) {
  if (measured.size <= measured.limit) return;
  findings.push_back(
      {measured.path, measured.line, measured.rule, key + ": " + at_most(measured.limit, measured.size)});
}

void check_listed(const std::string& key, const Measured& measured, const Listed& listed, std::string_view list,
                  Findings& findings) {
  const auto find = [&](const std::string& message) {
    findings.push_back({std::string(list), listed.line, "size-exceptions", key + ": " + message});
  };
  if (measured.size > measured.hard_limit) {
    find(at_most(measured.hard_limit, measured.size) + ", which no exception lifts");
  } else if (measured.size > listed.size) {
    find("an exception may only shrink: " + at_most(listed.size, measured.size));
  } else if (measured.size <= measured.limit) {
    find("no exception is needed any more: take the line out");
  } else if (measured.size < listed.size) {
    find("it has shrunk: lower its number to " + std::to_string(measured.size));
  }
}

}  // namespace

Findings check_sizes(const Tree& tree, std::string_view exceptions, std::string_view exceptions_path) {
  Findings findings;
  auto listed = parse_exceptions(exceptions, exceptions_path, findings);
  for (const auto& [key, measured] : measure(tree)) {
    const auto exception = listed.find(key);
    if (exception == listed.end()) {
      check_unlisted(key, measured, findings);
    } else {
      check_listed(key, measured, exception->second, exceptions_path, findings);
      listed.erase(exception);
    }
  }
  for (const auto& [key, entry] : listed) {
    findings.push_back({std::string(exceptions_path), entry.line, "size-exceptions",
                        "expected a file or function of ours, found '" + key + "'"});
  }
  return findings;
}

}  // namespace amk::tidy
