#include "base/bounded_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace emo {
namespace {

TEST(BoundedQueue, KeepsTheOrderAndTheBound) {
  BoundedQueue<int> queue(3);
  std::atomic<int> pushed = 0, taken = 0;
  std::thread producer([&] {
    for (int i = 0; i < 1000; ++i) queue.push(i), ++pushed;
    queue.close();
  });
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(queue.pop(), i);
    ++taken;
    EXPECT_LE(pushed - taken, 4);  // three waiting and one just taken, not yet counted
  }
  EXPECT_EQ(queue.pop(), std::nullopt);
  producer.join();
}

TEST(BoundedQueue, ClosingWakesAProducerThatWaits) {
  BoundedQueue<int> queue(1);
  EXPECT_TRUE(queue.push(1));
  std::thread closer([&] { queue.close(); });
  EXPECT_FALSE(queue.push(2));  // waits for room that never comes
  closer.join();
  EXPECT_EQ(queue.pop(), 1);  // what was there is still given out
  EXPECT_EQ(queue.pop(), std::nullopt);
}

}  // namespace
}  // namespace emo
