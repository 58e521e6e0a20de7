// Calls that map memory, and the allocations that they are.
#include "profiler/cupti/mapped_memory.h"

#include <gmock/gmock.h>

#include <map>
#include <random>
#include <set>

namespace tidemark {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// kind, address, bytes, time
using Told = std::tuple<int, uint64_t, int64_t, int64_t>;
constexpr uint64_t kAside = uint64_t{1} << 62;

class MappedMemoryTest : public ::testing::Test {
 protected:
  void create(uint64_t handle, int64_t bytes, int64_t time) {
    CudaEvent made;
    made.device = 3;
    made.name = 7;
    made.bytes = bytes;
    made.start_ns = time;
    memory_.create(handle, made);
  }
  std::vector<Told> told() {
    std::vector<Told> all;
    for (const CudaEvent& e : std::exchange(events_, {})) {
      EXPECT_EQ(e.device, 3u);
      EXPECT_EQ(e.name, 7u);
      all.emplace_back(e.kind, e.address, e.bytes, e.start_ns);
    }
    return all;
  }

  std::vector<CudaEvent> events_;
  MappedMemory memory_{[this](const CudaEvent& e) { events_.push_back(e); }};
};

TEST_F(MappedMemoryTest, LivesFromWhenItIsMadeToItsLastMappingOrHandle) {
  create(1, 100, 10);
  EXPECT_THAT(told(), IsEmpty());
  memory_.map(0x1000, 100, 1, 20);
  EXPECT_THAT(told(), ElementsAre(Told{CudaEvent::allocate, 0x1000, 100, 10}));
  memory_.release(1, 30);  // the mapping keeps it
  create(1, 50, 40);       // the handle comes again
  memory_.map(0x2000, 50, 1, 50);
  EXPECT_THAT(told(), ElementsAre(Told{CudaEvent::allocate, 0x2000, 50, 40}));
  memory_.unmap(0x1000, 100, 60);
  EXPECT_THAT(told(), ElementsAre(Told{CudaEvent::release, 0x1000, 100, 60}));
  memory_.unmap(0x2000, 50, 70);  // the handle keeps it
  EXPECT_THAT(told(), IsEmpty());
  memory_.release(1, 80);
  EXPECT_THAT(told(), ElementsAre(Told{CudaEvent::release, 0x2000, 50, 80}));
}

TEST_F(MappedMemoryTest, ManyMappingsAreOnePieceOfMemory) {
  create(1, 100, 10);
  memory_.map(0x1000, 100, 1, 20);
  memory_.map(0x5000, 100, 1, 30);
  memory_.retain(0x5050, 9);
  memory_.release(1, 40);
  memory_.unmap(0x1000, 100, 50);
  memory_.unmap(0x5000, 100, 60);
  EXPECT_THAT(told(), ElementsAre(Told{CudaEvent::allocate, 0x1000, 100, 10}));
  memory_.release(9, 70);
  EXPECT_THAT(told(), ElementsAre(Told{CudaEvent::release, 0x1000, 100, 70}));
}

/// A range that takes other memory than before; of the old a handle is left.
TEST_F(MappedMemoryTest, MovesWhereItsAddressIsTaken) {
  create(1, 100, 10);
  create(2, 100, 11);
  memory_.map(0x1000, 100, 1, 20);
  memory_.unmap(0x1000, 100, 30);
  told();
  memory_.map(0x1000, 100, 2, 40);
  EXPECT_THAT(told(), ElementsAre(Told{CudaEvent::release, 0x1000, 100, 40},
                                  Told{CudaEvent::allocate, kAside, 100, 40},
                                  Told{CudaEvent::allocate, 0x1000, 100, 11}));
  memory_.map(0x3000, 100, 1, 50);
  EXPECT_THAT(told(), ElementsAre(Told{CudaEvent::release, kAside, 100, 50},
                                  Told{CudaEvent::allocate, 0x3000, 100, 50}));
}

TEST_F(MappedMemoryTest, OthersAndFaultsAreNotSeen) {
  memory_.map(0x1000, 100, 5, 10);  // another process's, imported
  memory_.release(5, 20);
  memory_.unmap(0x1000, 100, 30);
  memory_.retain(0x1000, 6);
  create(1, 100, 40);
  memory_.release(1, 50);  // never mapped
  EXPECT_THAT(told(), IsEmpty());
}

/// Calls at random against counts that are kept apart: what was told adds up to what exists, wherever it
/// lies.
TEST_F(MappedMemoryTest, AddsUp) {
  std::mt19937 random(5);
  struct Piece {
    int64_t bytes = 0;
    int handles = 1;
    std::set<uint64_t> mapped;
    bool ever = false;
  };
  std::map<uint64_t, Piece> alive;  // by number
  std::map<uint64_t, uint64_t> handle_of, at;
  uint64_t made = 0;
  std::map<uint64_t, int64_t> open;
  for (int64_t time = 1; time < 20'000; ++time) {
    const auto any = [&](const auto& map) {
      return std::next(map.begin(), static_cast<std::ptrdiff_t>(random() % map.size()));
    };
    const auto drop = [&](uint64_t number) {
      if (alive[number].handles == 0 && alive[number].mapped.empty()) alive.erase(number);
    };
    const auto action = random() % 5;
    if (action == 0 || handle_of.empty()) {
      uint64_t handle = 1;
      while (handle_of.contains(handle)) ++handle;  // low ones come again
      handle_of[handle] = ++made;
      alive[made] = {.bytes = static_cast<int64_t>(1 + random() % 9), .mapped = {}};
      create(handle, alive[made].bytes, time);
    } else if (action == 1) {
      const uint64_t address = 16 * (1 + random() % 20);
      if (at.contains(address)) continue;
      const auto [handle, number] = *any(handle_of);
      memory_.map(address, 16, handle, time);
      at[address] = number;
      alive[number].mapped.insert(address);
      alive[number].ever = true;
    } else if (action == 2 && !at.empty()) {
      const auto [address, number] = *any(at);
      memory_.unmap(address, 16, time);
      at.erase(address);
      alive[number].mapped.erase(address);
      drop(number);
    } else {
      const auto [handle, number] = *any(handle_of);
      memory_.release(handle, time);
      handle_of.erase(handle);
      alive[number].handles = 0;
      drop(number);
    }
    for (const CudaEvent& e : std::exchange(events_, {})) {
      if (e.kind == CudaEvent::allocate)
        ASSERT_TRUE(open.emplace(e.address, e.bytes).second);
      else
        ASSERT_EQ(open.erase(e.address), 1u);
    }
    std::multiset<int64_t> told_of, exist;
    for (const auto& [address, bytes] : open) told_of.insert(bytes);
    for (const auto& [number, piece] : alive)
      if (piece.ever) exist.insert(piece.bytes);
    ASSERT_EQ(told_of, exist) << time;
  }
  EXPECT_GT(made, 1000u);
}

}  // namespace
}  // namespace tidemark
