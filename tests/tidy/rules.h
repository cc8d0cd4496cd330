// The rules, one function for each family. Each looks only at what it is given and returns every finding.
#pragma once

#include <string_view>

#include "tidy/finding.h"
#include "tidy/source.h"
#include "tidy/tree.h"

namespace amk::tidy {

/// Rules include-table and library: who may include what, by the table in layers.h.
Findings check_includes(const SourceFile& file);

/// Rules tab, trailing-blank, final-newline, carriage-return, machine-path and line-length.
Findings check_text(const SourceFile& file);

/// Rules banned-word, printing, using-namespace, pragma-once and header-comment.
Findings check_code(const SourceFile& file);

/// Rules file-size and function-size over the whole tree, with `exceptions` the text of size_exceptions.txt, which
/// stands at `exceptions_path`. What is listed there may only shrink.
Findings check_sizes(const Tree& tree, std::string_view exceptions, std::string_view exceptions_path);

/// Rule dead-source: every source file of ours is named in a CMakeLists.txt.
Findings check_build_lists(const Tree& tree);

/// All of them over the tree, ordered by path and line. The exceptions are taken from the tree itself.
Findings check_tree(const Tree& tree);

inline constexpr std::string_view kExceptionsPath = "tests/tidy/size_exceptions.txt";

}  // namespace amk::tidy
