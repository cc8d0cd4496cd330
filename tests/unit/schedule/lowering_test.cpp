#include "schedule/lowering.h"

#include <doctest/doctest.h>

#include <chrono>
#include <cstdio>

#include "schedule/target.h"
#include "validator/validator.h"

using namespace amk;

TEST_CASE("scratch") {
  for (const char* name : {"toy", "synthetic:smollm2-135m", "synthetic:llama-3.2-1b", "synthetic:llama-3.1-8b"}) {
    auto checkpoint = model::Checkpoint::open(name);
    REQUIRE(checkpoint.ok());
    const schedule::ModelGraph graph = schedule::build_graph(*checkpoint);
    for (const bool fused : {true, false}) {
      schedule::LowerRequest request{&graph, *schedule::find_target("h100"), {}, schedule::default_context(graph.config)};
      if (!fused) request.config.fusion_grouping = {};
      auto t0 = std::chrono::steady_clock::now();
      auto program = schedule::lower(request, [&](std::string_view pass, const schedule::Program&) {
        auto t1 = std::chrono::steady_clock::now();
        std::printf("   %-16s %.1f ms\n", std::string(pass).c_str(), std::chrono::duration<double, std::milli>(t1 - t0).count());
        t0 = t1;
      });
      if (!program.ok()) std::printf("%s\n", program.error().text().c_str());
      REQUIRE(program.ok());
      validator::Validator v;
      for (int i = 0; i < 2; i++) {
        t0 = std::chrono::steady_clock::now();
        v.check(*program);
        std::printf("%s fused %d: tasks %zu counters %zu scratch %zu  validate %.1f ms: %s\n", name, fused, program->tasks.size(), program->counters.size(), program->scratch_bytes,
                    std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - t0).count(), validator::outcome_name(v.outcome()));
      }
      size_t waits = 0; for (auto& t : program->tasks) waits += t.waits.size();
      std::printf("   waits a task %.2f\n", double(waits) / double(program->tasks.size()));
      const auto& findings = v.check(*program);
      for (size_t i = 0; i < findings.size() && i < 5; ++i) std::printf("%s\n", describe(findings[i], *program).c_str());
      CHECK(v.outcome() == validator::Outcome::kAccepted);
    }
  }
}
