#include "eval/machine.h"

#include <fmt/format.h>

#include "eval/history.h"
#include "vm/reference/reference_vm.h"

namespace amk::eval {
namespace {

class CpuMachine final : public Machine {
 public:
  CpuMachine(vm::ReferenceVm machine, const validator::ValidatedProgram& program)
      : machine_(std::move(machine)),
        validated_(program),
        kv_dtype_(schedule::kv_dtype(program.program())),
        context_(program->meta.context),
        tokens_per_launch_(program->launch.tokens_per_launch) {}

  Status step(uint32_t token) override { return machine_.step(token); }

  Result<std::vector<uint32_t>> decode(uint32_t token, uint32_t count) override {
    if (count > context_ - machine_.position()) {
      return Error{ErrorCode::kUsage,
                   fmt::format("expected at most {} more positions in a context of {}, found {}",
                               context_ - machine_.position(), context_, count),
                   "", "compile for a longer context"};
    }
    std::vector<uint32_t> out;
    for (uint32_t i = 0; i < count; ++i) {
      AMK_TRY(machine_.step(token));
      out.push_back(token = machine_.next_token());
    }
    return out;
  }

  Result<std::vector<float>> logits() override {
    return std::vector<float>(machine_.logits().begin(), machine_.logits().end());
  }
  Result<std::vector<float>> values(BufferId buffer) override {
    AMK_TRY(value_count(validated_.program(), buffer));
    return machine_.values(buffer);
  }
  [[nodiscard]] uint32_t next_token() const override { return machine_.next_token(); }
  [[nodiscard]] uint32_t position() const override { return machine_.position(); }
  [[nodiscard]] uint64_t vocab() const override { return machine_.vocab(); }
  [[nodiscard]] uint32_t tokens_per_launch() const override { return tokens_per_launch_; }
  Status reset() override {
    machine_.reset();
    return {};
  }
  Status set_history(uint64_t seed, uint32_t position) override {
    return machine_.set_history(history_of(seed, kv_dtype_), position);
  }
  [[nodiscard]] const std::string& device() const override { return device_; }
  [[nodiscard]] const LoadReport& report() const override { return report_; }
  Result<Times> time(const TimeRequest&) override { return no("times"); }
  Result<Trace> trace() override { return no("trace"); }
  [[nodiscard]] const std::optional<ipc::Fault>& fault() const override { return fault_; }

 private:
  static Error no(const char* what) {
    return {ErrorCode::kUnsupported, fmt::format("expected a GPU, found the reference VM, which has no {}", what),
            "cpu", ""};
  }

  vm::ReferenceVm machine_;
  validator::ValidatedProgram validated_;
  abi::Dtype kv_dtype_;
  uint32_t context_;
  uint32_t tokens_per_launch_;
  std::string device_ = "cpu";
  LoadReport report_;
  std::optional<ipc::Fault> fault_;
};

}  // namespace

Result<std::unique_ptr<Machine>> make_cpu_machine(const validator::ValidatedProgram& program,
                                                  const model::Checkpoint& checkpoint, ThreadPool& pool, bool is_part) {
  AMK_ASSIGN_OR_RETURN(vm::ReferenceVm machine, vm::ReferenceVm::create(program, checkpoint, pool, is_part));
  return std::unique_ptr<Machine>(std::make_unique<CpuMachine>(std::move(machine), program));
}

Result<uint64_t> value_count(const schedule::Program& program, BufferId id) {
  if (id.index() < program.buffers.size()) {
    const schedule::Buffer& buffer = program.buffer(id);
    const bool of_pass = buffer.kind == abi::BufferKind::kActivation || buffer.kind == abi::BufferKind::kOutput;
    if (of_pass && buffer.shape.dtype == abi::Dtype::kF32) return abi::element_count(buffer.shape);
    if (buffer.kind == abi::BufferKind::kKvCache) return buffer.shape.extent[0] * buffer.shape.extent[2];
  }
  return Error{
      ErrorCode::kUsage,
      fmt::format("expected a float activation, an output or a cache of the program, found buffer {}", id.index()), "",
      ""};
}

Result<PairTimes> Machine::time_against(Machine& other, const PairRequest& request) {
  const TimeRequest one{{request.position}, 1, 1};
  PairTimes out;
  const auto launch = [&one](Machine& machine, std::vector<double>& times) -> Status {
    AMK_ASSIGN_OR_RETURN(const Times found, machine.time(one));
    times.push_back(found.front().front());
    return {};
  };
  for (uint32_t block = 0; block < request.blocks; ++block) {
    AMK_TRY(launch(*this, out.ours));
    AMK_TRY(launch(other, out.theirs));
    AMK_TRY(launch(other, out.theirs));
    AMK_TRY(launch(*this, out.ours));
  }
  return out;
}

Result<std::unique_ptr<Machine>> make_machine(const MachineFactory& factory, const validator::ValidatedProgram& program,
                                              const model::Checkpoint& checkpoint, ThreadPool& pool) {
  return factory ? factory(program, checkpoint) : make_cpu_machine(program, checkpoint, pool);
}

}  // namespace amk::eval
