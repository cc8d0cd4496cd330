#include "gen/tables.h"

#include <fmt/format.h>

#include <cctype>

#include "abi/tables.h"
#include "schedule/schedule_config_json.h"

namespace amk::gen {
namespace {

std::string page(std::string_view title, std::string_view about) {
  return fmt::format(
      "<!-- Generated from engine/abi/*.def by `./dev regen`. Edit the table, not this file. -->\n\n# {}\n\n{}\n\n",
      title, about);
}

/// '|' would end a cell.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '|' ? std::string("\\|") : std::string(1, c);
  return out;
}

template <typename Has>
std::string names_of(uint32_t mask, uint32_t count, const Has& name_of) {
  std::string out;
  for (uint32_t i = 0; i < count; ++i) {
    if (((mask >> i) & 1U) != 0) out += fmt::format("{}{}", out.empty() ? "" : ", ", name_of(i));
  }
  return out;
}

std::string instructions() {
  std::string out = page("Instructions",
                         "One section an opcode: code, parameters, operands in order. A program's tasks name "
                         "operands by these names.");
  for (const abi::OpcodeInfo& opcode : abi::kOpcodes) {
    out += fmt::format(
        "## {} ({})\n\n{}. Parameters: [`{}`](parameters.md#{}). From sm_{}. Source: "
        "`engine/instructions/{}/`.\n\n",
        opcode.name, static_cast<uint32_t>(opcode.opcode), cell(opcode.doc), opcode.record, opcode.record,
        opcode.min_arch, opcode.folder);
    out += "| operand | access | buffer kinds | dtypes | shape |\n|---|---|---|---|---|\n";
    for (uint32_t i = 0; i < abi::operand_count(opcode.opcode); ++i) {
      const abi::OperandInfo& operand = abi::operand(opcode.opcode, i);
      out += fmt::format(
          "| `{}` | {} | {} | {} | {} |\n", operand.name, operand.access == abi::Access::kRead ? "read" : "write",
          names_of(operand.kinds, abi::kBufferKindCount, [](uint32_t k) { return abi::kBufferKindNames[k]; }),
          names_of(operand.dtypes, abi::kDtypeCount, [](uint32_t d) { return abi::kDtypes[d].name; }),
          cell(operand.doc));
    }
    out += "\n";
  }
  return out;
}

std::string parameters() {
  std::string out =
      page("Parameters", "Records of 4-byte fields; `uint32_t` is a JSON integer, `float` a JSON number.");
#define AMK_RECORD(Record, doc) \
  out += fmt::format("## {}\n\n{}.\n\n| field | type | meaning |\n|---|---|---|\n", #Record, doc);
#define AMK_FIELD(Record, type, name, doc) out += fmt::format("| `{}` | {} | {} |\n", #name, #type, cell(doc));
#define AMK_RECORD_END(Record) out += "\n";
#include "abi/param.def"
  return out;
}

/// "wait" of kWait.
std::string loss_name(std::string_view enumerator) {
  std::string out(enumerator.substr(1));
  out[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(out[0])));
  return out;
}

std::string knobs() {
  std::string out = page("Knobs", "The edit surface of a schedule. The JSON Schema is `docs/schedule.schema.json`.");
  out += "| knob | values | default | consumed by | meaning |\n|---|---|---|---|---|\n";
  const auto row = [&](std::string_view path, const std::string& values, std::string_view standard,
                       std::string_view pass, std::string_view doc) {
    out += fmt::format("| `{}` | {} | {} | `{}` | {} |\n", path, values, standard, pass, cell(doc));
  };
  const auto range = [](uint32_t min, uint32_t max, uint32_t step, std::string_view unit) {
    return fmt::format("{} to {} {}{}", min, max, unit, step > 1 ? fmt::format(", multiples of {}", step) : "");
  };
  const auto names = [](const auto& values) {
    std::string text;
    for (const abi::ChoiceInfo& value : values) text += fmt::format("{}`{}`", text.empty() ? "" : ", ", value.name);
    return text;
  };
#define AMK_KNOB_INT(field, path, default_value, min, max, step, unit, pass, doc) \
  row(path, range(min, max, step, unit), #default_value, pass, doc);
#define AMK_KNOB_AUTO_INT(field, path, min, max, step, unit, pass, auto_doc, doc) \
  row(path, range(min, max, step, unit) + ", or `auto`: " + auto_doc, "`auto`", pass, doc);
#define AMK_KNOB_AUTO_CHOICE(field, path, Type, pass, auto_doc, doc) \
  row(path, names(abi::k##Type##Values) + ", or `auto`: " + auto_doc, "`auto`", pass, doc);
#define AMK_KNOB_CHOICE(field, path, Type, default_value, pass, doc) \
  row(path, names(abi::k##Type##Values),                             \
      fmt::format("`{}`", abi::k##Type##Values[static_cast<size_t>(abi::Type::default_value)].name), pass, doc);
#define AMK_KNOB_GROUPS(field, path, pass, doc) \
  row(path, "groups of [fusions](fusions.md)", "five levels a layer", pass, doc);
#define AMK_KNOB_SMS(field, path, pass, doc)                                                                          \
  row(path,                                                                                                           \
      "`round_robin`, `load_balance`, `{\"measured\": [bandwidth of each SM]}`, `{\"explicit\": [SM of each task]}`", \
      "`load_balance`", pass, doc);
#include "abi/knob.def"
  out +=
      "\n## What they address\n\nThe losses of a pass, as a trace names them (`engine/search/knob_loss.def`); `amk "
      "propose` and `amk orchestrate next` point at these.\n\n| knob | loss | how |\n|---|---|---|\n";
#define AMK_KNOB_LOSS(path, loss, how) out += fmt::format("| `{}` | {} | {} |\n", path, loss_name(#loss), cell(how));
#include "search/knob_loss.def"
  out += "\n## Values\n\n";
#define AMK_CHOICE(Type) out += "| " #Type " | meaning |\n|---|---|\n";
#define AMK_CHOICE_VALUE(Type, name, text, doc) out += fmt::format("| `{}` | {} |\n", text, cell(doc));
#define AMK_CHOICE_END(Type) out += "\n";
#include "abi/choice.def"
  return out;
}

std::string fusions() {
  std::string out =
      page("Operations and fusions", "A model is a chain of these operations; a group is done by one instruction.");
  out += "| operation | meaning |\n|---|---|\n";
  for (const abi::GraphOpInfo& op : abi::kGraphOps) out += fmt::format("| `{}` | {} |\n", op.name, cell(op.doc));
  out += "\n| group | instruction | meaning |\n|---|---|---|\n";
  for (const abi::FusionInfo& fusion : abi::kFusions) {
    out += fmt::format("| `{}` | {} | {} |\n", fusion.ops, abi::info(fusion.opcode).name, cell(fusion.doc));
  }
  return out;
}

std::string rules() {
  std::string out = page("Validator rules", "Every finding names one of these. Ids are stable.");
  for (uint32_t family = 0; family < std::size(abi::kRuleFamilyNames); ++family) {
    out += fmt::format("## {}\n\n| id | must hold | mended by |\n|---|---|---|\n", abi::kRuleFamilyNames[family]);
    for (const abi::RuleInfo& rule : abi::kRules) {
      if (static_cast<uint32_t>(rule.family) != family) continue;
      out += fmt::format("| `{}` | {} | {} |\n", rule.id, cell(rule.doc), cell(rule.mend));
    }
    out += "\n";
  }
  return out;
}

std::string targets() {
  std::string out = page("GPU targets", "Sizes are the data sheets'; bandwidth is the peak.");
  out +=
      "| target | GPU | sm | SMs | memory, GB | bandwidth, GB/s | L2, MB | shared memory an SM / a block, KiB | "
      "threads an SM |\n"
      "|---|---|---:|---:|---:|---:|---:|---:|---:|\n";
  for (const abi::TargetInfo& t : abi::kTargets) {
    out += fmt::format("| `{}` | {} | {} | {} | {} | {} | {} | {} / {} | {} |\n", t.name, t.title, t.sm, t.sms,
                       t.memory_gb, t.bandwidth_gbps, t.l2_mb, t.smem_sm_kb, t.smem_block_kb, t.threads_sm);
  }
  return out;
}

}  // namespace

std::vector<GeneratedFile> generated_files() {
  return {{"docs/tables/instructions.md", instructions()},
          {"docs/tables/parameters.md", parameters()},
          {"docs/tables/knobs.md", knobs()},
          {"docs/tables/fusions.md", fusions()},
          {"docs/tables/rules.md", rules()},
          {"docs/tables/targets.md", targets()},
          {"docs/tables/mcp-tools.md", mcp_tools()},
          {"docs/schedule.schema.json", schedule::config_schema()}};
}

}  // namespace amk::gen
