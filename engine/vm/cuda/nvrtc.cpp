#include "vm/cuda/nvrtc.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/text.h"
#include "vm/cuda/kernel_cache.h"
#include "vm/cuda/nvrtc_library.h"

namespace amk::vm::cuda {
namespace {

using detail::NvrtcApi;
using detail::NvrtcResult;

// The two system headers that engine/abi includes; NVRTC has neither.
constexpr SourceFile kSystemHeaders[] = {
    {"stdint.h",
     "#pragma once\n"
     "using int8_t = signed char;\nusing uint8_t = unsigned char;\n"
     "using int16_t = short;\nusing uint16_t = unsigned short;\n"
     "using int32_t = int;\nusing uint32_t = unsigned int;\n"
     "using int64_t = long;\nusing uint64_t = unsigned long;\n"
     "using intptr_t = long;\nusing uintptr_t = unsigned long;\n"
     "static_assert(sizeof(int64_t) == 8 && sizeof(uintptr_t) == 8);\n"},
    {"stddef.h", "#pragma once\nusing size_t = decltype(sizeof(0));\nusing ptrdiff_t = long;\n"},
};

/// Names and texts as NVRTC takes them: two arrays of C strings. `main` is passed apart and is no header.
struct Sources {
  std::vector<std::string> storage;
  std::vector<const char*> names;
  std::vector<const char*> texts;
  const char* main_text = nullptr;

  explicit Sources(const CompileRequest& request) {
    std::vector<SourceFile> files = request.files;
    for (const SourceFile& header : kSystemHeaders) {
      const auto same = [&](const SourceFile& file) { return file.name == header.name; };
      if (std::none_of(files.begin(), files.end(), same)) files.push_back(header);
    }
    storage.reserve(2 * files.size());  // no string moves once it is pointed at
    for (const SourceFile& file : files) {
      const char* name = storage.emplace_back(file.name).c_str();
      const char* text = storage.emplace_back(file.text).c_str();
      if (file.name == request.main) {
        main_text = text;
      } else {
        names.push_back(name);
        texts.push_back(text);
      }
    }
  }
};

/// Destroys the program on scope exit.
struct Program {
  const NvrtcApi& api;
  detail::NvrtcProgram handle = nullptr;

  explicit Program(const NvrtcApi& functions) : api(functions) {}
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program() {
    if (handle != nullptr) api.destroy(&handle);
  }

  /// Warnings, errors and the resource report, without the terminating zero.
  [[nodiscard]] std::string log() const {
    size_t size = 0;
    if (api.log_size(handle, &size) != 0 || size <= 1) return "";
    std::string text(size, '\0');
    if (api.log(handle, text.data()) != 0) return "";
    text.resize(size - 1);
    return text;
  }
};

Status check(const NvrtcApi& api, NvrtcResult result, const char* call) {
  if (result == 0) return {};
  return Error{ErrorCode::kInternal, fmt::format("{}: {}", call, api.error_string(result)), "", ""};
}

Status check_architecture(const NvrtcApi& api, uint32_t sm) {
  int count = 0;
  AMK_TRY(check(api, api.arch_count(&count), "nvrtcGetNumSupportedArchs"));
  std::vector<int> known(static_cast<size_t>(std::max(count, 0)));
  AMK_TRY(check(api, api.archs(known.data()), "nvrtcGetSupportedArchs"));
  if (std::find(known.begin(), known.end(), static_cast<int>(sm)) != known.end()) return {};
  return Error{
      ErrorCode::kUnsupported,
      fmt::format("NVRTC {}.{} does not know sm_{}; it knows {}", api.major, api.minor, sm, fmt::join(known, ", ")), "",
      "a newer CUDA toolkit may know it"};
}

std::vector<std::string> options_for(const CompileRequest& request) {
  std::vector<std::string> options = {fmt::format("--gpu-architecture=sm_{}", request.sm), "-std=c++20",
                                      "--device-as-default-execution-space", "--ptxas-options=-v"};
  for (const std::string& define : request.defines) options.push_back("--define-macro=" + define);
  return options;
}

}  // namespace

Result<std::string> nvrtc_version() {
  AMK_ASSIGN_OR_RETURN(const NvrtcApi* api, detail::nvrtc_api());
  return fmt::format("{}.{}", api->major, api->minor);
}

Result<CompiledKernel> compile(const CompileRequest& request) {
  AMK_ASSIGN_OR_RETURN(const NvrtcApi* api, detail::nvrtc_api());
  AMK_TRY(check_architecture(*api, request.sm));
  const Sources sources(request);
  const std::string main(request.main);
  if (sources.main_text == nullptr) {
    return Error{ErrorCode::kInternal, "expected the file that is compiled among the files", main, ""};
  }
  Program program(*api);
  AMK_TRY(check(*api,
                api->create(&program.handle, sources.main_text, main.c_str(), static_cast<int>(sources.names.size()),
                            sources.texts.data(), sources.names.data()),
                "nvrtcCreateProgram"));
  const std::vector<std::string> options = options_for(request);
  std::vector<const char*> arguments;
  for (const std::string& option : options) arguments.push_back(option.c_str());
  const NvrtcResult result = api->compile(program.handle, static_cast<int>(arguments.size()), arguments.data());
  CompiledKernel out;
  out.log = program.log();
  if (result != 0) {
    return Error{ErrorCode::kInternal,
                 fmt::format("nvrtcCompileProgram: {} for sm_{}:\n{}", api->error_string(result), request.sm, out.log),
                 main, ""};
  }
  size_t size = 0;
  AMK_TRY(check(*api, api->cubin_size(program.handle, &size), "nvrtcGetCUBINSize"));
  out.cubin.resize(size);
  AMK_TRY(check(*api, api->cubin(program.handle, reinterpret_cast<char*>(out.cubin.data())), "nvrtcGetCUBIN"));
  return out;
}

Result<CompiledKernel> compile_cached(const CompileRequest& request) {
  AMK_ASSIGN_OR_RETURN(const std::string version, nvrtc_version());
  const std::filesystem::path cache = kernel_cache_directory();
  const std::string key = kernel_key(request, version);
  if (std::optional<CompiledKernel> kept = read_cached_kernel(cache, key)) return *std::move(kept);
  AMK_ASSIGN_OR_RETURN(CompiledKernel kernel, compile(request));
  // A cache that cannot be written costs the next process a compilation; nobody need be told.
  static_cast<void>(write_cached_kernel(cache, key, kernel));
  return kernel;
}

}  // namespace amk::vm::cuda
