#include "worker/proposer_library.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <memory>

#include "abi/proposer_abi.h"

namespace amk::worker {
namespace {

using ipc::Json;
using ipc::Progress;

/// What is answered, up to a bound.
struct Answer {
  std::string text;
  size_t bytes_max = 0;
  bool too_long = false;
};

void collect(void* sink, const char* text, size_t bytes) {
  auto& answer = *static_cast<Answer*>(sink);
  answer.too_long = answer.too_long || bytes > answer.bytes_max - answer.text.size();
  if (!answer.too_long) answer.text.append(text, bytes);
}

/// Loaded for as long as the process lives: the library may have threads.
class ProposerLibrary {
 public:
  explicit ProposerLibrary(std::string path) : path_(std::move(path)) {}

  Status load() {
    if (propose_ != nullptr) return {};
    void* library = ::dlopen(path_.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return refuse(fmt::format("expected a shared library that can be loaded: {}", ::dlerror()));
    const auto abi = reinterpret_cast<decltype(&amk_proposer_abi)>(::dlsym(library, "amk_proposer_abi"));
    const auto propose = reinterpret_cast<decltype(&amk_propose)>(::dlsym(library, "amk_propose"));
    if (abi == nullptr || propose == nullptr) {
      return refuse(
          fmt::format("expected the function {}, found none", abi == nullptr ? "amk_proposer_abi" : "amk_propose"));
    }
    if (const unsigned found = abi(); found != AMK_PROPOSER_ABI)
      return refuse(fmt::format("expected a proposer of ABI {}, found {}", AMK_PROPOSER_ABI, found));
    propose_ = propose;
    return {};
  }

  Result<Json> propose(const std::string& state, size_t answer_bytes) {
    AMK_TRY(load());
    Answer answer{"", answer_bytes};
    const int code = propose_(state.c_str(), state.size(), collect, &answer);
    if (answer.too_long) return refuse(fmt::format("expected at most {} bytes of answer, found more", answer_bytes));
    if (code != 0) return refuse(fmt::format("expected amk_propose to return 0, found {}: {}", code, answer.text));
    return Json(std::move(answer.text));
  }

 private:
  [[nodiscard]] Error refuse(std::string message) const {
    return {ErrorCode::kBadInput, std::move(message), path_, "engine/abi/proposer_abi.h says what it exports"};
  }

  std::string path_;
  decltype(&amk_propose) propose_ = nullptr;
};

}  // namespace

ipc::Handlers proposer_handlers(const std::string& library) {
  const auto loaded = std::make_shared<ProposerLibrary>(library);
  ipc::Handlers out;
  out.emplace("load", [loaded](const Json&, Progress&) -> Result<Json> {
    AMK_TRY(loaded->load());
    return Json(nullptr);
  });
  out.emplace("propose", [loaded](const Json& params, Progress&) {
    return loaded->propose(params.at("state").get_ref<const std::string&>(), params.at("answer_bytes").get<size_t>());
  });
  return out;
}

}  // namespace amk::worker
