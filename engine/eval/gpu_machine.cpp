#include "eval/gpu_machine.h"

#include <fmt/format.h>

#include "eval/history.h"
#include "eval/packed_values.h"
#include "eval/sent_program.h"

namespace amk::eval {
namespace {

using ipc::Json;
using std::chrono::milliseconds;

constexpr milliseconds kBandwidthPatience = std::chrono::minutes(1);

LoadReport report_of(const Json& reply) {
  return {reply.at("registers").get<uint32_t>(),    reply.at("local_bytes").get<uint32_t>(),
          reply.at("static_smem").get<uint32_t>(),  reply.at("blocks_per_sm").get<uint32_t>(),
          reply.at("device_bytes").get<uint64_t>(), reply.at("build_seconds").get<double>(),
          reply.at("upload_seconds").get<double>()};
}

class GpuMachine final : public Machine {
 public:
  GpuMachine(std::shared_ptr<ipc::WorkerClient> worker, const validator::ValidatedProgram& program,
             const GpuOptions& options)
      : worker_(std::move(worker)),
        validated_(program),
        options_(options),
        tokens_per_launch_(program->launch.tokens_per_launch),
        history_row_(history_row(program.program())) {}

  ~GpuMachine() override {
    // Another machine may want the room. An answer that does not come costs a little time, no more.
    if (loaded_ && !broken_ && worker_->generation() == generation_)
      static_cast<void>(worker_->call("unload", {{"loaded", *loaded_}}, kReplyPatience));
  }

  Status load(const validator::ValidatedProgram& program, const model::Checkpoint& checkpoint) {
    AMK_ASSIGN_OR_RETURN(const SentProgram sent, SentProgram::create(program, checkpoint));
    Json request = sent.parameters();
    request["ordinal"] = options_.ordinal;
    request["trace"] = options_.trace;
    request["beside_others"] = options_.beside_others;
    request["deadline_ms"] = kernel_deadline().count();
    if (!options_.sabotage.is_null()) request["sabotage"] = options_.sabotage;
    std::optional<SentProgram> whole;
    if (options_.whole) {
      AMK_ASSIGN_OR_RETURN(SentProgram also, SentProgram::create(*options_.whole, checkpoint));
      request["whole"] = also.parameters().at("program");
      whole.emplace(std::move(also));
    }
    Result<Json> reply = worker_->call("load", request, options_.load_deadline);
    if (!reply) return reply.error();
    generation_ = worker_->generation();
    return reading(*reply, [&](const Json& json) -> Status {
      device_ = json.at("device").get<std::string>();
      vocab_ = json.at("vocab").get<uint64_t>();
      report_ = report_of(json);
      loaded_ = json.at("loaded").get<uint64_t>();
      if (vocab_ == checkpoint.config().vocab_size) return {};
      return nonsense(fmt::format("a vocabulary of {}, not {}", vocab_, checkpoint.config().vocab_size));
    });
  }

  Status step(uint32_t token) override {
    AMK_ASSIGN_OR_RETURN(const Json reply, call("step", {{"token", token}}, kernel_deadline()));
    return reading(reply, [&](const Json& json) -> Status {
      next_token_ = json.at("next_token").get<uint32_t>();
      position_ = json.at("position").get<uint32_t>();
      return {};
    });
  }

  Result<std::vector<uint32_t>> decode(uint32_t token, uint32_t count) override {
    const milliseconds patience = kernel_deadline() + count * kPassPatience;
    AMK_ASSIGN_OR_RETURN(const Json reply, call("decode", {{"token", token}, {"count", count}}, patience));
    std::vector<uint32_t> tokens;
    AMK_TRY(reading(reply, [&](const Json& json) -> Status {
      tokens = json.at("tokens").get<std::vector<uint32_t>>();
      position_ = json.at("position").get<uint32_t>();
      return {};
    }));
    if (tokens.size() != count) return nonsense(fmt::format("{} tokens, not {}", tokens.size(), count));
    if (count > 0) next_token_ = tokens.back();
    return tokens;
  }

  Result<std::vector<float>> logits() override {
    AMK_ASSIGN_OR_RETURN(const Json reply, call("logits", Json::object(), kReplyPatience));
    std::vector<float> out;
    AMK_TRY(reading(reply, [&](const Json& json) -> Status {
      AMK_ASSIGN_OR_RETURN(out, unpack_values<float>(json.at("logits").get<std::string>(), vocab_));
      return {};
    }));
    return out;
  }

  Result<std::vector<float>> values(BufferId buffer) override {
    AMK_ASSIGN_OR_RETURN(const uint64_t count, value_count(validated_.program(), buffer));
    AMK_ASSIGN_OR_RETURN(const Json reply, call("values", {{"buffer", buffer.index()}}, kReplyPatience));
    std::vector<float> out;
    AMK_TRY(reading(reply, [&](const Json& json) -> Status {
      AMK_ASSIGN_OR_RETURN(out, unpack_values<float>(json.at("values").get<std::string>(), count));
      return {};
    }));
    return out;
  }

  Status reset() override {
    AMK_TRY(call("reset", Json::object(), kReplyPatience));
    position_ = 0;
    return {};
  }

  Status set_history(uint64_t seed, uint32_t position) override {
    AMK_TRY(call("set_history", {{"seed", seed}, {"position", position}}, history_patience(history_row_, position)));
    position_ = position;
    return {};
  }

  Result<Times> time(const TimeRequest& request) override {
    const uint64_t launches = request.positions.size() * (uint64_t{request.repeats} + request.warmup);
    const Json json = {{"positions", request.positions}, {"repeats", request.repeats}, {"warmup", request.warmup}};
    AMK_ASSIGN_OR_RETURN(const Json reply, call("time", json, kernel_deadline() + launches * kPassPatience));
    position_ = 0;
    Times times;
    AMK_TRY(reading(reply, [&](const Json& found) -> Status {
      times = found.at("microseconds").get<Times>();
      return {};
    }));
    for (const std::vector<double>& of_position : times) {
      if (of_position.size() != request.repeats) return nonsense("another number of times than it was asked for");
    }
    if (times.size() != request.positions.size()) return nonsense("times of other positions than it was asked for");
    return times;
  }

  Result<PairTimes> time_against(Machine& machine, const PairRequest& request) override {
    auto* other = dynamic_cast<GpuMachine*>(&machine);
    if (other == nullptr || other->worker_ != worker_ || other->generation_ != generation_ || !other->loaded_) {
      return Error{ErrorCode::kUsage, "expected two programs that are loaded in one worker, found another machine",
                   device_, "load both with beside_others"};
    }
    const uint64_t launches = 8 * uint64_t{request.blocks};
    const Json json = {{"against", *other->loaded_}, {"position", request.position}, {"blocks", request.blocks}};
    AMK_ASSIGN_OR_RETURN(const Json reply, call("time_pairs", json, kernel_deadline() + launches * kPassPatience));
    position_ = other->position_ = 0;
    PairTimes times;
    AMK_TRY(reading(reply, [&](const Json& found) -> Status {
      times.ours = found.at("ours").get<std::vector<double>>();
      times.theirs = found.at("theirs").get<std::vector<double>>();
      return {};
    }));
    const size_t wanted = 2 * size_t{request.blocks};
    if (times.ours.size() != wanted || times.theirs.size() != wanted)
      return nonsense("another number of times than it was asked for");
    return times;
  }

  Result<Trace> trace() override {
    AMK_ASSIGN_OR_RETURN(const Json reply, call("trace", Json::object(), kReplyPatience));
    Trace out;
    AMK_TRY(reading(reply, [&](const Json& json) -> Status {
      out.tasks = json.at("tasks").get<std::vector<uint32_t>>();
      out.queue_begin = json.at("queue_begin").get<std::vector<uint32_t>>();
      const size_t count = json.at("passes").get<size_t>() * out.tasks.size();
      AMK_ASSIGN_OR_RETURN(out.records,
                           unpack_values<device::TraceRecord>(json.at("records").get<std::string>(), count));
      return {};
    }));
    return out;
  }

  [[nodiscard]] uint32_t next_token() const override { return next_token_; }
  [[nodiscard]] uint32_t position() const override { return position_; }
  [[nodiscard]] uint64_t vocab() const override { return vocab_; }
  [[nodiscard]] uint32_t tokens_per_launch() const override { return tokens_per_launch_; }
  [[nodiscard]] const std::string& device() const override { return device_; }
  [[nodiscard]] const LoadReport& report() const override { return report_; }
  [[nodiscard]] const std::optional<ipc::Fault>& fault() const override { return fault_; }

 private:
  /// Of one launch, on the device; the parent waits kReplyPatience longer.
  [[nodiscard]] milliseconds kernel_deadline() const {
    return options_.launch_deadline + (tokens_per_launch_ - 1) * kPassPatience;
  }

  Result<Json> call(std::string_view name, Json parameters, milliseconds patience) {
    if (broken_) return *broken_;
    if (worker_->generation() != generation_ || worker_->pid() == 0) {
      return broken(Error{ErrorCode::kInternal, "expected the worker that the program was loaded in, found another one",
                          device_, "load the program again"});
    }
    parameters["loaded"] = *loaded_;
    Result<Json> reply = worker_->call(name, parameters, patience + kReplyPatience);
    if (reply) return reply;
    fault_ = worker_->fault();
    const bool lives = worker_->end() == ipc::CallEnd::kError || worker_->end() == ipc::CallEnd::kNotSent;
    if (lives && reply.error().code != ErrorCode::kInternal) return reply.error();
    // What is no refusal of the request itself is the end of the device's context, and of the process that has it.
    worker_->stop();
    return broken(reply.error());
  }

  const Error& broken(Error error) { return broken_.emplace(std::move(error)); }

  Error nonsense(const std::string& found) {
    return broken({ErrorCode::kInternal, "expected a reply that fits the request, found " + found, device_,
                   "amk and amk-worker must be of one version"});
  }

  /// `read` of a reply, whose fields may not be what they should.
  template <typename Read>
  Status reading(const Json& reply, const Read& read) {
    try {
      return read(reply);
    } catch (const Json::exception& problem) {
      return nonsense(problem.what());
    }
  }

  std::shared_ptr<ipc::WorkerClient> worker_;
  validator::ValidatedProgram validated_;
  GpuOptions options_;
  uint32_t tokens_per_launch_;
  uint64_t history_row_;     ///< values that a position has in all caches
  uint64_t generation_ = 0;  ///< of the worker that has it loaded
  std::optional<uint64_t> loaded_;
  std::optional<Error> broken_;
  std::optional<ipc::Fault> fault_;
  std::string device_ = "gpu";
  uint64_t vocab_ = 0;
  uint32_t next_token_ = 0;
  uint32_t position_ = 0;
  LoadReport report_;
};

}  // namespace

Result<std::unique_ptr<Machine>> load_gpu_machine(std::shared_ptr<ipc::WorkerClient> worker,
                                                  const validator::ValidatedProgram& program,
                                                  const model::Checkpoint& checkpoint, const GpuOptions& options) {
  auto machine = std::make_unique<GpuMachine>(std::move(worker), program, options);
  AMK_TRY(machine->load(program, checkpoint));
  return std::unique_ptr<Machine>(std::move(machine));
}

Result<double> measure_bandwidth(ipc::WorkerClient& worker, int ordinal) {
  AMK_ASSIGN_OR_RETURN(const Json reply, worker.call("bandwidth", {{"ordinal", ordinal}}, kBandwidthPatience));
  if (reply.is_object() && reply.contains("bytes_per_second") && reply["bytes_per_second"].is_number())
    return reply["bytes_per_second"].get<double>();
  worker.stop();
  return Error{ErrorCode::kInternal, "expected a bandwidth, found another reply", "amk-worker",
               "amk and amk-worker must be of one version"};
}

MachineFactory gpu_machines(std::shared_ptr<ipc::WorkerClient> worker, const GpuOptions& options) {
  return [worker = std::move(worker), options](const validator::ValidatedProgram& program,
                                               const model::Checkpoint& checkpoint) {
    return load_gpu_machine(worker, program, checkpoint, options);
  };
}

}  // namespace amk::eval
