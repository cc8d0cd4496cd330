// The parameters of a task: one of the records of abi/param.def.
#pragma once

#include <string_view>
#include <variant>

#include "abi/tables.h"

namespace amk::instructions {

namespace detail {
// A leading void pointer keeps the list of records free of comma juggling; it is stripped below.
template <typename Ignored, typename... Records>
struct VariantOf {
  using type = std::variant<Records...>;
};
using ParamsList = VariantOf<void
#define AMK_RECORD(Record, doc) , abi::Record
#include "abi/param.def"
                             >;
}  // namespace detail

using Params = detail::ParamsList::type;

/// Default-constructed parameters of the record that `opcode` takes.
[[nodiscard]] constexpr Params default_params(abi::Opcode opcode) {
  switch (opcode) {
#define AMK_OPCODE(Name, code, folder, Record, min_arch, doc) \
  case abi::Opcode::k##Name:                                  \
    return abi::Record{};
#include "abi/opcode.def"
  }
  return {};
}

/// Whether `params` holds the record that `opcode` takes.
[[nodiscard]] constexpr bool params_match(abi::Opcode opcode, const Params& params) {
  switch (opcode) {
#define AMK_OPCODE(Name, code, folder, Record, min_arch, doc) \
  case abi::Opcode::k##Name:                                  \
    return std::holds_alternative<abi::Record>(params);
#include "abi/opcode.def"
  }
  return false;
}

}  // namespace amk::instructions
