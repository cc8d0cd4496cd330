// amk-gen: writes the generated documents and schemas, or says which ones differ from the tables.
//
// Run from the project's root: `amk-gen --write` or `amk-gen --check` (exit 1 on drift).
#include <cstdio>
#include <string_view>

#include "base/files.h"
#include "gen/tables.h"

namespace {

constexpr uint64_t kBytesMax = 16 << 20;

int write_all() {
  for (const amk::gen::GeneratedFile& file : amk::gen::generated_files()) {
    if (const amk::Status status = amk::write_file_atomic(file.path, file.content); !status.ok()) {
      std::fprintf(stderr, "amk-gen: %s\n", status.error().text().c_str());
      return 1;
    }
  }
  return 0;
}

int check_all() {
  int drifted = 0;
  for (const amk::gen::GeneratedFile& file : amk::gen::generated_files()) {
    const amk::Result<std::string> found = amk::read_file(file.path, kBytesMax);
    if (found.ok() && *found == file.content) continue;
    std::fprintf(stderr, "amk-gen: %s: expected what engine/abi/*.def says, found something else (run ./dev regen)\n",
                 file.path.c_str());
    drifted = 1;
  }
  return drifted;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view mode = argc == 2 ? argv[1] : "";
  if (mode == "--write") return write_all();
  if (mode == "--check") return check_all();
  std::fprintf(stderr, "usage: amk-gen --write | --check\n");
  return 2;
}
