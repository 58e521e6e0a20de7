#include "tests/gpu/emulated/traffic.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <vector>

#include "tests/gpu/emulated/ptx.h"

namespace tidemark::emulated {
namespace {

constexpr uint64_t kSector = 32, kBank = 4, kBanks = 32;

}  // namespace

void Traffic::global(const uint64_t* addresses, int lanes, size_t each) {
  // No lane's bytes are in two sectors: they are aligned, and at most 16.
  std::array<uint64_t, kLanes> at;
  std::copy_n(addresses, lanes, at.begin());
  std::sort(at.begin(), at.begin() + lanes);
  const auto end = std::unique(at.begin(), at.begin() + lanes);
  bytes += static_cast<uint64_t>(end - at.begin()) * each;
  for (auto i = at.begin(); i != end; ++i) *i /= kSector;
  sectors += static_cast<uint64_t>(std::unique(at.begin(), end) - at.begin());
  ++requests;
}

// Of 4 bytes or fewer, all lanes at once; of 8 half of them, and of 16 a quarter. In a pass each bank gives
// one word.
void Traffic::shared(const uint64_t* addresses, int lanes, size_t each) {
  const int at_once = each <= 4 ? kLanes : kLanes * 4 / static_cast<int>(each);
  for (int begin = 0; begin < lanes; begin += at_once) {
    std::array<std::vector<uint64_t>, kBanks> words;
    for (int lane = begin; lane < std::min(lanes, begin + at_once); ++lane)
      for (size_t byte = 0; byte < std::max<size_t>(each, kBank); byte += kBank) {
        const uint64_t word = (addresses[lane] + byte) / kBank;
        auto& of_bank = words[word % kBanks];
        if (std::find(of_bank.begin(), of_bank.end(), word) == of_bank.end()) of_bank.push_back(word);
      }
    size_t most = 0;
    for (const auto& of_bank : words) most = std::max(most, of_bank.size());
    shared_passes += most;
    ++shared_requests;
  }
}

void print_traffic(const std::map<std::string, Traffic>& of_kernels) {
  std::vector<std::pair<std::string, Traffic>> all(of_kernels.begin(), of_kernels.end());
  std::sort(all.begin(), all.end(),
            [](const auto& a, const auto& b) { return a.second.sectors > b.second.sectors; });
  std::fprintf(stderr, "%9s %12s %12s %7s %12s %7s  kernel\n", "launches", "instructions", "sectors",
               "used %", "shared", "passes");
  for (const auto& [name, t] : all)
    std::fprintf(
        stderr, "%9llu %12llu %12llu %7.1f %12llu %7.2f  %s\n", static_cast<unsigned long long>(t.launches),
        static_cast<unsigned long long>(t.instructions), static_cast<unsigned long long>(t.sectors),
        t.sectors ? 100.0 * static_cast<double>(t.bytes) / static_cast<double>(t.sectors * kSector) : 0.0,
        static_cast<unsigned long long>(t.shared_requests),
        t.shared_requests ? static_cast<double>(t.shared_passes) / static_cast<double>(t.shared_requests)
                          : 0.0,
        name.c_str());
}

}  // namespace tidemark::emulated
