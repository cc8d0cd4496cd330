// amk loop with workers that Slurm starts: a cluster of one node, made for this test, on this machine's loopback.
//
// Its daemons are children of this process, and end with it. Without Slurm's programs, or where its daemons do not
// start (they want to be root), the test is skipped by name.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "cli/child.h"
#include "ipc/child_process.h"
#include "ipc/run_command.h"
#include "support/environment.h"
#include "support/skipped.h"

using namespace amk;
using namespace amk::test;
using Json = nlohmann::ordered_json;

namespace {

constexpr const char* kName = "two workers that srun starts judge one campaign, and leave no job behind";

/// A port of the loopback that nobody has; 0 where there is none.
uint16_t free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const bool bound = ::bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                     ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  ::close(fd);
  return bound ? ntohs(address.sin_port) : 0;
}

std::string host_name() {
  char name[256] = {};
  static_cast<void>(::gethostname(name, sizeof name - 1));
  const std::string whole = name;
  return whole.substr(0, whole.find('.'));
}

std::string user_name() {
  const Result<std::string> found = ipc::run_command({"id", "-un"}, "", {});
  return found.ok() ? found->substr(0, found->find('\n')) : "root";
}

/// No authentication and no control groups: whoever could use that is on this machine already.
std::string configuration(const Scratch& scratch) {
  const std::string host = host_name();
  const std::string user = user_name();
  std::string out =
      "ClusterName=amk\nAuthType=auth/none\nCredType=cred/none\nProctrackType=proctrack/linuxproc\n"
      "TaskPlugin=task/none\nJobAcctGatherType=jobacct_gather/none\nMpiDefault=none\n"
      "AccountingStorageType=accounting_storage/none\nSelectType=select/cons_tres\n"
      "SelectTypeParameters=CR_CPU\nReturnToService=2\nSwitchType=switch/none\n"
      "SlurmdParameters=config_overrides\nCommunicationParameters=NoCtldInAddrAny,NoInAddrAny\n"
      "PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP\n";
  out += "SlurmctldHost=" + host + "(127.0.0.1)\nSlurmctldPort=" + std::to_string(free_port()) + "\n";
  out += "SlurmUser=" + user + "\nSlurmdUser=" + user + "\n";
  out += "StateSaveLocation=" + scratch / "state" + "\nSlurmdSpoolDir=" + scratch / "spool" + "\n";
  out += "SlurmctldPidFile=" + scratch / "slurmctld.pid" + "\nSlurmdPidFile=" + scratch / "slurmd.pid" + "\n";
  out += "SlurmctldLogFile=" + scratch / "slurmctld.log" + "\nSlurmdLogFile=" + scratch / "slurmd.log" + "\n";
  return out + "NodeName=here NodeHostname=" + host + " NodeAddr=127.0.0.1 Port=" + std::to_string(free_port()) +
         " CPUs=4\n";
}

/// The words of a short command's answer; empty where it fails.
std::string answer(const std::vector<std::string>& command) {
  const Result<std::string> found = ipc::run_command(command, "", {std::chrono::seconds(10)});
  return found.ok() ? *found : "";
}

/// "idle" within half a minute.
bool node_comes_up() {
  for (int i = 0; i < 60; ++i) {
    if (answer({"sinfo", "-h", "-o", "%T"}).starts_with("idle")) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
  }
  return false;
}

}  // namespace

TEST_CASE("two workers that srun starts judge one campaign, and leave no job behind") {
  for (const char* program : {"slurmctld", "slurmd", "srun", "sinfo", "squeue"}) {
    if (answer({"/bin/sh", "-c", std::string("command -v ") + program}).empty())
      return skip(kName, std::string(program) + " is not installed (tools/packages.txt, group slurm)");
  }
  const Scratch scratch;
  for (const char* folder : {"state", "spool"}) std::filesystem::create_directory(scratch / folder);
  const Environment conf("SLURM_CONF", scratch.write("slurm.conf", configuration(scratch)).c_str());
  static_cast<void>(scratch.write("cgroup.conf", "CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n"));
  const auto controller = ipc::ChildProcess::start({"slurmctld", "-D", "-i"});
  const auto node = ipc::ChildProcess::start({"slurmd", "-D", "-N", "here"});
  if (!controller.ok() || !node.ok() || !node_comes_up()) {
    return skip(kName, "Slurm's daemons did not start here: " + (node.ok() ? node->stderr_tail() : "") +
                           (controller.ok() ? controller->stderr_tail() : ""));
  }
  const Environment worker("AMK_WORKER", FAKE_WORKER_PROGRAM);
  const Environment way("AMK_FAKE", "modelled");
  const std::vector<std::string> loop = {"loop",      "toy", "--gpu",           "h100",
                                         "--trials",  "8",   "--workspace",     scratch / "work",
                                         "--workers", "2",   "--worker-launch", "srun --ntasks=1 --quiet"};
  const Json document = run_json(loop, 0);
  CHECK(document["latency_kind"] == "measured-gpu");
  CHECK(document["workers"] == 2);
  CHECK(document["trials"] == 8);
  for (const Json& trial : document["tried"]) CHECK(trial["outcome"] != "broken");
  // Two jobs at least ran; none runs any more, a moment after the program has ended.
  std::string jobs = answer({"squeue", "-h"});
  for (int i = 0; i < 40 && !jobs.empty(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(250));
    jobs = answer({"squeue", "-h"});
  }
  CHECK(jobs.empty());
  const std::string log = read_text(scratch / "slurmctld.log");
  CHECK(log.find("JobId=2") != std::string::npos);
}
