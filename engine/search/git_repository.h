// A bare git repository: commits of a few small files, and branches that move by compare-and-set.
//
// Owns every call of libgit2. A branch moves only from where the caller saw it: a commit that somebody else has put
// there is an error, never lost. No work tree is ever written; a branch that somebody has checked out does not move.
// Whatever is written is flushed to the disk before the branch moves to it, so a process that is killed at any instant
// leaves the branch before or after the move, and a repository that passes `git fsck`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace amk::search {

struct GitFile {
  std::string name;  ///< no slash
  std::string content;
};

struct GitCommit {
  std::string id;                    ///< 40 hex digits
  std::vector<std::string> parents;  ///< ids
  std::string author_name;
  std::string committer_email;
  std::string message;
  int64_t time = 0;  ///< of the committer, seconds since 1970
};

/// Who commits what AMK writes.
inline constexpr const char* kCommitterName = "AMK";
inline constexpr const char* kCommitterEmail = "amk@localhost";

class GitRepository {
 public:
  /// Opens the repository at `path`, or makes a bare one where there is nothing; it appears whole or not at all.
  /// Removes what writers that were killed left behind: the caller has made sure that nobody else of ours writes.
  /// `recovered` gets a line for each. kBadInput where `path` is something else.
  static Result<GitRepository> open(const std::filesystem::path& path, std::vector<std::string>& recovered);

  /// Opens what is there, and repairs nothing. kBadInput where there is no repository.
  static Result<GitRepository> open_to_read(const std::filesystem::path& path);

  GitRepository(GitRepository&&) noexcept;
  GitRepository& operator=(GitRepository&&) noexcept;
  ~GitRepository();

  /// The id of the branch's last commit; nullopt where there is no such branch.
  [[nodiscard]] Result<std::optional<std::string>> tip(const std::string& branch) const;
  /// Names of the branches that begin with `prefix`, sorted.
  [[nodiscard]] Result<std::vector<std::string>> branches(std::string_view prefix) const;
  [[nodiscard]] Result<GitCommit> commit(const std::string& id) const;
  /// nullopt where the commit has no such file.
  [[nodiscard]] Result<std::optional<std::string>> file(const std::string& commit, const std::string& name) const;

  /// Writes a commit that no branch shows yet; its id. `parent` is empty for a first one.
  Result<std::string> write_commit(const std::string& parent, const std::vector<GitFile>& files,
                                   const std::string& message);
  /// Moves `branch` to `to` if it still is at `from` (nullopt: if there is none). kBadInput where it is elsewhere or
  /// checked out in a work tree; nothing has then changed.
  Status move_branch(const std::string& branch, const std::optional<std::string>& from, const std::string& to);
  /// What git shows when it is not told a branch. Does nothing where the repository has a work tree: that is
  /// somebody's.
  Status show_first(const std::string& branch);

 private:
  struct Impl;
  explicit GitRepository(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace amk::search
