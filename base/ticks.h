// Round numbers along an axis, in the units that people read.
#pragma once

#include <string>
#include <vector>

namespace tidemark {

struct Tick {
  double value = 0;
  std::string label;  ///< UTF-8
};

/// At most about `most` of them within [low, high]. Bytes in one binary unit for all.
std::vector<Tick> byte_ticks(double low, double high, int most);
/// Seconds in one of ns, µs, ms, s for all.
std::vector<Tick> second_ticks(double low, double high, int most);
std::vector<Tick> count_ticks(double low, double high, int most);

/// A time as text, finer than the ticks: "12.345 ms".
std::string fine_seconds(double seconds);

}  // namespace tidemark
