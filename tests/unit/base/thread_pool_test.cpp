#include "base/thread_pool.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

using namespace amk;

TEST_CASE("a job runs once on every worker, each time, and the caller is worker 0") {
  for (const size_t threads : {1U, 2U, 5U}) {
    ThreadPool pool(threads);
    REQUIRE(pool.size() == threads);
    std::vector<std::atomic<int>> calls(threads);
    std::thread::id worker_0;
    for (int round = 1; round <= 200; ++round) {
      pool.run_on_all([&](size_t worker) {
        ++calls.at(worker);
        if (worker == 0) worker_0 = std::this_thread::get_id();
      });
      for (const std::atomic<int>& count : calls) REQUIRE(count == round);
    }
    CHECK(worker_0 == std::this_thread::get_id());
  }
}

TEST_CASE("workers are different threads") {
  ThreadPool pool(4);
  std::mutex mutex;
  std::set<std::thread::id> ids;
  pool.run_on_all([&](size_t) {
    const std::lock_guard lock(mutex);
    ids.insert(std::this_thread::get_id());
  });
  CHECK(ids.size() == 4);
}

TEST_CASE("parallel_for covers every index once, in parts that are not empty, whatever the count") {
  ThreadPool pool(3);
  for (const size_t count : {0U, 1U, 2U, 3U, 4U, 7U, 1000U}) {
    std::vector<std::atomic<int>> seen(count);
    std::atomic<int> parts = 0;
    pool.parallel_for(count, [&](size_t begin, size_t end) {
      CHECK(begin < end);
      CHECK(end <= count);
      ++parts;
      for (size_t i = begin; i < end; ++i) ++seen[i];
    });
    CHECK(parts == static_cast<int>(std::min<size_t>(count, 3)));
    for (const std::atomic<int>& times : seen) REQUIRE(times == 1);
  }
}

TEST_CASE("what workers wrote is visible after the job, and pools without a job end") {
  for (int round = 0; round < 50; ++round) {
    ThreadPool pool(3);
    if (round % 2 == 0) continue;
    std::vector<size_t> sums(pool.size());  // plain memory: the join makes it visible
    pool.run_on_all([&](size_t worker) { sums[worker] = worker + 1; });
    CHECK(sums == std::vector<size_t>{1, 2, 3});
  }
}

TEST_CASE("a pool of no given size has a worker for every core, and there is a core") {
  CHECK(available_cores() >= 1);
  CHECK(ThreadPool().size() == available_cores());
}
