// Stands in for CUPTI where doctor asks whether it records: FAKE_CUPTI_ERROR says why not.
#include <cstdint>
#include <cstdlib>
#include <string>

extern "C" {
int cuptiGetVersion(uint32_t* version) {
  *version = 7;
  return 0;
}
int cuptiActivityEnable(int) {
  const char* error = std::getenv("FAKE_CUPTI_ERROR");
  return error ? std::atoi(error) : 0;
}
int cuptiActivityDisable(int) {
  return 0;
}
int cuptiGetResultString(int error, const char** text) {
  static std::string last;
  last = "error " + std::to_string(error);
  *text = last.c_str();
  return 0;
}
}
