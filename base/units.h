// Bytes, counts and seconds as people write them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tidemark {

/// "300MiB", "1.5 GB", "4096", "12GiB" to bytes; a bare number is bytes. Decimal prefixes are powers of
/// 1000, binary ones of 1024. Throws Error on anything else, on a negative number and on overflow;
/// `where` names the flag or field.
int64_t parse_bytes(std::string_view text, std::string_view where);

/// 315621376 -> "301.0 MiB". Below 1 KiB: "512 B".
std::string format_bytes(int64_t bytes);

/// 6738415616 -> "6,738,415,616".
std::string format_count(int64_t n);

/// 0.0123 -> "12.3 ms".
std::string format_seconds(double seconds);

/// 0.123 -> "12.3 %".
std::string format_percent(double fraction);

}  // namespace tidemark
