#include "search/git_repository.h"

#include <fmt/format.h>
#include <git2.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <thread>

namespace amk::search {
namespace {

namespace fs = std::filesystem;

/// How long another program may hold the lock of a branch before it counts as dead. git holds one for milliseconds.
constexpr std::chrono::milliseconds kLockPatience{250};

template <typename T, void (*Free)(T*)>
struct Freed {
  T* value = nullptr;
  Freed() = default;
  Freed(const Freed&) = delete;
  Freed& operator=(const Freed&) = delete;
  Freed(Freed&& other) noexcept : value(std::exchange(other.value, nullptr)) {}
  Freed& operator=(Freed&&) = delete;
  ~Freed() { Free(value); }
  T** out() { return &value; }
  operator T*() const { return value; }  // NOLINT(google-explicit-constructor): stands for the pointer
};
using Repository = Freed<git_repository, git_repository_free>;
using Reference = Freed<git_reference, git_reference_free>;
using Commit = Freed<git_commit, git_commit_free>;
using Tree = Freed<git_tree, git_tree_free>;
using TreeBuilder = Freed<git_treebuilder, git_treebuilder_free>;
using Blob = Freed<git_blob, git_blob_free>;
using Signature = Freed<git_signature, git_signature_free>;
using BranchIterator = Freed<git_branch_iterator, git_branch_iterator_free>;

/// libgit2's own state, for the life of the process; objects are flushed to the disk as they are written.
void start_libgit2() {
  static const bool started = [] {
    git_libgit2_init();
    git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 1);
    // The history is read from where it is, whatever configuration the machine and the user have for git.
    for (const int level : {GIT_CONFIG_LEVEL_SYSTEM, GIT_CONFIG_LEVEL_GLOBAL, GIT_CONFIG_LEVEL_XDG})
      git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, level, "");
    return true;
  }();
  static_cast<void>(started);
}

Error failed(const std::string& what, const std::string& location) {
  const ::git_error* last = ::git_error_last();
  return {ErrorCode::kIo, fmt::format("{}: {}", what, last == nullptr ? "no reason given" : last->message), location,
          ""};
}

std::string hex(const git_oid* id) {
  std::string out(GIT_OID_HEXSZ, '\0');
  git_oid_fmt(out.data(), id);
  return out;
}

std::string reference_name(const std::string& branch) { return "refs/heads/" + branch; }

// ---- what killed writers leave --------------------------------------------------------------------------------------

/// Adds the files below `folder` whose names `matches` takes.
template <typename Matches>
void find_files(const fs::path& folder, const Matches& matches, std::vector<fs::path>& out) {
  std::error_code problem;
  for (fs::recursive_directory_iterator at(folder, problem), end; !problem && at != end; at.increment(problem)) {
    if (matches(at->path().filename().string()) && at->is_regular_file(problem)) out.push_back(at->path());
  }
}

/// Locks of branches, and of what is shown first.
std::vector<fs::path> locks(const fs::path& repository) {
  std::vector<fs::path> out;
  find_files(
      repository / "refs" / "heads", [](std::string_view name) { return name.ends_with(".lock"); }, out);
  std::error_code ignored;
  if (fs::exists(repository / "HEAD.lock", ignored)) out.push_back(repository / "HEAD.lock");
  return out;
}

/// Objects half written by libgit2, and locks that nobody lets go of.
void remove_leftovers(const fs::path& repository, std::vector<std::string>& recovered) {
  std::vector<fs::path> left;
  find_files(
      repository / "objects", [](std::string_view name) { return name.starts_with("tmp_object_git2_"); }, left);
  const auto give_up = std::chrono::steady_clock::now() + kLockPatience;
  while (!locks(repository).empty() && std::chrono::steady_clock::now() < give_up)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  for (fs::path& path : locks(repository)) left.push_back(std::move(path));
  std::error_code problem;
  for (const fs::path& path : left) {
    if (fs::remove(path, problem))
      recovered.push_back("removed what a writer that was killed left behind: " + path.string());
  }
}

/// Makes a bare repository that appears at `path` whole or not at all.
Status make_repository(const fs::path& path) {
  const fs::path parent = path.parent_path();
  const std::string temporary_prefix = path.filename().string() + ".new";
  std::error_code problem;
  fs::create_directories(parent, problem);
  const fs::path temporary = parent / temporary_prefix;
  fs::remove_all(temporary, problem);  // of one that was killed here
  Repository made;
  if (git_repository_init(made.out(), temporary.c_str(), 1) != 0)
    return failed("cannot make a repository", temporary.string());
  if (::rename(temporary.c_str(), path.c_str()) == 0) return {};
  return Error{ErrorCode::kIo, fmt::format("cannot rename the new repository into place: {}", std::strerror(errno)),
               path.string(), ""};
}

}  // namespace

struct GitRepository::Impl {
  Repository repository;
  std::string path;

  Result<Commit> lookup(const std::string& id) const {
    git_oid oid;
    Commit out;
    if (git_oid_fromstr(&oid, id.c_str()) == 0 && git_commit_lookup(out.out(), repository, &oid) == 0) return out;
    return failed(fmt::format("cannot read commit {}", id), path);
  }

  Result<git_oid> write_tree(const std::vector<GitFile>& files) const {
    TreeBuilder builder;
    if (git_treebuilder_new(builder.out(), repository, nullptr) != 0) return failed("cannot start a tree", path);
    for (const GitFile& file : files) {
      git_oid blob;
      if (git_blob_create_from_buffer(&blob, repository, file.content.data(), file.content.size()) != 0 ||
          git_treebuilder_insert(nullptr, builder, file.name.c_str(), &blob, GIT_FILEMODE_BLOB) != 0) {
        return failed(fmt::format("cannot write the file {}", file.name), path);
      }
    }
    git_oid tree;
    if (git_treebuilder_write(&tree, builder) != 0) return failed("cannot write a tree", path);
    return tree;
  }

  /// Whether the repository's own work tree, where it has one, or another one shows the branch. A bare repository's
  /// HEAD names a branch, too, without any work tree.
  Result<bool> is_checked_out(const std::string& name) const {
    if (git_repository_is_bare(repository) != 1) {
      Reference head;
      if (git_reference_lookup(head.out(), repository, "HEAD") == 0 && points_at(head, name)) return true;
    }
    git_strarray trees{};
    if (git_worktree_list(&trees, repository) != 0) return failed("cannot list work trees", path);
    bool found = false;
    for (size_t i = 0; i < trees.count; ++i) {
      Reference head;
      const int seen = git_repository_head_for_worktree(head.out(), repository, trees.strings[i]);
      found = found || (seen == 0 && git_reference_name(head) == name);
    }
    git_strarray_dispose(&trees);
    return found;
  }

  static bool points_at(const git_reference* head, const std::string& name) {
    const char* target = git_reference_symbolic_target(head);
    return target != nullptr && target == name;
  }

  Status check_not_checked_out(const std::string& branch) const {
    AMK_ASSIGN_OR_RETURN(const bool checked_out, is_checked_out(reference_name(branch)));
    if (!checked_out) return {};
    return Error{ErrorCode::kBadInput,
                 fmt::format("expected branch {} in no work tree, found it checked out: moving it would make the "
                             "files there look changed",
                             branch),
                 path, "git worktree list says where; switch that work tree to another branch"};
  }
};

GitRepository::GitRepository(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
GitRepository::GitRepository(GitRepository&&) noexcept = default;
GitRepository& GitRepository::operator=(GitRepository&&) noexcept = default;
GitRepository::~GitRepository() = default;

Result<GitRepository> GitRepository::open_to_read(const fs::path& path) {
  start_libgit2();
  auto impl = std::make_unique<Impl>();
  impl->path = path.string();
  if (git_repository_open_ext(impl->repository.out(), path.c_str(), GIT_REPOSITORY_OPEN_NO_SEARCH, nullptr) == 0)
    return GitRepository(std::move(impl));
  Error error = failed("expected a git repository", path.string());
  error.code = ErrorCode::kBadInput;
  error.hint = "amk loop makes one where there is nothing; move away what is there, or name another --workspace";
  return error;
}

Result<GitRepository> GitRepository::open(const fs::path& path, std::vector<std::string>& recovered) {
  start_libgit2();
  std::error_code ignored;
  if (!fs::exists(path, ignored)) AMK_TRY(make_repository(path));
  AMK_ASSIGN_OR_RETURN(GitRepository out, open_to_read(path));
  remove_leftovers(git_repository_path(out.impl_->repository), recovered);
  return out;
}

Result<std::optional<std::string>> GitRepository::tip(const std::string& branch) const {
  git_oid id;
  const int found = git_reference_name_to_id(&id, impl_->repository, reference_name(branch).c_str());
  if (found == GIT_ENOTFOUND) return std::optional<std::string>();
  if (found != 0) return failed(fmt::format("cannot read branch {}", branch), impl_->path);
  return std::optional(hex(&id));
}

Result<std::vector<std::string>> GitRepository::branches(std::string_view prefix) const {
  BranchIterator iterator;
  if (git_branch_iterator_new(iterator.out(), impl_->repository, GIT_BRANCH_LOCAL) != 0)
    return failed("cannot list branches", impl_->path);
  std::vector<std::string> out;
  while (true) {
    Reference reference;
    git_branch_t type = GIT_BRANCH_LOCAL;
    const int next = git_branch_next(reference.out(), &type, iterator);
    if (next == GIT_ITEROVER) break;
    const char* name = nullptr;
    if (next != 0 || git_branch_name(&name, reference) != 0) return failed("cannot list branches", impl_->path);
    if (std::string_view(name).starts_with(prefix)) out.emplace_back(name);
  }
  std::sort(out.begin(), out.end());
  return out;
}

Result<GitCommit> GitRepository::commit(const std::string& id) const {
  AMK_ASSIGN_OR_RETURN(const Commit found, impl_->lookup(id));
  GitCommit out;
  out.id = id;
  for (unsigned i = 0; i < git_commit_parentcount(found); ++i)
    out.parents.push_back(hex(git_commit_parent_id(found, i)));
  out.author_name = git_commit_author(found)->name;
  out.committer_email = git_commit_committer(found)->email;
  out.message = git_commit_message(found);
  out.time = git_commit_time(found);
  return out;
}

Result<std::optional<std::string>> GitRepository::file(const std::string& commit, const std::string& name) const {
  AMK_ASSIGN_OR_RETURN(const Commit found, impl_->lookup(commit));
  Tree tree;
  if (git_commit_tree(tree.out(), found) != 0) return failed("cannot read a tree", impl_->path);
  const git_tree_entry* entry = git_tree_entry_byname(tree, name.c_str());
  if (entry == nullptr || git_tree_entry_type(entry) != GIT_OBJECT_BLOB) return std::optional<std::string>();
  Blob blob;
  if (git_blob_lookup(blob.out(), impl_->repository, git_tree_entry_id(entry)) != 0)
    return failed(fmt::format("cannot read {} of commit {}", name, commit), impl_->path);
  return std::optional(
      std::string(static_cast<const char*>(git_blob_rawcontent(blob)), static_cast<size_t>(git_blob_rawsize(blob))));
}

Result<std::string> GitRepository::write_commit(const std::string& parent, const std::vector<GitFile>& files,
                                                const std::string& message) {
  AMK_ASSIGN_OR_RETURN(const git_oid tree_id, impl_->write_tree(files));
  Tree tree;
  Signature who;
  if (git_tree_lookup(tree.out(), impl_->repository, &tree_id) != 0 ||
      git_signature_now(who.out(), kCommitterName, kCommitterEmail) != 0) {
    return failed("cannot prepare a commit", impl_->path);
  }
  Commit before;
  if (!parent.empty()) {
    AMK_ASSIGN_OR_RETURN(Commit found, impl_->lookup(parent));
    std::swap(before.value, found.value);
  }
  const git_commit* parents[] = {before};
  git_oid id;
  if (git_commit_create(&id, impl_->repository, nullptr, who, who, "UTF-8", message.c_str(), tree,
                        parent.empty() ? 0 : 1, parents) != 0) {
    return failed("cannot write a commit", impl_->path);
  }
  return hex(&id);
}

Status GitRepository::move_branch(const std::string& branch, const std::optional<std::string>& from,
                                  const std::string& to) {
  AMK_TRY(impl_->check_not_checked_out(branch));
  git_oid target;
  git_oid expected{};  // all zeros: there must be none
  if (git_oid_fromstr(&target, to.c_str()) != 0 || (from && git_oid_fromstr(&expected, from->c_str()) != 0))
    return failed("cannot read an id", impl_->path);
  Reference moved;
  const int result = git_reference_create_matching(moved.out(), impl_->repository, reference_name(branch).c_str(),
                                                   &target, 1, &expected, "amk");
  if (result == 0) return {};
  AMK_ASSIGN_OR_RETURN(const std::optional<std::string> now, tip(branch));
  if (now == from) return failed(fmt::format("cannot move branch {}", branch), impl_->path);
  return Error{ErrorCode::kBadInput,
               fmt::format("expected branch {} at {}, found it at {}: somebody else has moved it", branch,
                           from.value_or("no commit"), now.value_or("no commit")),
               impl_->path, "nothing was overwritten; move it back, or begin a campaign of another name"};
}

Status GitRepository::show_first(const std::string& branch) {
  if (git_repository_is_bare(impl_->repository) != 1) return {};
  if (git_repository_set_head(impl_->repository, reference_name(branch).c_str()) == 0) return {};
  return failed(fmt::format("cannot make {} what is shown first", branch), impl_->path);
}

}  // namespace amk::search
