// How threads are made, so that a test can be the system that has none left.
#pragma once

#include <functional>
#include <thread>
#include <utility>

namespace amk::mcp {

/// A thread that runs it; std::system_error where the system has none left.
using MakeThread = std::function<std::thread(std::function<void()> what)>;

[[nodiscard]] inline std::thread make_thread(std::function<void()> what) { return std::thread(std::move(what)); }

}  // namespace amk::mcp
