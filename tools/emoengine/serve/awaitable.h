#pragma once

// clang-format off
#include <utility>  // Boost 1.74's awaitable.hpp lacks it
// clang-format on
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

namespace emo::serve {

using Executor = boost::asio::any_io_executor;
template <typename T = void>
using Awaitable = boost::asio::awaitable<T>;

}  // namespace emo::serve
