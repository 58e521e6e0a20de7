#include "base/cuda_library.h"

#include <dlfcn.h>

#include <cstdlib>

namespace tidemark {
namespace {

void add_toolkit(const std::string& root, std::vector<std::string>& folders) {
  for (const char* part : {"/lib64/", "/lib/", "/extras/CUPTI/lib64/"}) folders.push_back(root + part);
}

}  // namespace

CudaLibrary::CudaLibrary(const std::vector<std::string>& names) {
  std::vector<std::string> folders = {""};
  for (const char* variable : {"CUDA_HOME", "CUDA_PATH"})
    if (const char* root = std::getenv(variable)) add_toolkit(root, folders);
  add_toolkit("/usr/local/cuda", folders);
  // A program may have loaded one of another version, and two of them do not get along.
  for (const std::string& name : names)
    if (!handle_) handle_ = dlopen(name.c_str(), RTLD_LAZY | RTLD_LOCAL | RTLD_NOLOAD);
  for (const std::string& folder : folders)
    for (const std::string& name : names)
      if (!handle_) handle_ = dlopen((folder + name).c_str(), RTLD_LAZY | RTLD_LOCAL);
}

void* CudaLibrary::symbol(const char* name) const {
  return handle_ ? dlsym(handle_, name) : nullptr;
}

}  // namespace tidemark
