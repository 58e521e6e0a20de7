#include "executor/ops/operands.h"

#include <cstring>
#include <string>

#include "base/error.h"

namespace tidemark::ops {

void clear(const KernelArgs& args, int output) {
  parallel_ranges(args.pool, args.op.out(output).bytes(), 4 * kGrain, [&](int64_t begin, int64_t end) {
    std::memset(args.out<char>(output) + begin, 0, static_cast<size_t>(end - begin));
  });
}

void check_ids(const int32_t* ids, int64_t n, int64_t vocabulary, int32_t ignored, const char* name) {
  for (int64_t i = 0; i < n; ++i)
    if ((ids[i] < 0 || ids[i] >= vocabulary) && ids[i] != ignored)
      throw Error(
          "bad input", std::string(name) + "[" + std::to_string(i) + "]",
          "is " + std::to_string(ids[i]) + ", outside the vocabulary of " + std::to_string(vocabulary),
          "use token ids of this model's tokenizer");
}

}  // namespace tidemark::ops
