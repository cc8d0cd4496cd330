#include "eval/benchmark.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/random.h"
#include "eval/logits.h"
#include "eval/oracle.h"
#include "schedule/cost_model.h"
#include "schedule/target.h"
#include "vm/cuda/baselines/bandwidth.h"
#include "vm/cuda/baselines/cublas.h"
#include "vm/cuda/baselines/decode_step.h"

namespace amk::eval {
namespace {

using vm::cuda::BandwidthProbe;
using vm::cuda::CudaVm;
using vm::cuda::DecodeStep;
using vm::cuda::Device;
using vm::cuda::Event;

constexpr uint64_t kSpacerBytes = uint64_t{1} << 30;

/// Something that can be timed.
struct Runner {
  ContenderTimes times;
  std::function<Status()> enqueue;
};

struct Bench {
  const BenchRequest& request;
  Device& device;
  ThreadPool& pool;
  CudaVm machine;
  std::optional<BandwidthProbe> probe;
  std::optional<DecodeStep> rival;
  BenchReport report;

  void progress(std::string_view step, uint32_t done = 0, uint32_t of = 0) const {
    if (request.progress) request.progress(step, done, of);
  }
  [[nodiscard]] const schedule::Program& program() const { return request.program->program(); }
  [[nodiscard]] double floor_us(uint64_t bytes) const {
    return static_cast<double>(bytes) / report.bandwidth_bytes_per_second * 1e6;
  }
};

Status check_request(const BenchRequest& request) {
  const uint32_t context = request.program->program().meta.context;
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

void describe(const BenchRequest& request, const Device& device, BenchReport& report) {
  const schedule::Program& program = request.program->program();
  report.model = program.meta.model;
  report.schedule_id = program.meta.schedule_id;
  report.target = program.target;
  report.device = device.info().name;
  report.sms = device.info().sms;
  report.driver = device.info().driver_version;
  report.weights = abi::dtype_name(request.checkpoint->dtype_of("model.layers.0.self_attn.q_proj.weight"));
  for (const schedule::Buffer& buffer : program.buffers) {
    if (buffer.kind == abi::BufferKind::kKvCache) report.kv_dtype = abi::dtype_name(buffer.shape.dtype);
  }
  report.context = program.meta.context;
  report.rounds = request.rounds;
  report.seed = request.seed;
  const Result<std::string> cublas = vm::cuda::cublas_version();
  if (cublas.ok()) report.cublas = *cublas;
}

std::vector<uint32_t> random_tokens(uint32_t vocab, uint32_t count, uint64_t seed) {
  Random random(seed);
  std::vector<uint32_t> tokens;
  for (uint32_t i = 0; i < count; ++i) tokens.push_back(static_cast<uint32_t>(random.below(vocab)));
  return tokens;
}

Result<LogitRows> run_machine(CudaVm& machine, const std::vector<uint32_t>& tokens) {
  LogitRows rows;
  AMK_TRY(machine.reset());
  for (const uint32_t token : tokens) {
    AMK_TRY(machine.step(token));
    AMK_ASSIGN_OR_RETURN(rows.emplace_back(), machine.logits());
  }
  return rows;
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
    chose = chose && token == best_token(found.back());
  }
  const double tolerance =
      rival_tolerance(bench.request.checkpoint->config(), bench.rival->dtype(), largest_magnitude(gate.logits));
  bench.report.rival_agreement = compare_logits(gate.logits, found, tolerance);
  if (bench.report.rival_agreement->agrees() && chose) return {};
  bench.report.notes.push_back(fmt::format("{} is not timed, its logits are not the megakernel's: {}{}", kGraphStep,
                                           bench.report.rival_agreement->text(),
                                           chose ? "" : "; its argmax is not that of its logits"));
  return {};
}

/// A rival that cannot be had is a note, and the benchmark goes on without.
Status prepare_rival(Bench& bench, const GateResult& gate) {
  if (!bench.request.rivals) return {};
  bench.progress("preparing the rival");
  Result<DecodeStep> rival =
      DecodeStep::create(bench.device, *bench.request.checkpoint, bench.program().meta.context, bench.pool);
  if (!rival.ok()) {
    bench.report.notes.push_back("no rivals: " + rival.error().text());
    return bench.device.synchronize();  // whether the device can still be used
  }
  bench.rival.emplace(std::move(rival).value());
  bench.report.notes.push_back("cuBLAS was asked for " + bench.rival->choices() +
                               ": the faster of two ways for each shape");
  if (bench.rival->dtype() != bench.request.checkpoint->dtype_of("model.layers.0.self_attn.q_proj.weight")) {
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
  const std::string step = fmt::format("measuring at position {}", position);
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
    bench.progress(step, round + 1, rounds);
  }
  return {};
}

/// The rival's step at `position`, over the same made-up history: whether it may be timed there.
Result<std::optional<Agreement>> check_rival_at(Bench& bench, uint32_t token, uint32_t position) {
  if (!bench.rival || !bench.report.rival_agreement || !bench.report.rival_agreement->agrees())
    return std::optional<Agreement>();
  const auto draw = [&](uint32_t layer, bool value, uint64_t element) {
    return history_value(bench.request.seed, layer, value, element);
  };
  AMK_TRY(bench.rival->set_history(draw, position));
  LogitRows ours(1);
  LogitRows theirs(1);
  AMK_ASSIGN_OR_RETURN(ours[0], bench.machine.logits());
  AMK_ASSIGN_OR_RETURN(theirs[0], rival_logits(*bench.rival, token, position));
  const double tolerance =
      rival_tolerance(bench.request.checkpoint->config(), bench.rival->dtype(), largest_magnitude(ours));
  return std::optional(compare_logits(ours, theirs, tolerance));
}

Runner megakernel_runner(Bench& bench, uint32_t token, uint32_t position) {
  const auto target = schedule::find_target(bench.program().target);
  const schedule::Prediction prediction = schedule::predict(bench.program(), **target, position);
  Runner out;
  out.times.name = kMegakernel;
  out.times.weights = bench.report.weights;
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
  bench.progress(fmt::format("filling the caches up to position {}", position));
  const uint32_t token = random_tokens(bench.request.checkpoint->config().vocab_size, 1, bench.request.seed)[0];
  AMK_TRY(bench.machine.set_history(
      [&](uint32_t layer, bool value, uint64_t element) {
        return history_value(bench.request.seed, layer, value, element);
      },
      position));
  AMK_TRY(bench.machine.step(token));
  AMK_ASSIGN_OR_RETURN(const std::optional<Agreement> agreement, check_rival_at(bench, token, position));
  std::vector<Runner> runners;
  runners.push_back(megakernel_runner(bench, token, position));
  if (bench.rival) {
    AMK_TRY(bench.rival->set_input(token, position));
    runners.push_back(
        rival_runner(bench, kProjections, bench.rival->projection_bytes(), &DecodeStep::enqueue_projections));
  }
  if (agreement && agreement->agrees()) {
    runners.push_back(rival_runner(bench, kGraphStep, bench.rival->pass_bytes(position), &DecodeStep::enqueue_step));
    runners.back().times.agreement = agreement;
  } else if (agreement) {
    bench.report.notes.push_back(fmt::format("{} is not timed at position {}, its logits are not the megakernel's: {}",
                                             kGraphStep, position, agreement->text()));
  }
  AMK_TRY(time_runners(bench, runners, position));
  PositionTimes& at = bench.report.positions.emplace_back();
  at.position = position;
  for (Runner& runner : runners) {
    runner.times.floor_us = bench.floor_us(runner.times.bytes);
    at.contenders.push_back(std::move(runner.times));
  }
  return {};
}

}  // namespace

float history_value(uint64_t seed, uint32_t layer, bool value, uint64_t element) {
  const uint64_t place = (uint64_t{layer} * 2 + (value ? 1 : 0)) << 48 ^ element;
  return static_cast<float>(static_cast<int>(mix64(mix64(seed) ^ place) % 129) - 64) / 64.0F;
}

Result<GateResult> check_against_oracle(CudaVm& machine, const schedule::Program& program,
                                        const model::Checkpoint& checkpoint, uint32_t count, uint64_t seed,
                                        ThreadPool& pool) {
  const model::ModelConfig& config = checkpoint.config();
  const uint32_t context = program.meta.context;
  GateResult out;
  out.tokens = random_tokens(config.vocab_size, std::min(count, context), seed);
  AMK_ASSIGN_OR_RETURN(out.logits, run_machine(machine, out.tokens));
  AMK_ASSIGN_OR_RETURN(const LogitRows again, run_machine(machine, out.tokens));
  out.repeatable = true;
  for (size_t i = 0; i < again.size(); ++i) {
    out.repeatable = out.repeatable && std::memcmp(again[i].data(), out.logits[i].data(), again[i].size() * 4) == 0;
  }
  AMK_ASSIGN_OR_RETURN(Oracle oracle, Oracle::create(checkpoint, context, pool));
  LogitRows expected;
  for (const uint32_t token : out.tokens) {
    AMK_ASSIGN_OR_RETURN(expected.emplace_back(), oracle.forward(std::span(&token, 1)));
  }
  out.agreement =
      compare_logits(expected, out.logits, megakernel_tolerance(program, config, largest_magnitude(expected)));
  return out;
}

Result<BenchReport> run_benchmark(const BenchRequest& request, Device& device, ThreadPool& pool) {
  AMK_TRY(check_request(request));
  if (request.progress) request.progress("building the kernel, uploading weights", 0, 0);
  AMK_ASSIGN_OR_RETURN(CudaVm machine, CudaVm::create(*request.program, *request.checkpoint, device, pool));
  Bench bench{request, device, pool, std::move(machine), {}, {}, {}};
  describe(request, device, bench.report);
  bench.progress("asking the oracle");
  AMK_ASSIGN_OR_RETURN(const GateResult gate, check_against_oracle(bench.machine, bench.program(), *request.checkpoint,
                                                                   request.checked, request.seed, pool));
  bench.report.agreement = gate.agreement;
  bench.report.repeatable = gate.repeatable;
  if (!bench.report.correct()) {
    bench.report.notes.push_back(
        gate.repeatable ? "nothing is timed: the megakernel's logits are not the oracle's: " + gate.agreement.text()
                        : std::string("nothing is timed: two runs of the same tokens gave different bits"));
    return std::move(bench.report);
  }
  AMK_TRY(prepare_rival(bench, gate));
  bench.progress("measuring the memory's bandwidth");
  AMK_ASSIGN_OR_RETURN(BandwidthProbe probe, BandwidthProbe::create(device));
  bench.probe.emplace(std::move(probe));
  AMK_ASSIGN_OR_RETURN(const vm::cuda::Bandwidth bandwidth, bench.probe->measure());
  bench.report.bandwidth_bytes_per_second = bandwidth.bytes_per_second;
  for (const uint32_t position : request.positions) AMK_TRY(measure_at(bench, position));
  summarize_samples(bench.report);
  return std::move(bench.report);
}

}  // namespace amk::eval
