#include "worker/cuda_bench.h"

#include <fmt/format.h>

#include <functional>
#include <optional>

#include "eval/history.h"
#include "eval/logits.h"
#include "schedule/cost_model.h"
#include "schedule/target.h"
#include "vm/cuda/baselines/bandwidth.h"
#include "vm/cuda/baselines/cublas.h"
#include "vm/cuda/baselines/decode_step.h"

namespace amk::worker {
namespace {

using eval::Agreement;
using eval::BenchReport;
using eval::BenchRequest;
using eval::ContenderTimes;
using eval::LogitRows;
using eval::Stage;
using vm::cuda::BandwidthProbe;
using vm::cuda::CudaVm;
using vm::cuda::DecodeStep;
using vm::cuda::Device;
using vm::cuda::Event;

constexpr uint64_t kSpacerBytes = uint64_t{1} << 30;
constexpr const char* kFirstMatrix = "model.layers.0.self_attn.q_proj.weight";  // whose type stands for the weights

/// Something that can be timed.
struct Runner {
  ContenderTimes times;
  std::function<Status()> enqueue;
};

struct Bench {
  const Subject& subject;
  const BenchRequest& request;
  Device& device;
  CudaVm machine;
  std::optional<BandwidthProbe> probe;
  std::optional<DecodeStep> rival;
  BenchReport report;

  [[nodiscard]] const schedule::Program& program() const { return subject.program.program(); }
};

Status check_request(const BenchRequest& request, uint32_t context) {
  if (request.rounds == 0 || request.checked == 0 || request.positions.empty()) {
    return Error{ErrorCode::kUsage,
                 fmt::format("expected at least one round, position and position to check, found {}, {} and {}",
                             request.rounds, request.positions.size(), request.checked),
                 "", ""};
  }
  for (const uint32_t position : request.positions) {
    if (position < context) continue;
    return Error{ErrorCode::kUsage,
                 fmt::format("expected positions below the context, {}, found {}", context, position), "",
                 "compile with a larger --context"};
  }
  return {};
}

void describe(const Device& device, BenchReport& report) {
  report.device = device.info().name;
  report.sms = device.info().sms;
  report.driver = device.info().driver_version;
  const Result<std::string> cublas = vm::cuda::cublas_version();
  if (cublas.ok()) report.cublas = *cublas;
}

Result<std::vector<float>> rival_logits(DecodeStep& rival, uint32_t token, uint32_t position) {
  AMK_TRY(rival.set_input(token, position));
  AMK_TRY(rival.enqueue_step());
  return rival.logits();
}

// ---- the rival's gate -----------------------------------------------------------------------------------------------

/// Whether the rival computes what the megakernel computes, from the first position on; its logits must also give the
/// token that its own argmax chose.
Status check_rival(Bench& bench, const GateResult& gate) {
  LogitRows found;
  bool chose = true;
  for (size_t i = 0; i < gate.tokens.size(); ++i) {
    AMK_ASSIGN_OR_RETURN(found.emplace_back(), rival_logits(*bench.rival, gate.tokens[i], static_cast<uint32_t>(i)));
    AMK_ASSIGN_OR_RETURN(const uint32_t token, bench.rival->next_token());
    chose = chose && token == eval::best_token(found.back());
  }
  const double tolerance = eval::rival_tolerance(bench.subject.checkpoint.config(), bench.rival->dtype(),
                                                 eval::largest_magnitude(gate.logits));
  bench.report.rival_agreement = eval::compare_logits(gate.logits, found, tolerance);
  if (bench.report.rival_agreement->agrees() && chose) return {};
  bench.report.notes.push_back(fmt::format("{} is not timed, its logits are not the megakernel's: {}{}",
                                           eval::kGraphStep, bench.report.rival_agreement->text(),
                                           chose ? "" : "; its argmax is not that of its logits"));
  return {};
}

/// A rival that cannot be had is a note, and the benchmark goes on without.
Status prepare_rival(Bench& bench, const GateResult& gate) {
  if (!bench.request.rivals) return {};
  bench.subject.on_stage({Stage::kRival});
  Result<DecodeStep> rival =
      DecodeStep::create(bench.device, bench.subject.checkpoint, bench.program().meta.context, bench.subject.pool);
  if (!rival.ok()) {
    bench.report.notes.push_back("no rivals: " + rival.error().text());
    return bench.device.synchronize();  // whether the device can still be used
  }
  bench.rival.emplace(std::move(rival).value());
  bench.report.notes.push_back("cuBLAS was asked for " + bench.rival->choices() +
                               ": the faster of two ways for each shape");
  if (bench.rival->dtype() != bench.subject.checkpoint.dtype_of(kFirstMatrix)) {
    bench.report.notes.push_back(
        fmt::format("the rivals read the same weights as {}", abi::dtype_name(bench.rival->dtype())));
  }
  return check_rival(bench, gate);
}

// ---- timing ---------------------------------------------------------------------------------------------------------

Status time_runners(Bench& bench, std::vector<Runner>& runners, uint32_t position) {
  std::vector<std::pair<Event, Event>> events;
  for (size_t i = 0; i < runners.size(); ++i) {
    AMK_ASSIGN_OR_RETURN(Event begin, bench.device.create_event());
    AMK_ASSIGN_OR_RETURN(Event end, bench.device.create_event());
    events.emplace_back(std::move(begin), std::move(end));
  }
  const uint32_t rounds = bench.request.warm_ups + bench.request.rounds;
  for (uint32_t round = 0; round < rounds; ++round) {
    AMK_TRY(bench.probe->enqueue(kSpacerBytes));
    for (size_t turn = 0; turn < runners.size(); ++turn) {
      const size_t i = (round + turn) % runners.size();
      AMK_TRY(runners[i].enqueue());
      AMK_TRY(bench.device.record(events[i].first));
      AMK_TRY(runners[i].enqueue());
      AMK_TRY(bench.device.record(events[i].second));
    }
    AMK_TRY(bench.machine.synchronize());  // says which wait it was, should the megakernel have failed
    for (size_t i = 0; i < runners.size(); ++i) {
      AMK_ASSIGN_OR_RETURN(const double us, bench.device.elapsed_us(events[i].first, events[i].second));
      if (round >= bench.request.warm_ups) runners[i].times.samples_us.push_back(us);
    }
    bench.subject.on_stage({Stage::kRounds, position, round + 1, rounds});
  }
  return {};
}

/// The rival's step at `position`, over the same made-up history: whether it may be timed there.
Result<std::optional<Agreement>> check_rival_at(Bench& bench, uint32_t token, uint32_t position) {
  if (!bench.rival || !bench.report.rival_agreement || !bench.report.rival_agreement->agrees())
    return std::optional<Agreement>();
  AMK_TRY(bench.rival->set_history(eval::coarse_history_of(bench.request.seed), position));
  LogitRows ours(1);
  LogitRows theirs(1);
  AMK_ASSIGN_OR_RETURN(ours[0], bench.machine.logits());
  AMK_ASSIGN_OR_RETURN(theirs[0], rival_logits(*bench.rival, token, position));
  const double tolerance =
      eval::rival_tolerance(bench.subject.checkpoint.config(), bench.rival->dtype(), eval::largest_magnitude(ours));
  return std::optional(eval::compare_logits(ours, theirs, tolerance));
}

Runner megakernel_runner(Bench& bench, uint32_t token, uint32_t position) {
  const auto target = schedule::find_target(bench.program().target);
  const schedule::Prediction prediction = schedule::predict(bench.program(), **target, position);
  Runner out;
  out.times.name = eval::kMegakernel;
  out.times.weights = abi::dtype_name(bench.subject.checkpoint.dtype_of(kFirstMatrix));
  out.times.bytes = prediction.weight_bytes + prediction.history_bytes;
  out.enqueue = [&bench, token, position] { return bench.machine.enqueue(token, position); };
  return out;
}

Runner rival_runner(Bench& bench, const char* name, uint64_t bytes, Status (DecodeStep::*enqueue)()) {
  Runner out;
  out.times.name = name;
  out.times.weights = abi::dtype_name(bench.rival->dtype());
  out.times.bytes = bytes;
  out.enqueue = [&bench, enqueue] { return (*bench.rival.*enqueue)(); };
  return out;
}

Status measure_at(Bench& bench, uint32_t position) {
  bench.subject.on_stage({Stage::kHistory, position});
  const uint32_t token = random_tokens(bench.subject.checkpoint.config().vocab_size, 1, bench.request.seed)[0];
  AMK_TRY(bench.machine.set_history(eval::coarse_history_of(bench.request.seed), position));
  AMK_TRY(bench.machine.step(token));
  AMK_ASSIGN_OR_RETURN(const std::optional<Agreement> agreement, check_rival_at(bench, token, position));
  std::vector<Runner> runners;
  runners.push_back(megakernel_runner(bench, token, position));
  if (bench.rival) {
    AMK_TRY(bench.rival->set_input(token, position));
    runners.push_back(
        rival_runner(bench, eval::kProjections, bench.rival->projection_bytes(), &DecodeStep::enqueue_projections));
  }
  if (agreement && agreement->agrees()) {
    runners.push_back(
        rival_runner(bench, eval::kGraphStep, bench.rival->pass_bytes(position), &DecodeStep::enqueue_step));
    runners.back().times.agreement = agreement;
  } else if (agreement) {
    bench.report.notes.push_back(fmt::format("{} is not timed at position {}, its logits are not the megakernel's: {}",
                                             eval::kGraphStep, position, agreement->text()));
  }
  AMK_TRY(time_runners(bench, runners, position));
  eval::PositionTimes& at = bench.report.positions.emplace_back();
  at.position = position;
  for (Runner& runner : runners) at.contenders.push_back(std::move(runner.times));
  return {};
}

}  // namespace

Result<BenchReport> measure_bench(const Subject& subject, const BenchRequest& request) {
  AMK_TRY(check_request(request, subject.program.program().meta.context));
  AMK_ASSIGN_OR_RETURN(Device device, Device::open(subject.ordinal));
  subject.on_stage({Stage::kLoad});
  AMK_ASSIGN_OR_RETURN(CudaVm machine, CudaVm::create(subject.program, subject.checkpoint, device, subject.pool));
  Bench bench{subject, request, device, std::move(machine), {}, {}, {}};
  describe(device, bench.report);
  AMK_ASSIGN_OR_RETURN(const GateResult gate,
                       check_against_oracle(bench.machine, subject, request.checked, request.seed));
  bench.report.agreement = gate.agreement;
  bench.report.repeatable = gate.repeatable;
  if (!bench.report.correct()) {
    bench.report.notes.push_back(
        gate.repeatable ? "nothing is timed: the megakernel's logits are not the oracle's: " + gate.agreement.text()
                        : std::string("nothing is timed: two runs of the same tokens gave different bits"));
    return std::move(bench.report);
  }
  AMK_TRY(prepare_rival(bench, gate));
  subject.on_stage({Stage::kBandwidth});
  AMK_ASSIGN_OR_RETURN(BandwidthProbe probe, BandwidthProbe::create(device));
  bench.probe.emplace(std::move(probe));
  AMK_ASSIGN_OR_RETURN(const vm::cuda::Bandwidth bandwidth, bench.probe->measure());
  bench.report.bandwidth_bytes_per_second = bandwidth.bytes_per_second;
  for (const uint32_t position : request.positions) AMK_TRY(measure_at(bench, position));
  return std::move(bench.report);
}

Result<double> measure_bandwidth(int ordinal) {
  AMK_ASSIGN_OR_RETURN(Device device, Device::open(ordinal));
  AMK_ASSIGN_OR_RETURN(BandwidthProbe probe, BandwidthProbe::create(device));
  AMK_ASSIGN_OR_RETURN(const vm::cuda::Bandwidth found, probe.measure());
  return found.bytes_per_second;
}

}  // namespace amk::worker
