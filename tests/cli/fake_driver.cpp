// Stands in for NVIDIA's libcuda.so.1: two devices, of which only the first reaches the other, which
// no kernels are made for.
#include <cstddef>
#include <cstring>

extern "C" {
int cuInit(unsigned) {
  return 0;
}
int cuDriverGetVersion(int* version) {
  *version = 12040;
  return 0;
}
int cuDeviceGetCount(int* count) {
  *count = 2;
  return 0;
}
int cuDeviceGet(int* device, int index) {
  *device = index;
  return 0;
}
int cuDeviceGetName(char* name, int size, int device) {
  std::strncpy(name, device == 0 ? "Device A" : "Device B", static_cast<size_t>(size));
  return 0;
}
int cuDeviceTotalMem_v2(size_t* bytes, int) {
  *bytes = size_t{80} << 30;
  return 0;
}
int cuDeviceGetAttribute(int* value, int attribute, int device) {
  const int capability = device == 0 ? 90 : 75;
  *value = attribute == 75 ? capability / 10 : capability % 10;
  return 0;
}
int cuDeviceCanAccessPeer(int* can, int from, int) {
  *can = from == 0;
  return 0;
}
}
