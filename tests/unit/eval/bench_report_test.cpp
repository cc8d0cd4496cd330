#include "eval/bench_report.h"

#include <doctest/doctest.h>

#include "eval/bench_report_json.h"
#include "support/golden_file.h"

using namespace amk::eval;

namespace {

ContenderTimes contender(const char* name, double floor_us, std::vector<double> samples) {
  ContenderTimes out;
  out.name = name;
  out.weights = "bf16";
  out.bytes = 1'000'000;
  out.floor_us = floor_us;
  out.samples_us = std::move(samples);
  return out;
}

BenchReport made_up() {
  BenchReport report;
  report.model = "a <model>";
  report.schedule_id = "0123456789ab";
  report.target = "h100";
  report.device = "NVIDIA H100 80GB HBM3";
  report.sms = 132;
  report.driver = "13.0";
  report.cublas = "13.1";
  report.weights = "bf16";
  report.kv_dtype = "f32";
  report.context = 2048;
  report.rounds = 3;
  report.seed = 1;
  report.agreement = {8, 1e-4, 1e-3, 0};
  report.rival_agreement = Agreement{8, 0.1, 0.5, 0};
  report.repeatable = true;
  report.bandwidth_bytes_per_second = 3.0e12;
  for (const uint32_t position : {0U, 2047U}) {
    PositionTimes& at = report.positions.emplace_back();
    at.position = position;
    at.contenders.push_back(contender(kMegakernel, 80, {100, 110, 105}));
    at.contenders.push_back(contender(kProjections, 80, {150, 165, 160}));
    at.contenders.push_back(contender(kGraphStep, 81, {200, 220, 210}));
  }
  report.notes = {"a note"};
  summarize_samples(report);
  return report;
}

}  // namespace

TEST_CASE("spreads and paired ratios follow from the samples; the megakernel has no ratio to itself") {
  const BenchReport report = made_up();
  CHECK(report.correct());
  const PositionTimes& at = report.positions[0];
  CHECK(at.contenders[0].latency_us.median == 105);
  CHECK(at.contenders[0].pct_of_floor() == doctest::Approx(80 / 1.05));
  CHECK_FALSE(at.contenders[0].ratio.has_value());
  REQUIRE(at.contenders[2].ratio.has_value());
  CHECK(at.contenders[2].ratio->value == 2);
  CHECK(at.contenders[2].ratio->low == 2);
}

TEST_CASE("a megakernel that is wrong, or not repeatable, is not correct") {
  BenchReport report = made_up();
  report.repeatable = false;
  CHECK_FALSE(report.correct());
  report.repeatable = true;
  report.agreement.max_abs_err = 1;
  CHECK_FALSE(report.correct());
}

TEST_CASE("the chart and the document are as they were") {
  const BenchReport report = made_up();
  CHECK(amk::test::is_golden("tests/golden/bench/report.svg", bench_svg(report)));
  CHECK(amk::test::is_golden("tests/golden/bench/report.json", bench_report_to_json(report, true)));
}

TEST_CASE("a report without times has a document and a chart all the same") {
  BenchReport report = made_up();
  report.positions.clear();
  report.bandwidth_bytes_per_second = 0;
  report.cublas.clear();
  report.agreement.max_abs_err = 1;
  const std::string json = bench_report_to_json(report, false);
  CHECK(json.find("\"correct\": false") != std::string::npos);
  CHECK(json.find("\"bandwidth_gbps\": null") != std::string::npos);
  CHECK(json.find("\"cublas\": null") != std::string::npos);
  CHECK(json.find("latency_us") == std::string::npos);
  CHECK(bench_svg(report).ends_with("</svg>\n"));
}
