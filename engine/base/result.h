// Result<T>: the value, or an Error the caller can act on.
//
// Owns the project's one error vocabulary. It never holds a schedule's findings (those are collected by the
// validator) and never replaces AMK_ASSERT, which is for bugs of ours.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "base/assert.h"

namespace amk {

/// What kind of failure it is; the command line maps each to an exit code.
enum class ErrorCode {
  kUsage,        ///< the request itself is malformed (exit 2)
  kUnsupported,  ///< well-formed, but something here is not modelled (exit 3)
  kBadInput,     ///< a file or text is broken (exit 3)
  kIo,           ///< the operating system refused (exit 3)
  kInternal,     ///< ours (exit 4)
};

/// As JSON has it, in documents and between processes.
[[nodiscard]] constexpr const char* error_code_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::kUsage:
      return "usage";
    case ErrorCode::kUnsupported:
      return "unsupported";
    case ErrorCode::kBadInput:
      return "bad-input";
    case ErrorCode::kIo:
      return "io";
    case ErrorCode::kInternal:
      return "internal";
  }
  return "internal";
}

/// One failure. `message` gives expected and actual, starts lower-case and has no final stop; `location` is a path,
/// `file:line` or JSON pointer; `hint` says what would mend it. Either of the last two may be empty.
struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
  std::string location;
  std::string hint;

  /// "location: message (hint)", without the parts that are empty.
  [[nodiscard]] std::string text() const {
    std::string out = location.empty() ? message : location + ": " + message;
    if (!hint.empty()) out += " (" + hint + ")";
    return out;
  }
};

/// Either a T or an Error. Reading the wrong side is a bug and aborts.
template <typename T>
class [[nodiscard]] Result {
 public:
  // Implicit on purpose, from anything a T is made from: `return value;` and `return Error{...};` both read well.
  // clang-format off
  template <typename U = T>
    requires(std::is_convertible_v<U &&, T> && !std::is_same_v<std::remove_cvref_t<U>, Result> &&
             !std::is_same_v<std::remove_cvref_t<U>, Error>)
  Result(U&& value) : state_(std::in_place_index<0>, std::forward<U>(value)) {}
  // clang-format on
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  [[nodiscard]] T& value() & { return AMK_ASSERT(ok(), error_text()), std::get<0>(state_); }
  [[nodiscard]] const T& value() const& { return AMK_ASSERT(ok(), error_text()), std::get<0>(state_); }
  [[nodiscard]] T&& value() && { return AMK_ASSERT(ok(), error_text()), std::get<0>(std::move(state_)); }
  [[nodiscard]] const Error& error() const {
    AMK_ASSERT(!ok(), "no error in a Result that holds a value");
    return std::get<1>(state_);
  }

  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }

 private:
  [[nodiscard]] std::string error_text() const { return ok() ? std::string() : std::get<1>(state_).text(); }
  std::variant<T, Error> state_;
};

/// Success, or an Error.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : error_(std::move(error)) {}

  [[nodiscard]] bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  [[nodiscard]] const Error& error() const {
    AMK_ASSERT(!ok(), "no error in an ok Status");
    return *error_;
  }

 private:
  std::optional<Error> error_;
};

#define AMK_CONCAT_INNER(a, b) a##b
#define AMK_CONCAT(a, b) AMK_CONCAT_INNER(a, b)

/// Returns the error of a failed Status or Result expression from the enclosing function.
#define AMK_TRY(expression)                                 \
  do {                                                      \
    if (auto amk_status = (expression); !amk_status.ok()) { \
      return amk_status.error();                            \
    }                                                       \
  } while (false)

/// `AMK_ASSIGN_OR_RETURN(auto x, expression)`: declares x from a Result, or returns its error.
#define AMK_ASSIGN_OR_RETURN(declaration, expression) \
  AMK_ASSIGN_OR_RETURN_INNER(AMK_CONCAT(amk_result_, __LINE__), declaration, expression)
#define AMK_ASSIGN_OR_RETURN_INNER(result, declaration, expression) \
  auto result = (expression);                                       \
  if (!result.ok()) return result.error();                          \
  declaration = std::move(result).value()

}  // namespace amk
