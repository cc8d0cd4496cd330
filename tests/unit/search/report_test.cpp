#include "search/report.h"

#include <doctest/doctest.h>

#include "support/campaigns.h"
#include "support/golden_file.h"
#include "support/xml_check.h"

using namespace amk;
using namespace amk::search;
using test::MadeUpCampaign;

namespace {

/// Eleven trials of every kind, measured.
MadeUpCampaign a_night() {
  MadeUpCampaign out("night", 900, 700, eval::LatencyKind::kMeasuredGpu);
  out.tried(out.turned(8), 0.96, 0.005);
  out.tried(out.turned(4), 1.08, 0.01);
  schedule::ScheduleConfig wide = out.campaign.incumbent.config;
  wide.threads_per_block = 256;
  out.tried(wide, 1.004, 0.006);
  out.failed(out.turned(32), Outcome::kRefused, "launch.ring: expected a ring of at most 227 KiB, found 512 KiB");
  out.failed(out.turned(30), Outcome::kRefused, "launch.ring: expected a ring of at most 227 KiB, found 480 KiB");
  wide.copies_in_flight = 3;
  wide.threads_per_block = schedule::ScheduleConfig{}.threads_per_block;
  out.tried(wide, 0.97, 0.004);
  out.failed(wide, Outcome::kIncorrect,
             "its output is not the oracle's: error 0.5, tolerance 0.01, 3.0% of the tokens");
  out.failed(wide, Outcome::kBroken, "the worker <crashed> & said \"bye\"");
  wide.copies_in_flight = 2;
  out.tried(wide, 1.9, 0.02);
  return out;
}

eval::Timeline two_sms(double span) {
  eval::Timeline out;
  out.sms = 2;
  out.span_us = span;
  for (uint32_t sm = 0; sm < 2; ++sm) {
    eval::TaskTimes times;
    times.sm = sm;
    times.begin_us = sm;
    times.inputs_us = 2;
    times.staged_us = 3;
    times.done_us = span - 1 - sm;
    times.published_us = span - sm;
    out.tasks.push_back(times);
  }
  return out;
}

ReportSubject subject_of(const Campaign& campaign) {
  ReportSubject out;
  out.campaign = &campaign;
  out.start_bytes = 2'100'000'000;
  out.best_bytes = 2'100'000'000;
  for (const Trial& trial : campaign.trials)
    out.predicted_us.push_back(trial.measurement ? std::optional(800.0 + trial.number) : std::nullopt);
  out.before = TimelinePicture{two_sms(40), eval::LatencyKind::kMeasuredGpu, "000000000000", "traced on a GPU"};
  out.after = TimelinePicture{two_sms(30), eval::LatencyKind::kMeasuredGpu, "000000000006", "traced on a GPU"};
  out.bottleneck = "Where its time goes: waiting.";
  return out;
}

/// A subject of which nothing is known but its trials.
ReportSubject bare(const Campaign& campaign) {
  ReportSubject out;
  out.campaign = &campaign;
  out.unknown = "models/gone: expected a checkpoint, found nothing";
  out.timeline_missing = "There is no trace of either schedule. amk trace brings one.";
  return out;
}

size_t count_of(const std::string& text, const std::string& what) {
  size_t out = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++out;
  return out;
}

}  // namespace

TEST_CASE("the report of a small campaign is the golden one, as a page and as Markdown") {
  const MadeUpCampaign night = a_night();
  const std::vector<ReportSubject> subjects = {subject_of(night.campaign)};
  const Report report = campaigns_report(subjects);
  CHECK(test::is_golden("tests/golden/report/night.html", report_html(report)));
  CHECK(test::is_golden("tests/golden/report/night.md", report_markdown(report)));
}

TEST_CASE("a report has every trial with its reason, and says how well the prior and the cost model ranked") {
  MadeUpCampaign night = a_night();
  double expected = 800;
  for (Trial& trial : night.campaign.trials) {
    trial.proposal.prior_us = expected++;
    trial.facts = ProgramFacts{};
    trial.facts->predicted_us = 2000 - expected;
  }
  const std::vector<ReportSubject> subjects = {subject_of(night.campaign)};
  const std::string text = report_markdown(campaigns_report(subjects));
  CHECK(text.find("What the prior expected of each trial orders what came with a rank correlation of ") !=
        std::string::npos);
  for (const Trial& trial : night.campaign.trials)
    CHECK(text.find("| " + std::to_string(trial.number) + " | " + kOutcomeNames[static_cast<size_t>(trial.outcome)]) !=
          std::string::npos);
}

TEST_CASE("a page is well-formed, needs nothing else, and has no script") {
  const MadeUpCampaign night = a_night();
  MadeUpCampaign begun("begun & <new>");
  const std::vector<ReportSubject> subjects = {subject_of(night.campaign), bare(begun.campaign)};
  const std::string page = report_html(campaigns_report(subjects));
  CHECK(test::XmlCheck::problem(page) == "");
  for (const char* needs : {"<script", "<link", "src=", "href=", "url(", "@import", "onload"})
    CHECK(page.find(needs) == std::string::npos);
  CHECK(count_of(page, "http") == count_of(page, "xmlns=\"http://www.w3.org/2000/svg\""));
  CHECK(page.find("prefers-color-scheme:dark") != std::string::npos);
}

TEST_CASE("whatever a proposer or a worker said is text, in the page and in Markdown") {
  MadeUpCampaign night("x");
  night.tried(night.turned(8), 0.9);
  night.campaign.trials.back().proposal.note = "<script>alert('x')</script> | `a` \x01\xff & ]]>";
  night.failed(night.turned(9), Outcome::kBroken, "</table><b>|\n# heading");
  const std::vector<ReportSubject> subjects = {bare(night.campaign)};
  const std::string page = report_html(campaigns_report(subjects));
  CHECK(test::XmlCheck::problem(page) == "");
  CHECK(page.find("<script") == std::string::npos);
  CHECK(page.find("&lt;script&gt;") != std::string::npos);
  const std::string markdown = report_markdown(campaigns_report(subjects));
  CHECK(markdown.find("<script") == std::string::npos);
  CHECK(markdown.find("<b>") == std::string::npos);
  CHECK(markdown.find("\n# heading") == std::string::npos);
}

TEST_CASE("every latency says what it is, and predictions are never called measured") {
  const MadeUpCampaign night = a_night();
  MadeUpCampaign guess("guess");
  guess.tried(guess.turned(8), 0.9).idle(3);
  const std::vector<ReportSubject> one = {bare(guess.campaign)};
  const std::string predicted = report_markdown(campaigns_report(one));
  CHECK(predicted.find("predicted, not measured") != std::string::npos);
  CHECK(predicted.find("us (predicted)") != std::string::npos);
  CHECK(predicted.find("measured on GPU") == std::string::npos);
  CHECK(predicted.find("there is nothing measured to compare it with") != std::string::npos);
  const std::vector<ReportSubject> two = {subject_of(night.campaign)};
  const std::string measured = report_markdown(campaigns_report(two));
  CHECK(measured.find("us (measured on GPU)") != std::string::npos);
  CHECK(measured.find("predicted, not measured") == std::string::npos);
}

TEST_CASE("what is missing is said, with the command that brings it") {
  const MadeUpCampaign night = a_night();
  const std::vector<ReportSubject> subjects = {bare(night.campaign)};
  const std::string markdown = report_markdown(campaigns_report(subjects));
  CHECK(markdown.find("> There is no trace of either schedule. amk trace brings one.") != std::string::npos);
  CHECK(markdown.find("> Bytes are not known: models/gone") != std::string::npos);
  CHECK(markdown.find("> Predictions are not known: models/gone") != std::string::npos);
}

TEST_CASE("a plan's report has every campaign's state, and a part for each that has begun") {
  const MadeUpCampaign night = a_night();
  Plan plan;
  plan.name = "week";
  plan.campaigns.resize(2);
  plan.campaigns[0].campaign = "night";
  plan.campaigns[1].campaign = "later";
  const std::vector<const Campaign*> campaigns = {&night.campaign, nullptr};
  const std::vector<Standing> found = standings(plan, campaigns);
  const std::vector<ReportSubject> subjects = {subject_of(night.campaign)};
  const Report report = plan_report(plan, found, subjects);
  CHECK(report.parts.size() == 2);
  const std::string markdown = report_markdown(report);
  CHECK(markdown.find("| `later` |") != std::string::npos);
  CHECK(markdown.find("not begun") != std::string::npos);
  CHECK(markdown.find("Next: later, because it has not begun") != std::string::npos);
  CHECK(test::XmlCheck::problem(report_html(report)) == "");
}

TEST_CASE("the checker of pages sees what is not well-formed") {
  for (const char* wrong : {"<a>", "<a></b>", "<a b=c/>", "<a b=\"1\" b=\"2\"/>", "a & b", "<a b=\"<\"/>", "</a>"})
    CHECK_FALSE(test::XmlCheck::problem(wrong).empty());
  CHECK(test::XmlCheck::problem("<a b=\"1\"><c/>&amp;</a>") == "");
}
