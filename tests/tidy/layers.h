// The table of folders: what each may include, and which libraries it may use. The tree is the architecture, and this
// is the one place that says so in a form a machine reads; the same table in words is in docs/architecture.md.
#pragma once

#include <string_view>

namespace amk::tidy {

/// One folder. The lists are names with a blank between them; a folder may always include itself.
struct Layer {
  std::string_view name;       ///< as in #include "name/header.h"
  std::string_view path;       ///< where it is in the tree
  std::string_view may_use;    ///< folders, each of which stands above this one in the table
  std::string_view libraries;  ///< names of kLibraries
};

inline constexpr Layer kLayers[] = {
    {"base", "engine/base", "", "fmt spdlog openssl"},
    {"abi", "engine/abi", "", ""},
    {"ipc", "engine/ipc", "base", "fmt spdlog json"},
    {"model", "engine/model", "base abi", "fmt spdlog json pcre2 utf8proc"},
    {"instructions", "engine/instructions", "base abi", "fmt spdlog"},
    {"schedule", "engine/schedule", "base abi model instructions", "fmt spdlog"},
    {"explorer", "engine/explorer", "base abi schedule", "fmt"},
    {"validator", "engine/validator", "base abi instructions schedule", "fmt spdlog"},
    {"campaign", "engine/campaign", "base abi model instructions schedule explorer validator", "fmt"},
    {"vm", "engine/vm", "base abi model instructions schedule validator", "fmt spdlog"},
    {"eval", "engine/eval", "base abi ipc model instructions schedule validator vm", "fmt spdlog"},
    {"search", "engine/search", "base abi ipc model instructions schedule validator vm eval",
     "fmt spdlog git2 boost svm"},
    {"worker", "worker", "base abi ipc model instructions schedule validator vm eval", "fmt spdlog json"},
    {"cli", "cli", "base abi ipc model instructions schedule explorer validator campaign vm eval search",
     "fmt spdlog json cli11"},
    {"mcp", "mcp", "base abi ipc model instructions schedule validator vm eval search",
     "fmt spdlog json valijson boost"},
};

/// Files of one folder that are held to less than the folder is. They may include one another.
struct StricterFiles {
  std::string_view layer;
  std::string_view stems;  ///< of file names: "oracle" is oracle.h, oracle.cpp, oracle_attention.cpp
  std::string_view may_use;
  std::string_view why;
};

inline constexpr StricterFiles kStricterFiles[] = {
    {"eval", "oracle rotary stored_rows", "base abi model", "the oracle shares no code with what it judges"},
};

/// How a library is recognised in #include <...>: `start` is how the name starts.
struct Library {
  std::string_view name;
  std::string_view start;
};

inline constexpr Library kLibraries[] = {
    {"fmt", "fmt/"},           {"spdlog", "spdlog/"},    {"json", "nlohmann/"},
    {"cli11", "CLI/"},         {"pcre2", "pcre2"},       {"openssl", "openssl/"},
    {"doctest", "doctest/"},   {"cuda", "cuda"},         {"cuda", "cooperative_groups"},
    {"cuda", "cublas"},        {"cuda", "nvrtc"},        {"cuda", "mma.h"},
    {"git2", "git2"},          {"boost", "boost/"},      {"svm", "libsvm/"},
    {"valijson", "valijson/"}, {"utf8proc", "utf8proc"},
};

/// engine/abi and device code are compiled by NVRTC, which has no standard library: only these.
inline constexpr std::string_view kAbiHeaders = "stdint.h stddef.h";

/// Headers outside engine/abi that device code shares with the host, and which are held to what device code is.
inline constexpr std::string_view kSharedWithDevice = "instructions/device/records.h";

/// <folder/header> that belong to the system, not to a library.
inline constexpr std::string_view kSystemFolders = "sys linux asm net netinet arpa bits experimental";

}  // namespace amk::tidy
