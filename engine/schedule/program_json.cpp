#include "schedule/program_json.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "model/json_reader.h"
#include "schedule/schedule_config_json.h"

namespace amk::schedule {
namespace {

using model::Json;
using model::JsonObject;
using OrderedJson = nlohmann::ordered_json;

constexpr uint64_t kU32Max = std::numeric_limits<uint32_t>::max();
constexpr uint64_t kU64Max = std::numeric_limits<uint64_t>::max();

constexpr std::array<const char*, 2> kSpaceNames = {"global", "scratch"};

// ---- writing
// ----------------------------------------------------------------------------------------------------------

/// JSON has no NaN and no infinity; null stands for both, and reading refuses it.
OrderedJson number(uint32_t value) { return value; }
OrderedJson number(float value) { return std::isfinite(value) ? OrderedJson(value) : OrderedJson(nullptr); }

template <typename Record>
OrderedJson record_to_json(const Record&) = delete;
#define AMK_RECORD(Record, doc)                                        \
  template <>                                                          \
  OrderedJson record_to_json<abi::Record>(const abi::Record& record) { \
    OrderedJson out = OrderedJson::object();
#define AMK_FIELD(Record, type, name, doc) out[#name] = number(record.name);
#define AMK_RECORD_END(Record) \
  return out;                  \
  }
#include "abi/param.def"

OrderedJson to_json(const Buffer& buffer, uint32_t id) {
  OrderedJson shape = OrderedJson::array();
  for (uint32_t i = 0; i < std::min(buffer.shape.rank, abi::kMaxRank); ++i) shape.push_back(buffer.shape.extent[i]);
  return {{"id", id},
          {"name", buffer.name},
          {"kind", abi::kBufferKindNames[static_cast<size_t>(buffer.kind)]},
          {"dtype", abi::dtype_name(buffer.shape.dtype)},
          {"shape", std::move(shape)},
          {"space", kSpaceNames[static_cast<size_t>(buffer.space)]},
          {"source", buffer.source}};
}

OrderedJson accesses_to_json(const Task& task, abi::Access access) {
  OrderedJson out = OrderedJson::array();
  for (const abi::Range& range : task.ranges) {
    const abi::OperandInfo& operand = abi::operand(task.opcode, range.operand);
    if (operand.access != access) continue;
    OrderedJson entry = {{"operand", operand.name},
                         {"buffer", task.operands[range.operand].index()},
                         {"begin", range.begin},
                         {"end", range.end}};
    if (range.span != abi::Span::kWhole) entry["span"] = abi::kSpanNames[static_cast<size_t>(range.span)];
    out.push_back(std::move(entry));
  }
  return out;
}

OrderedJson to_json(const Task& task, uint32_t id) {
  OrderedJson operands = OrderedJson::object();
  for (uint32_t i = 0; i < task.operands.size(); ++i) {
    operands[abi::operand(task.opcode, i).name] = task.operands[i].index();
  }
  OrderedJson waits = OrderedJson::array();
  for (const Wait& wait : task.waits)
    waits.push_back({{"counter", wait.counter.index()}, {"threshold", wait.threshold}});
  return {{"id", id},
          {"instruction", abi::info(task.opcode).name},
          {"label", task.label},
          {"params", std::visit([](const auto& record) { return record_to_json(record); }, task.params)},
          {"operands", std::move(operands)},
          {"reads", accesses_to_json(task, abi::Access::kRead)},
          {"writes", accesses_to_json(task, abi::Access::kWrite)},
          {"waits", std::move(waits)},
          {"signal", task.signal.index()},
          {"bytes", task.bytes},
          {"flops", task.flops}};
}

OrderedJson to_json(const Launch& launch) {
  return {{"threads_per_block", launch.threads_per_block},
          {"stages", launch.stages},
          {"stage_bytes", launch.stage_bytes},
          {"activation_bytes", launch.activation_bytes},
          {"smem_bytes", launch.smem_bytes},
          {"copies_in_flight", launch.copies_in_flight},
          {"tokens_per_launch", launch.tokens_per_launch},
          {"stream_backend", abi::kStreamBackendValues[static_cast<size_t>(launch.stream_backend)].name},
          {"sync_protocol", abi::kSyncProtocolValues[static_cast<size_t>(launch.sync_protocol)].name},
          {"products", abi::kProductsValues[static_cast<size_t>(launch.products)].name}};
}

std::string line(const OrderedJson& value) { return value.dump(-1, ' ', false, OrderedJson::error_handler_t::replace); }

/// `"name": [` and one entry a line.
template <typename Items, typename Convert>
void write_list(std::string& out, std::string_view name, const Items& items, const Convert& convert) {
  out += fmt::format("  \"{}\": [", name);
  for (uint32_t i = 0; i < items.size(); ++i) {
    out += i == 0 ? "\n    " : ",\n    ";
    out += line(convert(items[i], i));
  }
  out += items.empty() ? "]" : "\n  ]";
}

// ---- reading
// ----------------------------------------------------------------------------------------------------------

template <typename T>
concept Number = std::is_arithmetic_v<T>;

class Reader {
 public:
  explicit Reader(std::string location) : location_(std::move(location)) {}

  Result<Program> program(const Json& root) {
    AMK_ASSIGN_OR_RETURN(JsonObject object, open(root, ""));
    AMK_TRY(field(object, "ir_version", program_.ir_version));
    if (program_.ir_version != kIrVersion)
      return object.refusal(ErrorCode::kBadInput, "ir_version", fmt::format("{}", kIrVersion));
    AMK_TRY(each(object, "buffers", [&](const Json& value, const std::string& at) { return buffer(value, at); }));
    AMK_TRY(each(object, "counters", [&](const Json& value, const std::string& at) { return counter(value, at); }));
    AMK_TRY(each(object, "tasks", [&](const Json& value, const std::string& at) { return task(value, at); }));
    AMK_TRY(each(object, "queues", [&](const Json& value, const std::string& at) { return queue(value, at); }));
    AMK_TRY(each(object, "pages", [&](const Json& value, const std::string& at) { return page(value, at); }));
    AMK_TRY(field(object, "scratch_bytes", program_.scratch_bytes));
    AMK_ASSIGN_OR_RETURN(program_.target, object.string("target"));
    AMK_TRY(meta(object));
    AMK_TRY(launch(object));
    AMK_TRY(config(object));
    AMK_TRY(object.all_read(ErrorCode::kBadInput));
    return std::move(program_);
  }

 private:
  Result<JsonObject> open(const Json& value, const std::string& at) { return JsonObject::create(value, location_, at); }

  static Status field(JsonObject& object, std::string_view key, uint32_t& out) {
    AMK_ASSIGN_OR_RETURN(const uint64_t value, object.integer(key, 0, kU32Max));
    out = static_cast<uint32_t>(value);
    return {};
  }
  static Status field(JsonObject& object, std::string_view key, uint64_t& out) {
    AMK_ASSIGN_OR_RETURN(out, object.integer(key, 0, kU64Max));
    return {};
  }
  static Status field(JsonObject& object, std::string_view key, float& out) {
    constexpr double kMax = std::numeric_limits<float>::max();
    AMK_ASSIGN_OR_RETURN(const double value, object.number(key, -kMax, kMax));
    out = static_cast<float>(value);
    return {};
  }
  template <typename Tag>
  static Status field(JsonObject& object, std::string_view key, Id<Tag>& out) {
    uint32_t index = 0;
    AMK_TRY(field(object, key, index));
    out = Id<Tag>(index);
    return {};
  }

  /// A name out of `count` names, which `name_of(i)` gives.
  template <typename Enum, typename NameOf>
  static Status name(JsonObject& object, std::string_view key, uint32_t count, const NameOf& name_of, Enum& out) {
    AMK_ASSIGN_OR_RETURN(const std::string text, object.string(key));
    std::vector<std::string_view> names;
    for (uint32_t i = 0; i < count; ++i) {
      names.emplace_back(name_of(i));
      if (text == names.back()) return out = static_cast<Enum>(i), Status();
    }
    return object.refusal(ErrorCode::kBadInput, key,
                          fmt::format("one of {}{}", join(names), did_you_mean(text, names)));
  }

  template <typename Read>
  Status each(JsonObject& object, std::string_view key, const Read& read) {
    AMK_ASSIGN_OR_RETURN(const Json* list, object.array(key));
    for (size_t i = 0; i < list->size(); ++i) {
      AMK_TRY(read((*list)[i], fmt::format("{}{}[{}].", object.prefix(), key, i)));
    }
    return {};
  }

  /// Ids are places in their list, written out for the reader's sake.
  static Status id(JsonObject& object, size_t expected) {
    uint32_t found = 0;
    AMK_TRY(field(object, "id", found));
    if (found != expected)
      return object.refusal(ErrorCode::kBadInput, "id", fmt::format("{}, its place in the list", expected));
    return {};
  }

  Status buffer(const Json& value, const std::string& at) {
    AMK_ASSIGN_OR_RETURN(JsonObject object, open(value, at));
    Buffer buffer;
    AMK_TRY(id(object, program_.buffers.size()));
    AMK_ASSIGN_OR_RETURN(buffer.name, object.string("name"));
    AMK_ASSIGN_OR_RETURN(buffer.source, object.string("source"));
    AMK_TRY(name(
        object, "kind", abi::kBufferKindCount, [](uint32_t i) { return abi::kBufferKindNames[i]; }, buffer.kind));
    AMK_TRY(name(
        object, "dtype", abi::kDtypeCount, [](uint32_t i) { return abi::kDtypes[i].name; }, buffer.shape.dtype));
    AMK_TRY(name(
        object, "space", kSpaceNames.size(), [](uint32_t i) { return kSpaceNames[i]; }, buffer.space));
    const bool list =
        object.has("shape") && object.at("shape").is_array() && object.at("shape").size() <= abi::kMaxRank;
    if (!list)
      return object.refusal(ErrorCode::kBadInput, "shape", fmt::format("a list of at most {} extents", abi::kMaxRank));
    for (const Json& extent : object.at("shape")) {
      const auto number = model::as_integer(extent, 0, kU64Max);
      if (!number) return object.refusal(ErrorCode::kBadInput, "shape", "integers");
      buffer.shape.extent[buffer.shape.rank++] = *number;
    }
    program_.buffers.push_back(std::move(buffer));
    return object.all_read(ErrorCode::kBadInput);
  }

  Status counter(const Json& value, const std::string& at) {
    AMK_ASSIGN_OR_RETURN(JsonObject object, open(value, at));
    Counter counter;
    AMK_TRY(id(object, program_.counters.size()));
    AMK_TRY(field(object, "initial", counter.initial));
    AMK_ASSIGN_OR_RETURN(counter.note, object.string("note"));
    program_.counters.push_back(std::move(counter));
    return object.all_read(ErrorCode::kBadInput);
  }

  Status params(JsonObject& parent, Task& task) {
    task.params = instructions::default_params(task.opcode);
    AMK_ASSIGN_OR_RETURN(JsonObject object, parent.object("params"));
    Status status = std::visit([&](auto& record) { return record_fields(object, record); }, task.params);
    if (!status) return status;
    return object.all_read(ErrorCode::kBadInput);
  }

#define AMK_RECORD(Record, doc) static Status record_fields(JsonObject& object, abi::Record& record) {
#define AMK_FIELD(Record, type, name, doc) AMK_TRY(field(object, #name, record.name));
#define AMK_RECORD_END(Record) \
  return {};                   \
  }
#include "abi/param.def"

  Status operands(JsonObject& parent, Task& task) {
    AMK_ASSIGN_OR_RETURN(JsonObject object, parent.object("operands"));
    for (uint32_t i = 0; i < abi::operand_count(task.opcode); ++i) {
      BufferId buffer;
      AMK_TRY(field(object, abi::operand(task.opcode, i).name, buffer));
      task.operands.push_back(buffer);
    }
    return object.all_read(ErrorCode::kBadInput);
  }

  Status access(const Json& value, const std::string& at, abi::Access access, Task& task) {
    AMK_ASSIGN_OR_RETURN(JsonObject object, open(value, at));
    AMK_ASSIGN_OR_RETURN(const std::string wanted, object.string("operand"));
    abi::Range range;
    bool found = false;
    for (uint32_t i = 0; i < abi::operand_count(task.opcode); ++i) {
      const abi::OperandInfo& operand = abi::operand(task.opcode, i);
      if (wanted != operand.name || operand.access != access) continue;
      range.operand = static_cast<uint8_t>(i);
      found = true;
    }
    if (!found) {
      return object.refusal(ErrorCode::kBadInput, "operand",
                            fmt::format("an operand that {} {}", abi::info(task.opcode).name,
                                        access == abi::Access::kRead ? "reads" : "writes"));
    }
    BufferId buffer;
    AMK_TRY(field(object, "buffer", buffer));
    if (buffer != task.operands[range.operand]) {
      return object.refusal(ErrorCode::kBadInput, "buffer",
                            fmt::format("{}, as under operands", task.operands[range.operand].index()));
    }
    AMK_TRY(field(object, "begin", range.begin));
    AMK_TRY(field(object, "end", range.end));
    if (object.has("span")) {
      AMK_TRY(name(
          object, "span", abi::kSpanCount, [](uint32_t i) { return abi::kSpanNames[i]; }, range.span));
    }
    task.ranges.push_back(range);
    return object.all_read(ErrorCode::kBadInput);
  }

  Status wait(const Json& value, const std::string& at, Task& task) {
    AMK_ASSIGN_OR_RETURN(JsonObject object, open(value, at));
    Wait wait;
    AMK_TRY(field(object, "counter", wait.counter));
    AMK_TRY(field(object, "threshold", wait.threshold));
    task.waits.push_back(wait);
    return object.all_read(ErrorCode::kBadInput);
  }

  Status task(const Json& value, const std::string& at) {
    AMK_ASSIGN_OR_RETURN(JsonObject object, open(value, at));
    Task task;
    AMK_TRY(id(object, program_.tasks.size()));
    AMK_TRY(name(
        object, "instruction", abi::kOpcodeCount, [](uint32_t i) { return abi::kOpcodes[i].name; }, task.opcode));
    AMK_ASSIGN_OR_RETURN(task.label, object.string("label"));
    AMK_TRY(params(object, task));
    AMK_TRY(operands(object, task));
    for (const abi::Access kind : {abi::Access::kRead, abi::Access::kWrite}) {
      AMK_TRY(each(object, kind == abi::Access::kRead ? "reads" : "writes",
                   [&](const Json& entry, const std::string& place) { return access(entry, place, kind, task); }));
    }
    AMK_TRY(
        each(object, "waits", [&](const Json& entry, const std::string& place) { return wait(entry, place, task); }));
    AMK_TRY(field(object, "signal", task.signal));
    AMK_TRY(field(object, "bytes", task.bytes));
    AMK_TRY(field(object, "flops", task.flops));
    program_.tasks.push_back(std::move(task));
    return object.all_read(ErrorCode::kBadInput);
  }

  Status queue(const Json& value, const std::string& at) {
    const std::string place = at.substr(0, at.size() - 1);
    if (!value.is_array()) return Error{ErrorCode::kBadInput, place + ": expected a list of task ids", location_, ""};
    std::vector<TaskId> queue;
    for (const Json& entry : value) {
      const auto number = model::as_integer(entry, 0, kU32Max);
      if (!number)
        return Error{ErrorCode::kBadInput,
                     fmt::format("{}: expected task ids, found {}", place, model::show_json(entry)), location_, ""};
      queue.emplace_back(static_cast<uint32_t>(*number));
    }
    program_.placement.queues.push_back(std::move(queue));
    return {};
  }

  Status page(const Json& value, const std::string& at) {
    AMK_ASSIGN_OR_RETURN(JsonObject object, open(value, at));
    Page page;
    AMK_TRY(field(object, "buffer", page.buffer));
    AMK_TRY(field(object, "offset", page.offset));
    AMK_TRY(field(object, "size", page.size));
    AMK_TRY(field(object, "first", page.first));
    AMK_TRY(field(object, "last", page.last));
    program_.pages.push_back(page);
    return object.all_read(ErrorCode::kBadInput);
  }

  Status meta(JsonObject& parent) {
    AMK_ASSIGN_OR_RETURN(JsonObject object, parent.object("meta"));
    AMK_ASSIGN_OR_RETURN(program_.meta.model, object.string("model"));
    AMK_TRY(field(object, "context", program_.meta.context));
    AMK_ASSIGN_OR_RETURN(program_.meta.schedule_id, object.string("schedule_id"));
    return object.all_read(ErrorCode::kBadInput);
  }

  Status launch(JsonObject& parent) {
    AMK_ASSIGN_OR_RETURN(JsonObject object, parent.object("launch"));
    Launch& launch = program_.launch;
    AMK_TRY(field(object, "threads_per_block", launch.threads_per_block));
    AMK_TRY(field(object, "stages", launch.stages));
    AMK_TRY(field(object, "stage_bytes", launch.stage_bytes));
    AMK_TRY(field(object, "activation_bytes", launch.activation_bytes));
    AMK_TRY(field(object, "smem_bytes", launch.smem_bytes));
    AMK_TRY(field(object, "copies_in_flight", launch.copies_in_flight));
    AMK_TRY(field(object, "tokens_per_launch", launch.tokens_per_launch));
    AMK_TRY(name(
        object, "stream_backend", static_cast<uint32_t>(std::size(abi::kStreamBackendValues)),
        [](uint32_t i) { return abi::kStreamBackendValues[i].name; }, launch.stream_backend));
    AMK_TRY(name(
        object, "sync_protocol", static_cast<uint32_t>(std::size(abi::kSyncProtocolValues)),
        [](uint32_t i) { return abi::kSyncProtocolValues[i].name; }, launch.sync_protocol));
    AMK_TRY(name(
        object, "products", static_cast<uint32_t>(std::size(abi::kProductsValues)),
        [](uint32_t i) { return abi::kProductsValues[i].name; }, launch.products));
    return object.all_read(ErrorCode::kBadInput);
  }

  Status config(JsonObject& parent) {
    if (!parent.has("config")) return parent.refusal(ErrorCode::kBadInput, "config", "an object");
    Result<ScheduleConfig> config = config_from_json(parent.at("config").dump(), location_ + ": config");
    if (!config) {
      Error error = config.error();
      error.code = ErrorCode::kBadInput;
      return error;
    }
    program_.config = std::move(*config);
    return {};
  }

  std::string location_;
  Program program_;
};

}  // namespace

std::string program_to_json(const Program& program) {
  std::string out = "{\n";
  out += fmt::format("  \"ir_version\": {},\n", program.ir_version);
  out += fmt::format("  \"meta\": {},\n", line({{"model", program.meta.model},
                                                {"context", program.meta.context},
                                                {"schedule_id", program.meta.schedule_id}}));
  out += fmt::format("  \"target\": {},\n", line(program.target));
  out += fmt::format("  \"config\": {},\n", config_to_json(program.config));
  out += fmt::format("  \"launch\": {},\n", line(to_json(program.launch)));
  const auto buffer = [](const Buffer& value, uint32_t id) { return to_json(value, id); };
  const auto counter = [](const Counter& value, uint32_t id) {
    return OrderedJson{{"id", id}, {"initial", value.initial}, {"note", value.note}};
  };
  const auto task = [](const Task& value, uint32_t id) { return to_json(value, id); };
  const auto queue = [](const std::vector<TaskId>& value, uint32_t) {
    OrderedJson ids = OrderedJson::array();
    for (const TaskId id : value) ids.push_back(id.index());
    return ids;
  };
  const auto page = [](const Page& value, uint32_t) {
    return OrderedJson{{"buffer", value.buffer.index()},
                       {"offset", value.offset},
                       {"size", value.size},
                       {"first", value.first.index()},
                       {"last", value.last.index()}};
  };
  write_list(out, "buffers", program.buffers, buffer);
  out += ",\n";
  write_list(out, "counters", program.counters, counter);
  out += ",\n";
  write_list(out, "tasks", program.tasks, task);
  out += ",\n";
  write_list(out, "queues", program.placement.queues, queue);
  out += ",\n";
  write_list(out, "pages", program.pages, page);
  out += fmt::format(",\n  \"scratch_bytes\": {}\n}}\n", program.scratch_bytes);
  return out;
}

Result<Program> program_from_json(std::string_view text, const std::string& location) {
  AMK_ASSIGN_OR_RETURN(const Json root, model::parse_json(text, location));
  return Reader(location).program(root);
}

}  // namespace amk::schedule
