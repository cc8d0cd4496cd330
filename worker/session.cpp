#include "worker/session.h"

#include <fmt/format.h>

#include <map>
#include <optional>

#include "base/files.h"
#include "eval/measurement_json.h"
#include "eval/packed_values.h"
#include "schedule/program_json.h"

namespace amk::worker {
namespace {

using ipc::Json;
using ipc::Progress;

constexpr uint64_t kProgramBytesMax = uint64_t{4} << 30;
constexpr uint64_t kLaunchesMax = 1'000'000;  // of one request to time

Result<model::Checkpoint> open_model(const Json& model) {
  model::OpenOptions options;
  if (model.at("rope_frequencies").get<std::string>() == "stored")
    options.rope_frequencies = model::RopePrecision::kStored;
  AMK_ASSIGN_OR_RETURN(options.weights, model::parse_weight_format(model.at("weights").get<std::string>()));
  return model::Checkpoint::open(model.at("source").get<std::string>(), options);
}

Result<validator::ValidatedProgram> read_program(const std::string& path) {
  AMK_ASSIGN_OR_RETURN(const std::string text, read_file(path, kProgramBytesMax));
  AMK_ASSIGN_OR_RETURN(schedule::Program program, schedule::program_from_json(text, path));
  const validator::Validation validation = validator::validate(std::move(program));
  if (validation.validated) return *validation.validated;
  const std::string first =
      validation.findings.empty() ? "nothing" : validator::describe(validation.findings.front(), *validation.program);
  return Error{ErrorCode::kBadInput, fmt::format("expected a program that the validator accepts: {}", first), path, ""};
}

Json to_json(const eval::LoadReport& report) {
  return {{"registers", report.registers},          {"local_bytes", report.local_bytes},
          {"static_smem", report.static_smem},      {"blocks_per_sm", report.blocks_per_sm},
          {"device_bytes", report.device_bytes},    {"build_seconds", report.build_seconds},
          {"upload_seconds", report.upload_seconds}};
}

class Session {
 public:
  Session(Backend backend, bool test_hooks) : backend_(std::move(backend)), test_hooks_(test_hooks) {}

  /// {"program": path, "model": {"source", "rope_frequencies", "weights"}, "ordinal", "trace", "deadline_ms",
  ///  "sabotage"?, "beside_others"?, "whole"?: path of the program that this is a part of} -> {"loaded": its number,
  ///  "device", "vocab", "registers", ...}. What was loaded before is gone, but with "beside_others".
  Result<Json> load(const Json& params) {
    if (!params.value("beside_others", false)) loaded_.clear();
    LoadOptions options{params.at("ordinal").get<int>(),
                        params.at("trace").get<bool>(),
                        std::chrono::milliseconds(params.at("deadline_ms").get<uint32_t>()),
                        {},
                        nullptr};
    if (params.contains("sabotage")) options.sabotage = params.at("sabotage");
    if (!options.sabotage.is_null() && !test_hooks_) {
      return Error{ErrorCode::kUsage, "expected no sabotage, found some", "", "amk-worker --test-hooks takes it"};
    }
    AMK_ASSIGN_OR_RETURN(const validator::ValidatedProgram program, read_program(params.at("program")));
    if (params.contains("whole")) {
      AMK_ASSIGN_OR_RETURN(validator::ValidatedProgram whole, read_program(params.at("whole")));
      options.whole = std::move(whole);
    }
    AMK_ASSIGN_OR_RETURN(model::Checkpoint opened, open_model(params.at("model")));
    auto checkpoint = std::make_unique<model::Checkpoint>(std::move(opened));
    AMK_ASSIGN_OR_RETURN(std::unique_ptr<eval::Machine> machine, backend_.load(program, *checkpoint, pool_, options));
    Json out = {{"loaded", ++number_}, {"device", machine->device()}, {"vocab", machine->vocab()}};
    out.update(to_json(machine->report()));
    loaded_.emplace(number_, Loaded{std::move(checkpoint), std::move(machine)});
    return out;
  }

  /// {"loaded"} -> null
  Result<Json> unload(const Json& params) {
    AMK_TRY(machine_of(params));
    loaded_.erase(params.at("loaded").get<uint64_t>());
    return Json(nullptr);
  }

  /// {"loaded", "token"} -> {"next_token", "position"}
  Result<Json> step(const Json& params) {
    AMK_ASSIGN_OR_RETURN(eval::Machine * machine, machine_of(params));
    AMK_TRY(machine->step(params.at("token").get<uint32_t>()));
    return Json{{"next_token", machine->next_token()}, {"position", machine->position()}};
  }

  /// {"loaded", "token", "count"} -> {"tokens", "position"}
  Result<Json> decode(const Json& params) {
    AMK_ASSIGN_OR_RETURN(eval::Machine * machine, machine_of(params));
    AMK_ASSIGN_OR_RETURN(const std::vector<uint32_t> tokens,
                         machine->decode(params.at("token").get<uint32_t>(), params.at("count").get<uint32_t>()));
    return Json{{"tokens", tokens}, {"position", machine->position()}};
  }

  /// {"loaded"} -> {"logits": base64 of float32[vocab]}
  Result<Json> logits(const Json& params) {
    AMK_ASSIGN_OR_RETURN(eval::Machine * machine, machine_of(params));
    AMK_ASSIGN_OR_RETURN(const std::vector<float> values, machine->logits());
    return Json{{"logits", eval::pack_values(values)}};
  }

  /// {"loaded", "buffer": id} -> {"values": base64 of float32[], as eval::Machine::values()}
  Result<Json> values(const Json& params) {
    AMK_ASSIGN_OR_RETURN(eval::Machine * machine, machine_of(params));
    AMK_ASSIGN_OR_RETURN(const std::vector<float> values,
                         machine->values(BufferId(params.at("buffer").get<uint32_t>())));
    return Json{{"values", eval::pack_values(values)}};
  }

  /// {"loaded"} -> null
  Result<Json> reset(const Json& params) {
    AMK_ASSIGN_OR_RETURN(eval::Machine * machine, machine_of(params));
    AMK_TRY(machine->reset());
    return Json(nullptr);
  }

  /// {"loaded", "seed", "position"} -> null
  Result<Json> set_history(const Json& params) {
    AMK_ASSIGN_OR_RETURN(eval::Machine * machine, machine_of(params));
    AMK_TRY(machine->set_history(params.at("seed").get<uint64_t>(), params.at("position").get<uint32_t>()));
    return Json(nullptr);
  }

  /// {"loaded", "positions", "repeats", "warmup"} -> {"microseconds": [positions][repeats]}
  Result<Json> time(const Json& params) {
    AMK_ASSIGN_OR_RETURN(eval::Machine * machine, machine_of(params));
    const eval::TimeRequest request{params.at("positions").get<std::vector<uint32_t>>(),
                                    params.at("repeats").get<uint32_t>(), params.at("warmup").get<uint32_t>()};
    const uint64_t launches = request.positions.size() * (uint64_t{request.repeats} + request.warmup);
    if (request.repeats == 0 || launches > kLaunchesMax) {
      return Error{ErrorCode::kUsage, fmt::format("expected 1 to {} launches, found {}", kLaunchesMax, launches), "",
                   ""};
    }
    AMK_ASSIGN_OR_RETURN(const eval::Times times, machine->time(request));
    return Json{{"microseconds", times}};
  }

  /// {"loaded", "against": another's number, "position", "blocks"} -> {"ours": [2 x blocks], "theirs": [2 x blocks]},
  /// microseconds
  Result<Json> time_pairs(const Json& params) {
    AMK_ASSIGN_OR_RETURN(eval::Machine * ours, machine_of(params));
    AMK_ASSIGN_OR_RETURN(eval::Machine * theirs, machine_of({{"loaded", params.at("against")}}));
    const eval::PairRequest request{params.at("position").get<uint32_t>(), params.at("blocks").get<uint32_t>()};
    if (request.blocks == 0 || request.blocks > kLaunchesMax / 8) {
      return Error{ErrorCode::kUsage,
                   fmt::format("expected 1 to {} blocks, found {}", kLaunchesMax / 8, request.blocks), "", ""};
    }
    AMK_ASSIGN_OR_RETURN(const eval::PairTimes times, ours->time_against(*theirs, request));
    return Json{{"ours", times.ours}, {"theirs", times.theirs}};
  }

  /// {"ordinal"} -> {"bytes_per_second"}
  Result<Json> bandwidth(const Json& params) {
    AMK_ASSIGN_OR_RETURN(const double found, backend_.bandwidth(params.at("ordinal").get<int>()));
    return Json{{"bytes_per_second", found}};
  }

  /// {"loaded"} -> {"tasks", "queue_begin", "passes", "records": base64 of TraceRecord[passes][tasks]}
  Result<Json> trace(const Json& params) {
    AMK_ASSIGN_OR_RETURN(eval::Machine * machine, machine_of(params));
    AMK_ASSIGN_OR_RETURN(const eval::Trace trace, machine->trace());
    const size_t passes = trace.tasks.empty() ? 0 : trace.records.size() / trace.tasks.size();
    return Json{{"tasks", trace.tasks},
                {"queue_begin", trace.queue_begin},
                {"passes", passes},
                {"records", eval::pack_values(trace.records)}};
  }

  /// {"program", "model", "ordinal": as load, "threads": 0 for all, and eval::to_json(BenchRequest)}
  ///  -> eval::to_json(BenchReport). Progress: eval::to_json(StageProgress). What was loaded before is gone.
  Result<Json> bench(const Json& params, Progress& progress) {
    const eval::BenchRequest request = eval::bench_request_from(params);
    return measure(params, progress, [&](const Subject& subject) -> Result<Json> {
      AMK_ASSIGN_OR_RETURN(const eval::BenchReport measured, backend_.bench(subject, request));
      return eval::to_json(measured);
    });
  }

  /// As bench, of eval::to_json(TraceRequest) -> eval::to_json(TraceRun).
  Result<Json> trace_runs(const Json& params, Progress& progress) {
    const eval::TraceRequest request = eval::trace_request_from(params);
    return measure(params, progress, [&](const Subject& subject) -> Result<Json> {
      AMK_ASSIGN_OR_RETURN(const eval::TraceRun run, backend_.trace(subject, request));
      return eval::to_json(run);
    });
  }

  using Request = Result<Json> (Session::*)(const Json& params);
  Result<Json> handle(Request request, const Json& params, Progress& progress) {
    Result<Json> out = (this->*request)(params);
    if (out) return out;
    for (const auto& [number, loaded] : loaded_) {
      if (loaded.machine->fault()) progress.set_fault(*loaded.machine->fault());
    }
    return out;
  }

 private:
  /// Calls `body` with the program and the model that the parameters name.
  template <typename Body>
  Result<Json> measure(const Json& params, Progress& progress, const Body& body) {
    loaded_.clear();
    AMK_ASSIGN_OR_RETURN(const validator::ValidatedProgram program, read_program(params.at("program")));
    AMK_ASSIGN_OR_RETURN(const model::Checkpoint checkpoint, open_model(params.at("model")));
    ThreadPool pool(params.at("threads").get<uint32_t>());
    const eval::OnStage on_stage = [&](const eval::StageProgress& at) { progress.report(eval::to_json(at)); };
    return body(Subject{program, checkpoint, pool, params.at("ordinal").get<int>(), on_stage});
  }

  Result<eval::Machine*> machine_of(const Json& params) {
    const auto wanted = params.at("loaded").get<uint64_t>();
    const auto found = loaded_.find(wanted);
    if (found != loaded_.end()) return found->second.machine.get();
    return Error{
        ErrorCode::kUsage,
        fmt::format("expected the program with number {}, found {}", wanted,
                    loaded_.empty() ? "none loaded" : fmt::format("that with number {}", loaded_.rbegin()->first)),
        "", "load it again"};
  }

  struct Loaded {
    std::unique_ptr<model::Checkpoint> checkpoint;  ///< outlives the machine
    std::unique_ptr<eval::Machine> machine;
  };

  Backend backend_;
  bool test_hooks_;
  ThreadPool pool_;
  std::map<uint64_t, Loaded> loaded_;  ///< by number
  uint64_t number_ = 0;
};

}  // namespace

ipc::Handlers program_handlers(Backend backend, bool test_hooks) {
  const auto session = std::make_shared<Session>(std::move(backend), test_hooks);
  const auto handler = [&](Session::Request request) -> ipc::Handler {
    return [session, request](const Json& params, Progress& progress) {
      return session->handle(request, params, progress);
    };
  };
  return {{"load", handler(&Session::load)},
          {"unload", handler(&Session::unload)},
          {"step", handler(&Session::step)},
          {"decode", handler(&Session::decode)},
          {"logits", handler(&Session::logits)},
          {"values", handler(&Session::values)},
          {"reset", handler(&Session::reset)},
          {"time", handler(&Session::time)},
          {"time_pairs", handler(&Session::time_pairs)},
          {"bandwidth", handler(&Session::bandwidth)},
          {"set_history", handler(&Session::set_history)},
          {"trace", handler(&Session::trace)},
          {"bench", [session](const Json& params, Progress& progress) { return session->bench(params, progress); }},
          {"trace_runs",
           [session](const Json& params, Progress& progress) { return session->trace_runs(params, progress); }}};
}

}  // namespace amk::worker
