// The workspace: where campaigns are kept, for one process of ours at a time.
//
//   history/      the campaigns, a bare git repository (search/history.h)
//   corpus.jsonl  every trial of every campaign, a line each
//   plans/        sets of campaigns (search/plan_file.h)
//   traces/       what amk trace left (search/trace_file.h)
//   lock          held by the process that writes here, and says which
//
// Owns the lock and the corpus. The lock is the operating system's: it is gone with the process, however that ends.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace amk::search {

/// `given`, else $AMK_HOME, else .amk in the current directory.
[[nodiscard]] std::filesystem::path workspace_directory(const std::string& given);

class Workspace {
 public:
  /// Makes the directory where there is none, and takes its lock. kIo where another process holds it: the message says
  /// which. `recovered` gets a line for what a process that was killed had left half done.
  static Result<Workspace> open(const std::filesystem::path& directory, std::vector<std::string>& recovered);

  Workspace(Workspace&&) noexcept;
  Workspace& operator=(Workspace&&) noexcept;
  ~Workspace();

  [[nodiscard]] std::filesystem::path history() const { return directory_ / "history"; }
  [[nodiscard]] std::filesystem::path corpus() const { return directory_ / "corpus.jsonl"; }

  /// One line more of the corpus, flushed to the disk. `line` has no line break.
  Status append_to_corpus(std::string_view line);

 private:
  struct Lock;
  Workspace(std::filesystem::path directory, std::unique_ptr<Lock> lock);
  /// A last line without its end was being written when the process was killed: it goes.
  Status mend_corpus(std::vector<std::string>& recovered);

  std::filesystem::path directory_;
  std::unique_ptr<Lock> lock_;
};

/// One line more of a file that grows by lines, made where there is none, and flushed to the disk. `line` has no line
/// break.
Status append_line(const std::filesystem::path& path, std::string_view line);

}  // namespace amk::search
