// A program and its model as a request to the worker names them: a file with the program, and where the model is.
//
// Owns the file, which is gone with this object: the worker has read it when it has replied.
#pragma once

#include <string>

#include "base/result.h"
#include "ipc/framing.h"
#include "model/checkpoint.h"
#include "validator/validator.h"

namespace amk::eval {

class SentProgram {
 public:
  /// Writes the program where temporary files go. kIo where the system refuses.
  static Result<SentProgram> create(const validator::ValidatedProgram& program, const model::Checkpoint& checkpoint);
  SentProgram(SentProgram&& other) noexcept;
  SentProgram& operator=(SentProgram&&) = delete;
  SentProgram(const SentProgram&) = delete;
  SentProgram& operator=(const SentProgram&) = delete;
  ~SentProgram();

  /// {"program": path, "model": {"source", "rope_frequencies", "weights"}}
  [[nodiscard]] const ipc::Json& parameters() const { return parameters_; }

 private:
  SentProgram(std::string path, ipc::Json parameters) : path_(std::move(path)), parameters_(std::move(parameters)) {}
  std::string path_;
  ipc::Json parameters_;
};

}  // namespace amk::eval
