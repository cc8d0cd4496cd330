// One .safetensors file, mapped and never copied.
//
// Format: 8-byte little-endian header length, a JSON header {name: {dtype, shape, data_offsets}}, then the data
// (huggingface/safetensors README, "Format"). The header is checked against the file: every range in bounds, no two
// overlapping, no hole, sizes equal to dtype x shape, no duplicate name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "abi/dtype.h"
#include "base/files.h"
#include "base/result.h"

namespace amk::model {

/// A borrowed tensor: row-major elements, valid as long as the file (or checkpoint) that handed it out. `data` is
/// aligned to the element size.
struct TensorView {
  abi::Dtype dtype = abi::Dtype::kF32;
  std::vector<uint64_t> shape;
  std::span<const std::byte> data;
};

class SafetensorsFile {
 public:
  /// kIo, kBadInput (file and header disagree), kUnsupported (a dtype that is not modelled, data that is not aligned to
  /// its element). I32 tensors, which hold token ids in test data, come out as kU32 if no element is negative.
  static Result<SafetensorsFile> open(const std::filesystem::path& path);

  [[nodiscard]] const std::map<std::string, TensorView>& tensors() const { return tensors_; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] uint64_t size_bytes() const { return file_.bytes().size(); }

 private:
  std::filesystem::path path_;
  MappedFile file_;
  std::map<std::string, TensorView> tensors_;
};

/// Serialised text of a .safetensors file that holds `tensors` (names to views). The data is ordered by element size,
/// then name, which aligns every tensor.
std::string write_safetensors(const std::map<std::string, TensorView>& tensors);

}  // namespace amk::model
