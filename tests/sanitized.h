// Under a sanitizer everything takes ten times as long, and what it looks for shows in fewer cases.
#pragma once

namespace tidemark {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace tidemark
