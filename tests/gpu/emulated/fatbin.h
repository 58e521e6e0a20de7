// The PTX that nvcc puts into a program beside machine code.
#pragma once

#include <string>

namespace tidemark::emulated {

/// Of what __cudaRegisterFatBinary is given. Throws Fault where there is none.
std::string ptx_of(const void* fatbin_wrapper);

}  // namespace tidemark::emulated
