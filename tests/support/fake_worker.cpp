// amk-worker's twin for tests: the same requests, answered by the reference VM as if it were an H100, with made-up
// times and traces, and wrong in the way that $AMK_FAKE names.
//
//   no-gpu          devices() finds none
//   other-gpu       the GPU is none that programs are compiled for here
//   too-small       load is refused
//   fault:N crash:N hang:N   in the N-th pass, or round of a measurement, counted from 1
//   babble:N        in the N-th pass, text where a frame should be
//   nan:N wrong:N   the logits of the N-th pass on hold a NaN, or are off by one in one place
//   flicker         the last bit of a logit changes from one look to the next
//   late            logits behind a drawn history are off
//   long            a launch of several passes chooses another last token
//   slow            times are a hundred times longer
//   modelled        times are what the cost model predicts for the program, and a little noise
//   lucky:N         as modelled, but the first N launches of a program that are timed take a tenth less
//   too-fast:N      as modelled, but the N-th program that is loaded, counted from 1, takes no time at all
//   tuned           as modelled, and the faster the higher every build knob of an instruction is
//   off:N           as tuned, but attention that takes N positions at once is wrong
//   incorrect       what is measured is found to be wrong, and not timed
//   nonsense        a measurement's answer is none
//   short           a measurement's answer lacks a time, or a task's record
//   off-stage       a measurement reports a stage that there is none of
//
// $AMK_FAKE_GPUS of them, or one.
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "base/random.h"
#include "schedule/cost_model.h"
#include "schedule/target.h"
#include "support/traced.h"
#include "worker/session.h"

using namespace amk;

namespace {

constexpr const char* kDevice = "Fake H100 80GB HBM3";

struct Fake {
  std::string way;    ///< empty: like the real one
  uint64_t pass = 0;  ///< N
};

Fake fake_of_environment() {
  const char* value = std::getenv("AMK_FAKE");
  const std::string text = value == nullptr ? "" : value;
  const size_t colon = text.find(':');
  if (colon == std::string::npos) return {text, 0};
  return {text.substr(0, colon), std::strtoull(text.c_str() + colon + 1, nullptr, 10)};
}

/// Passes of all machines of this process, programs loaded, and the noise of its times.
uint64_t passes = 0;
uint64_t loads = 0;
Random noise(1);
/// Where its frames go.
int frames_out = -1;

/// Goes wrong as `fake` says, in this process's way: a crash, a hang, or an error. `fault` tells the wait of the last.
Status misbehave(const Fake& fake, std::chrono::milliseconds deadline, std::optional<ipc::Fault>& fault) {
  if (fake.way == "crash") {
    std::signal(SIGABRT, SIG_DFL);
    ::_exit(9);
  }
  if (fake.way == "hang") {
    while (true) ::pause();
  }
  if (fake.way == "babble") {
    constexpr std::string_view kText = "srun: this is no frame\n";
    if (::write(frames_out, kText.data(), kText.size()) < 0) ::_exit(9);
    while (true) ::pause();
  }
  if (fake.way != "fault") return {};
  fault = ipc::Fault{7, "gate_up.0", 11, 5, 41, 42, static_cast<double>(deadline.count())};
  return Error{ErrorCode::kInternal, "the launch passed its deadline: task 7 'gate_up.0' on SM 11", kDevice, ""};
}

class FakeMachine final : public eval::Machine {
 public:
  FakeMachine(std::unique_ptr<eval::Machine> machine, const worker::LoadOptions& options,
              const schedule::Program& program)
      : machine_(std::move(machine)),
        options_(options),
        tasks_(program.tasks.size()),
        config_(program.config),
        fake_(fake_of_environment()),
        modelled_us_(schedule::predict(program, **schedule::find_target(program.target), 0).latency_us) {
    if (fake_.way == "too-fast" && ++loads == fake_.pass) modelled_us_ = 1e-3;
  }

  Status step(uint32_t token) override {
    ++passes;
    if (passes == fake_.pass) AMK_TRY(misbehave(fake_, options_.deadline, fault_));
    last_passes_ = 1;
    return machine_->step(token);
  }

  Result<std::vector<uint32_t>> decode(uint32_t token, uint32_t count) override {
    std::vector<uint32_t> out;
    for (uint32_t i = 0; i < count; ++i) {
      AMK_TRY(step(token));
      out.push_back(token = machine_->next_token());
    }
    last_passes_ = count;
    if (fake_.way == "long" && count > 1) out.back() = (out.back() + 1) % static_cast<uint32_t>(vocab());
    return out;
  }

  Result<std::vector<float>> logits() override {
    AMK_ASSIGN_OR_RETURN(std::vector<float> out, machine_->logits());
    if (fake_.way == "nan" && passes >= fake_.pass) out[3] = std::numeric_limits<float>::quiet_NaN();
    if (fake_.way == "wrong" && passes >= fake_.pass) out[3] += 1.0F;
    if (fake_.way == "late" && drawn_) out[3] += 1.0F;
    if (fake_.way == "flicker" && ++looks_ % 3 == 0) out[3] = std::nextafter(out[3], 0.0F);
    return out;
  }

  Result<std::vector<float>> values(BufferId buffer) override {
    AMK_ASSIGN_OR_RETURN(std::vector<float> out, machine_->values(buffer));
    if (fake_.way == "wrong" && passes >= fake_.pass) out[3] += 1.0F;
    if (fake_.way == "off" && config_.attention_positions_at_once == fake_.pass) out[3] += 1.0F;
    return out;
  }

  Status reset() override {
    drawn_ = false;
    return machine_->reset();
  }
  Status set_history(uint64_t seed, uint32_t position) override {
    drawn_ = true;
    return machine_->set_history(seed, position);
  }

  Result<eval::Times> time(const eval::TimeRequest& request) override {
    eval::Times out;
    for (const uint32_t position : request.positions) {
      std::vector<double> times;
      for (uint32_t i = 0; i < request.repeats; ++i) times.push_back(time_us(position + i));
      out.push_back(times);
    }
    AMK_TRY(reset());
    return out;
  }

  Result<eval::Trace> trace() override {
    if (!options_.trace) return Error{ErrorCode::kUsage, "expected a program loaded to trace", "", ""};
    eval::Trace out;
    for (uint32_t task = 0; task < tasks_; ++task) out.tasks.push_back(task);
    out.queue_begin = {0, static_cast<uint32_t>(tasks_)};
    for (uint64_t i = 0; i < tasks_ * last_passes_; ++i) out.records.push_back({i, i + 1, i + 2, i + 3, i + 4});
    return out;
  }

  [[nodiscard]] uint32_t next_token() const override { return machine_->next_token(); }
  [[nodiscard]] uint32_t position() const override { return machine_->position(); }
  [[nodiscard]] uint64_t vocab() const override { return machine_->vocab(); }
  [[nodiscard]] uint32_t tokens_per_launch() const override { return machine_->tokens_per_launch(); }
  [[nodiscard]] const std::string& device() const override { return device_; }
  [[nodiscard]] const eval::LoadReport& report() const override { return report_; }
  [[nodiscard]] const std::optional<ipc::Fault>& fault() const override { return fault_; }

 private:
  /// 1 where every build knob is at its most, and 0.03 more for each step that one is below.
  [[nodiscard]] double steps_to_most() const {
    double out = 1;
#define AMK_BUILD_KNOB(field, folder, name, default_value, min, max, step, unit, doc) \
  out += 0.03 * ((max)-config_.field) / (step);
#include "abi/instruction_knob.def"
    return out;
  }
  [[nodiscard]] double time_us(uint32_t launch) {
    if (fake_.way == "lucky")
      return modelled_us_ * (0.998 + 0.004 * noise.uniform()) * (++timed_ <= fake_.pass ? 0.9 : 1);
    if (fake_.way == "tuned" || fake_.way == "off")
      return modelled_us_ * steps_to_most() * (0.998 + 0.004 * noise.uniform());
    if (fake_.way == "modelled" || fake_.way == "too-fast") return modelled_us_ * (0.998 + 0.004 * noise.uniform());
    return (100.0 + launch) * (fake_.way == "slow" ? 100 : 1);
  }

  std::unique_ptr<eval::Machine> machine_;
  worker::LoadOptions options_;
  size_t tasks_;
  schedule::ScheduleConfig config_;
  Fake fake_;
  double modelled_us_;
  std::string device_ = kDevice;
  eval::LoadReport report_{168, 0, 1024, 1, 123456, 0.5, 0.25};
  std::optional<ipc::Fault> fault_;
  bool drawn_ = false;
  uint64_t looks_ = 0;
  uint64_t last_passes_ = 0;
  uint64_t timed_ = 0;
};

Result<std::unique_ptr<eval::Machine>> load(const validator::ValidatedProgram& program,
                                            const model::Checkpoint& checkpoint, ThreadPool& pool,
                                            const worker::LoadOptions& options) {
  if (fake_of_environment().way == "too-small")
    return Error{ErrorCode::kIo, "expected 5 GB of device memory, found 1 GB", "", ""};
  AMK_ASSIGN_OR_RETURN(std::unique_ptr<eval::Machine> machine,
                       eval::make_cpu_machine(program, checkpoint, pool, options.whole.has_value()));
  return std::unique_ptr<eval::Machine>(std::make_unique<FakeMachine>(std::move(machine), options, program.program()));
}

// ---- measurements ---------------------------------------------------------------------------------------------------

/// A round of a measurement, the last of which is told as progress.
Status round_of(const worker::Subject& subject, const eval::StageProgress& progress) {
  const Fake fake = fake_of_environment();
  std::optional<ipc::Fault> ignored;
  if (++passes == fake.pass) AMK_TRY(misbehave(fake, std::chrono::seconds(2), ignored));
  eval::StageProgress told = progress;
  if (fake.way == "off-stage") told.stage = static_cast<eval::Stage>(99);
  subject.on_stage(told);
  return {};
}

eval::Agreement gate() { return {8, fake_of_environment().way == "incorrect" ? 1.0 : 1e-6, 1e-4, 0}; }

eval::ContenderTimes contender(const char* name, double start_us, uint32_t rounds) {
  eval::ContenderTimes out;
  out.name = name;
  out.weights = "f32";
  out.bytes = 3'000'000;
  for (uint32_t i = 0; i < rounds; ++i) out.samples_us.push_back(start_us + i);
  return out;
}

Result<eval::BenchReport> bench(const worker::Subject& subject, const eval::BenchRequest& request) {
  eval::BenchReport out;
  out.device = kDevice;
  out.sms = 132;
  out.driver = "13.0";
  out.cublas = "13.1";
  out.agreement = gate();
  out.repeatable = true;
  out.notes = {"a note of the worker"};
  subject.on_stage({eval::Stage::kLoad});
  if (!out.correct()) return out;
  out.rival_agreement = eval::Agreement{8, 0.25, 0.5, 0};
  out.bandwidth_bytes_per_second = 3e12;
  for (const uint32_t position : request.positions) {
    for (uint32_t i = 0; i < request.rounds; ++i)
      AMK_TRY(round_of(subject, {eval::Stage::kRounds, position, i + 1, request.rounds}));
    const uint32_t rounds = request.rounds - (fake_of_environment().way == "short" ? 1 : 0);
    out.positions.push_back({position,
                             {contender(eval::kMegakernel, 100.0 + position, request.rounds),
                              contender(eval::kGraphStep, 200.0 + position, rounds)}});
  }
  return out;
}

Result<eval::TraceRun> trace(const worker::Subject& subject, const eval::TraceRequest& request) {
  eval::TraceRun out;
  out.device = kDevice;
  out.agreement = gate();
  out.repeatable = true;
  subject.on_stage({eval::Stage::kLoad});
  if (!out.correct()) return out;
  const test::MadeUpTrace made_up(subject.program.program());
  out.records = made_up.records;
  out.tasks = made_up.tasks;
  out.queue_begin = made_up.queue_begin;
  if (fake_of_environment().way == "short") out.records.pop_back();
  out.floor_us = 12.5;
  out.bandwidth_bytes_per_second = 3e12;
  for (uint32_t i = 0; i < request.runs; ++i) {
    AMK_TRY(round_of(subject, {eval::Stage::kTracing, request.position, i + 1, request.runs}));
    out.spans_us.push_back(40.0 + i);
  }
  return out;
}

Result<ipc::Json> nonsense(const ipc::Json&, ipc::Progress&) { return ipc::Json{{"agreement", "very"}}; }

Result<ipc::Json> devices(const ipc::Json&, ipc::Progress&) {
  const std::string way = fake_of_environment().way;
  if (way == "no-gpu") return Error{ErrorCode::kUnsupported, "expected a GPU, found none", "", ""};
  const bool other = way == "other-gpu";
  const char* count = std::getenv("AMK_FAKE_GPUS");
  ipc::Json out = ipc::Json::array();
  for (int i = 0; i < (count == nullptr ? 1 : std::atoi(count)); ++i) {
    out.push_back({{"ordinal", i},
                   {"name", other ? "Fake T4" : kDevice},
                   {"sm", other ? 75 : 90},
                   {"sms", other ? 40 : 132},
                   {"memory_bytes", uint64_t{80} << 30},
                   {"smem_block_bytes", 232448},
                   {"l2_bytes", 50 << 20},
                   {"driver_version", "13.0"}});
  }
  return out;
}

Result<ipc::Json> hello(const ipc::Json&, ipc::Progress&) { return ipc::Json{{"protocol", ipc::kProtocol}}; }

}  // namespace

int main() {
  const auto streams = ipc::take_standard_streams();
  if (!streams.ok()) return 3;
  frames_out = streams->out;
  ipc::Handlers handlers =
      worker::program_handlers({load, bench, trace, [](int) -> Result<double> { return 3e12; }}, true);
  if (fake_of_environment().way == "nonsense") handlers["bench"] = handlers["trace_runs"] = nonsense;
  handlers.emplace("hello", hello);
  handlers.emplace("devices", devices);
  return ipc::serve(streams->in, streams->out, handlers).ok() ? 0 : 3;
}
