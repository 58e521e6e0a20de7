// One error type for everything a user can do wrong or a machine can refuse.
#pragma once

#include <stdexcept>
#include <string>

namespace tidemark {

/// Exit statuses of the `tidemark` command.
enum class ExitCode : int {
  ok = 0,
  no = 1,       ///< an honest "no": the plan does not fit, the gradients do not match
  usage = 2,    ///< bad usage or bad input
  failure = 3,  ///< a failure while running (disk full, a lost rank)
};

/// Prints as one line, `WHAT: WHERE: WHY; TRY`: what was being done, the file, field or tensor it
/// failed at, why, and what the user can do about it. `remedy` may be empty.
class Error : public std::runtime_error {
 public:
  Error(const std::string& what, const std::string& where, const std::string& why,
        const std::string& remedy = {}, ExitCode code = ExitCode::usage)
      : std::runtime_error(what + ": " + where + ": " + why + (remedy.empty() ? "" : "; " + remedy)),
        code_(code) {}

  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

/// A broken promise of our own code, never of the user's input.
class InternalError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

}  // namespace tidemark
