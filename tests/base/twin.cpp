// Two versions of one library.
extern "C" __attribute__((visibility("default"))) int twin_version() {
  return VERSION;
}
