#include "worker/cuda_machine.h"

#include <fmt/format.h>

#include <algorithm>

#include "eval/history.h"
#include "vm/cuda/cuda_vm.h"

namespace amk::worker {
namespace {

using vm::cuda::CudaVm;
using vm::cuda::Device;
using vm::cuda::Event;

ipc::Fault fault_of(const vm::cuda::Fault& fault) {
  return {fault.report.task,           fault.label,        fault.report.sm,
          fault.report.counter,        fault.report.value, fault.report.threshold,
          fault.report.waited_us / 1e3};
}

class CudaMachine final : public eval::Machine {
 public:
  static Result<std::unique_ptr<eval::Machine>> load(const validator::ValidatedProgram& program,
                                                     const model::Checkpoint& checkpoint, ThreadPool& pool, int ordinal,
                                                     const vm::cuda::CudaVmOptions& options) {
    AMK_ASSIGN_OR_RETURN(Device device, Device::open(ordinal));
    auto out = std::make_unique<CudaMachine>(std::make_unique<Device>(std::move(device)), program);
    AMK_ASSIGN_OR_RETURN(CudaVm machine, CudaVm::create(program, checkpoint, *out->device_, pool, options));
    out->vm_ = std::make_unique<CudaVm>(std::move(machine));
    out->set_report();
    return std::unique_ptr<eval::Machine>(std::move(out));
  }

  CudaMachine(std::unique_ptr<Device> device, const validator::ValidatedProgram& program)
      : device_(std::move(device)),
        validated_(program),
        kv_dtype_(schedule::kv_dtype(program.program())),
        context_(program->meta.context),
        tokens_per_launch_(program->launch.tokens_per_launch) {}

  Status step(uint32_t token) override { return seen(vm_->step(token)); }

  Result<std::vector<uint32_t>> decode(uint32_t token, uint32_t count) override {
    AMK_TRY(check_room(count));
    std::vector<uint32_t> out;
    while (out.size() < count) {
      const uint32_t passes = std::min(tokens_per_launch_, count - static_cast<uint32_t>(out.size()));
      Result<std::vector<uint32_t>> tokens = vm_->decode(token, passes);
      if (!tokens) return seen(tokens.error()).error();
      out.insert(out.end(), tokens->begin(), tokens->end());
      token = out.back();
    }
    return out;
  }

  Result<std::vector<float>> logits() override { return vm_->logits(); }
  Result<std::vector<float>> values(BufferId buffer) override {
    AMK_TRY(eval::value_count(validated_.program(), buffer));
    return vm_->values(buffer);
  }
  [[nodiscard]] uint32_t next_token() const override { return vm_->next_token(); }
  [[nodiscard]] uint32_t position() const override { return vm_->position(); }
  [[nodiscard]] uint64_t vocab() const override { return vm_->vocab(); }
  [[nodiscard]] uint32_t tokens_per_launch() const override { return tokens_per_launch_; }
  Status reset() override { return vm_->reset(); }
  Status set_history(uint64_t seed, uint32_t position) override {
    return vm_->set_history(eval::history_of(seed, kv_dtype_), position);
  }
  [[nodiscard]] const std::string& device() const override { return device_->info().name; }
  [[nodiscard]] const eval::LoadReport& report() const override { return report_; }
  [[nodiscard]] const std::optional<ipc::Fault>& fault() const override { return fault_; }

  Result<eval::Times> time(const eval::TimeRequest& request) override {
    eval::Times out;
    AMK_TRY(vm_->reset());
    for (const uint32_t position : request.positions) {
      if (position >= context_) {
        return Error{ErrorCode::kUsage,
                     fmt::format("expected positions below {}, the context, found {}", context_, position), "", ""};
      }
      AMK_ASSIGN_OR_RETURN(std::vector<double> times, time_at(position, request));
      out.push_back(std::move(times));
    }
    return out;
  }

  Result<eval::Trace> trace() override {
    AMK_ASSIGN_OR_RETURN(std::vector<device::TraceRecord> records, vm_->trace());
    return eval::Trace{vm_->traced_tasks(), vm_->queue_begin(), std::move(records)};
  }

 private:
  Status check_room(uint32_t count) const {
    if (count <= context_ - vm_->position()) return {};
    return Error{ErrorCode::kUsage,
                 fmt::format("expected at most {} more positions in a context of {}, found {}",
                             context_ - vm_->position(), context_, count),
                 "", "compile with a larger --context"};
  }

  Result<std::vector<double>> time_at(uint32_t position, const eval::TimeRequest& request) {
    AMK_ASSIGN_OR_RETURN(const Event begin, device_->create_event());
    AMK_ASSIGN_OR_RETURN(const Event end, device_->create_event());
    std::vector<double> times;
    for (uint32_t i = 0; i < request.warmup + request.repeats; ++i) {
      AMK_TRY(device_->record(begin));
      AMK_TRY(seen(vm_->enqueue(0, position)));
      AMK_TRY(device_->record(end));
      AMK_TRY(seen(vm_->synchronize()));
      AMK_ASSIGN_OR_RETURN(const double us, device_->elapsed_us(begin, end));
      if (i >= request.warmup) times.push_back(us);
    }
    return times;
  }

  /// Remembers the fault behind a failure.
  Status seen(Status status) {
    if (!status && vm_->fault()) fault_ = fault_of(*vm_->fault());
    return status;
  }

  void set_report() {
    const vm::cuda::KernelResources& found = vm_->resources();
    report_ = {found.registers,     found.local_bytes,    found.static_smem,    found.blocks_per_sm,
               vm_->device_bytes(), vm_->build_seconds(), vm_->upload_seconds()};
  }

  std::unique_ptr<Device> device_;  ///< outlives the VM
  std::unique_ptr<CudaVm> vm_;
  validator::ValidatedProgram validated_;
  abi::Dtype kv_dtype_;
  uint32_t context_;
  uint32_t tokens_per_launch_;
  eval::LoadReport report_;
  std::optional<ipc::Fault> fault_;
};

Result<vm::cuda::Sabotage> sabotage_of(const ipc::Json& json, const schedule::Program& program) {
  vm::cuda::Sabotage out;
  if (json.is_null()) return out;
  if (json.contains("silent_task")) {
    const auto task = json.at("silent_task").get<uint32_t>();
    if (task >= program.tasks.size()) return Error{ErrorCode::kUsage, "expected a task to silence, found none", "", ""};
    out.silent_task = TaskId(task);
  }
  if (json.contains("wrong_weight")) out.wrong_weight = json.at("wrong_weight").get<std::string>();
  if (json.contains("nan_weight")) out.nan_weight = json.at("nan_weight").get<std::string>();
  if (json.contains("defines")) out.defines = json.at("defines").get<std::vector<std::string>>();
  return out;
}

}  // namespace

Result<std::unique_ptr<eval::Machine>> load_cuda_machine(const validator::ValidatedProgram& program,
                                                         const model::Checkpoint& checkpoint, ThreadPool& pool,
                                                         const LoadOptions& options) {
  AMK_ASSIGN_OR_RETURN(const vm::cuda::Sabotage sabotage, sabotage_of(options.sabotage, program.program()));
  vm::cuda::CudaVmOptions build{options.trace, options.deadline, sabotage, std::nullopt};
  if (options.whole) {
    AMK_ASSIGN_OR_RETURN(build.whole, vm::cuda::kernel_spec(options.whole->program()));
  }
  return CudaMachine::load(program, checkpoint, pool, options.ordinal, build);
}

}  // namespace amk::worker
