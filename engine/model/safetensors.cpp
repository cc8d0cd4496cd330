#include "model/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include "base/checked.h"
#include "model/json_reader.h"

namespace amk::model {
namespace {

static_assert(std::endian::native == std::endian::little, "tensors are read in place, and the format is little-endian");

constexpr uint64_t kHeaderBytesMax = 100ULL << 20;  // the reference implementation's limit
constexpr uint64_t kLengthBytes = 8;
constexpr uint64_t kSizeMax = UINT64_MAX;

struct DtypeName {
  std::string_view text;
  abi::Dtype dtype;
};

/// The first row of a dtype is the one written. I32 is read as kU32 when no element is negative: token ids are saved
/// that way.
constexpr DtypeName kDtypeNames[] = {{"F32", abi::Dtype::kF32},
                                     {"F16", abi::Dtype::kF16},
                                     {"BF16", abi::Dtype::kBf16},
                                     {"U32", abi::Dtype::kU32},
                                     {"I32", abi::Dtype::kU32}};

/// A tensor as its header declares it. Offsets are bytes from the start of the data.
struct Entry {
  std::string name;
  std::string dtype_text;
  abi::Dtype dtype = abi::Dtype::kF32;
  std::vector<uint64_t> shape;
  uint64_t begin = 0;
  uint64_t end = 0;
};

Error tensor_error(ErrorCode code, std::string_view name, std::string_view message, const std::string& location) {
  return {code, fmt::format("tensor '{}': {}", printable(name), message), location, ""};
}

Result<abi::Dtype> parse_dtype(const std::string& text, std::string_view name, const std::string& location) {
  for (const DtypeName& row : kDtypeNames) {
    if (row.text == text) return row.dtype;
  }
  return tensor_error(ErrorCode::kUnsupported, name,
                      fmt::format("expected dtype F32, F16, BF16, U32 or I32, found '{}'", printable(text)), location);
}

Result<Entry> parse_entry(const std::string& name, const Json& json, const std::string& location) {
  AMK_ASSIGN_OR_RETURN(JsonObject object, JsonObject::create(json, location, printable(name) + "."));
  Entry entry;
  entry.name = name;
  AMK_ASSIGN_OR_RETURN(entry.dtype_text, object.string("dtype"));
  AMK_ASSIGN_OR_RETURN(entry.shape, object.integers("shape", 0, kSizeMax));
  AMK_ASSIGN_OR_RETURN(const std::vector<uint64_t> offsets, object.integers("data_offsets", 0, kSizeMax));
  if (const auto unread = object.unread(); !unread.empty()) {
    return tensor_error(ErrorCode::kBadInput, name,
                        fmt::format("expected dtype, shape and data_offsets, found '{}'", printable(unread[0])),
                        location);
  }
  if (offsets.size() != 2 || offsets[0] > offsets[1]) {
    return object.refusal(ErrorCode::kBadInput, "data_offsets", "[begin, end] with begin <= end");
  }
  entry.begin = offsets[0];
  entry.end = offsets[1];
  AMK_ASSIGN_OR_RETURN(entry.dtype, parse_dtype(entry.dtype_text, name, location));
  return entry;
}

/// The entry alone: its size must follow from dtype and shape, its range must lie in the data.
Status check_entry(const Entry& entry, uint64_t data_start, uint64_t data_bytes, const std::string& location) {
  const uint64_t element_bytes = abi::dtype_bytes(entry.dtype);
  const auto elements = checked_product(entry.shape);
  const auto bytes = elements ? checked_mul(*elements, element_bytes) : std::nullopt;
  if (!bytes) {
    return tensor_error(ErrorCode::kBadInput, entry.name,
                        fmt::format("expected a size below 2^64 bytes, found shape [{}]", fmt::join(entry.shape, ", ")),
                        location);
  }
  if (entry.end > data_bytes) {
    return tensor_error(ErrorCode::kBadInput, entry.name,
                        fmt::format("expected bytes {} to {} to lie in the file's {} bytes of data", entry.begin,
                                    entry.end, data_bytes),
                        location);
  }
  if (*bytes != entry.end - entry.begin) {
    return tensor_error(ErrorCode::kBadInput, entry.name,
                        fmt::format("expected {} bytes for {} [{}], found {}", *bytes, entry.dtype_text,
                                    fmt::join(entry.shape, ", "), entry.end - entry.begin),
                        location);
  }
  if ((data_start + entry.begin) % element_bytes != 0) {
    Error error = tensor_error(ErrorCode::kUnsupported, entry.name,
                               fmt::format("expected it at a multiple of {} bytes, found it at byte {} of the file",
                                           element_bytes, data_start + entry.begin),
                               location);
    error.hint = "save it again with safetensors 0.3 or newer, which aligns";
    return error;
  }
  return {};
}

/// The entries together: in file order they must cover the data, each byte once.
Status check_cover(std::vector<Entry>& entries, uint64_t data_bytes, const std::string& location) {
  std::ranges::sort(entries, [](const Entry& a, const Entry& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  uint64_t covered = 0;
  const Entry* previous = nullptr;
  for (const Entry& entry : entries) {
    if (entry.begin < covered) {
      return tensor_error(ErrorCode::kBadInput, entry.name,
                          fmt::format("expected it after tensor '{}', which ends at byte {}, found it at byte {}",
                                      printable(previous->name), covered, entry.begin),
                          location);
    }
    if (entry.begin > covered) {
      return tensor_error(
          ErrorCode::kBadInput, entry.name,
          fmt::format("expected it at byte {}, found a hole of {} bytes before it", covered, entry.begin - covered),
          location);
    }
    covered = entry.end;
    previous = &entry;
  }
  if (covered != data_bytes) {
    return Error{ErrorCode::kBadInput,
                 fmt::format("expected tensors to cover {} bytes of data, found {} covered", data_bytes, covered),
                 location, ""};
  }
  return {};
}

Status check_metadata(const Json& metadata, const std::string& location) {
  AMK_ASSIGN_OR_RETURN(JsonObject object, JsonObject::create(metadata, location, "__metadata__."));
  for (const std::string& key : object.unread()) {
    if (!object.at(key).is_string()) return object.refusal(ErrorCode::kBadInput, key, "a string");
  }
  return {};
}

Result<std::vector<Entry>> parse_header(std::string_view text, const std::string& location) {
  if (!text.starts_with('{'))
    return Error{ErrorCode::kBadInput, "expected a header that begins with '{'", location, ""};
  AMK_ASSIGN_OR_RETURN(const Json header, parse_json(text, location));
  std::vector<Entry> entries;
  for (const auto& [name, value] : header.items()) {
    if (name == "__metadata__") {
      AMK_TRY(check_metadata(value, location));
      continue;
    }
    AMK_ASSIGN_OR_RETURN(Entry entry, parse_entry(name, value, location));
    entries.push_back(std::move(entry));
  }
  return entries;
}

Status check_not_negative(const Entry& entry, std::span<const std::byte> data, const std::string& location) {
  if (entry.dtype_text != "I32") return {};
  for (size_t at = 0; at < data.size(); at += sizeof(int32_t)) {
    int32_t value = 0;
    std::memcpy(&value, data.data() + at, sizeof(value));
    if (value >= 0) continue;
    return tensor_error(ErrorCode::kUnsupported, entry.name, fmt::format("expected no negative I32, found {}", value),
                        location);
  }
  return {};
}

}  // namespace

Result<SafetensorsFile> SafetensorsFile::open(const std::filesystem::path& path) {
  const std::string location = path.string();
  SafetensorsFile out;
  out.path_ = path;
  AMK_ASSIGN_OR_RETURN(out.file_, MappedFile::open(path));
  const std::span<const std::byte> bytes = out.file_.bytes();
  if (bytes.size() < kLengthBytes) {
    return Error{ErrorCode::kBadInput, fmt::format("expected at least 8 bytes, found {}", bytes.size()), location, ""};
  }
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, bytes.data(), kLengthBytes);
  if (header_bytes > std::min(kHeaderBytesMax, bytes.size() - kLengthBytes)) {
    return Error{ErrorCode::kBadInput,
                 fmt::format("expected a header of at most {} bytes, found a length of {}",
                             std::min(kHeaderBytesMax, bytes.size() - kLengthBytes), header_bytes),
                 location, "the file is cut short, or no safetensors file"};
  }
  const uint64_t data_start = kLengthBytes + header_bytes;
  const std::span<const std::byte> data = bytes.subspan(data_start);
  const std::string_view header(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes, header_bytes);
  AMK_ASSIGN_OR_RETURN(std::vector<Entry> entries, parse_header(header, location));
  for (const Entry& entry : entries) AMK_TRY(check_entry(entry, data_start, data.size(), location));
  AMK_TRY(check_cover(entries, data.size(), location));
  for (Entry& entry : entries) {
    const std::span<const std::byte> view = data.subspan(entry.begin, entry.end - entry.begin);
    AMK_TRY(check_not_negative(entry, view, location));
    out.tensors_[entry.name] = {entry.dtype, std::move(entry.shape), view};
  }
  return out;
}

std::string write_safetensors(const std::map<std::string, TensorView>& tensors) {
  // Wider elements first: then every tensor is aligned, whatever the element counts.
  std::vector<const std::pair<const std::string, TensorView>*> order;
  for (const auto& item : tensors) order.push_back(&item);
  std::ranges::stable_sort(order, [](const auto* a, const auto* b) {
    return abi::dtype_bytes(a->second.dtype) > abi::dtype_bytes(b->second.dtype);
  });

  Json header = Json::object();
  uint64_t offset = 0;
  for (const auto* item : order) {
    const TensorView& tensor = item->second;
    const auto elements = checked_product(tensor.shape);
    AMK_ASSERT(elements && *elements * abi::dtype_bytes(tensor.dtype) == tensor.data.size(),
               "a tensor whose bytes do not follow from its shape: " + item->first);
    const auto* row = std::ranges::find(kDtypeNames, tensor.dtype, &DtypeName::dtype);
    header[item->first] = {
        {"dtype", row->text}, {"shape", tensor.shape}, {"data_offsets", {offset, offset + tensor.data.size()}}};
    offset += tensor.data.size();
  }

  std::string text = header.dump(-1, ' ', false, Json::error_handler_t::replace);
  text.resize(round_up(text.size(), kLengthBytes), ' ');
  const uint64_t header_bytes = text.size();
  std::string out(kLengthBytes, '\0');
  std::memcpy(out.data(), &header_bytes, kLengthBytes);
  out.reserve(kLengthBytes + header_bytes + offset);
  out += text;
  for (const auto* item : order) {
    const std::span<const std::byte> data = item->second.data;
    out.append(reinterpret_cast<const char*>(data.data()), data.size());
  }
  return out;
}

}  // namespace amk::model
