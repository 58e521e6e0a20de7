// Reads a JSON object strictly: every field is asked for, of its type and in its range, and no other is
// there. And the fields that every reader of a plan checks alike.
#pragma once

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "base/category.h"

namespace tidemark::plan_io {

inline constexpr const char* kReading = "cannot read the plan";
inline constexpr const char* kFormat = "tidemark plan";
inline constexpr int kVersion = 1;

class Fields {
 public:
  /// Throws Error unless `object` is one. `where` names the file and, below the top, the field.
  Fields(const nlohmann::json& object, std::string where);

  // All throw Error naming the field where it is missing, of another type or out of range.
  std::string text(const char* key) const;
  std::vector<std::string> texts(const char* key) const;
  bool boolean(const char* key) const;
  int64_t integer(const char* key, int64_t least, int64_t most) const;
  double number(const char* key) const;  ///< finite and not negative
  std::vector<double> numbers(const char* key) const;
  const nlohmann::json& array(const char* key) const;
  Fields object(const char* key) const;
  Fields element(const char* array_key, size_t index) const;
  /// The field must equal `value`.
  void expect(const char* key, const nlohmann::json& value, const std::string& why) const;

  /// Throws Error naming a field that nobody asked for.
  void finish() const;
  [[noreturn]] void fail(const std::string& field, const std::string& why,
                         const std::string& remedy = "make the plan again") const;

 private:
  const nlohmann::json& at(const char* key) const;
  double number_of(const nlohmann::json& value, const std::string& field) const;

  const nlohmann::json& json_;
  std::string where_;
  mutable std::set<std::string> known_;
};

/// Throws Error unless the object is a plan of the version that this program reads.
void expect_plan(const Fields& root);

/// `phases`: of each step's op.
std::vector<Phase> step_phases(const Fields& root, size_t steps);

/// `step_seconds`: one for each step. Throws Error unless they, and `copy_seconds`, come to
/// `predicted_seconds`, the steps of forward and backward counted once per micro-batch.
std::vector<double> step_seconds(const Fields& root, const std::vector<Phase>& phases, int micro_batches);

}  // namespace tidemark::plan_io
