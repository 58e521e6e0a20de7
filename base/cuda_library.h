// Libraries of CUDA's, found at run time, so that programs start where there are none.
#pragma once

#include <string>
#include <type_traits>
#include <vector>

namespace tidemark {

/// CUPTI's, the newest first.
inline const std::vector<std::string> kCuptiNames = {"libcupti.so.13", "libcupti.so.12", "libcupti.so"};

/// A shared library that may not be there. It stays loaded: CUDA's do not like to be closed.
class CudaLibrary {
 public:
  /// The first of `names` that the program has loaded already, or else that is in the loader's path or in
  /// CUDA's usual folders.
  explicit CudaLibrary(const std::vector<std::string>& names);

  explicit operator bool() const { return handle_ != nullptr; }

  /// Points `function` to one of C's; to null, and false, where the library lacks it.
  template <typename Function>
  bool find(Function*& function, const char* name) const {
    static_assert(std::is_function_v<Function>);
    function = reinterpret_cast<Function*>(symbol(name));
    return function != nullptr;
  }

  /// Calls a function of C's; `absent` where the library lacks it.
  template <typename Result, typename... Args>
  Result call(const char* name, Result absent, Args... args) const {
    Result (*function)(Args...) = nullptr;
    return find(function, name) ? function(args...) : absent;
  }

 private:
  void* symbol(const char* name) const;
  void* handle_ = nullptr;
};

}  // namespace tidemark
