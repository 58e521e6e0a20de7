#include "graph/types.h"

#include "base/error.h"

namespace tidemark {

int64_t size_of(DType dtype) {
  switch (dtype) {
    case DType::f32:
    case DType::i32: return 4;
    case DType::bf16: return 2;
    case DType::u8: return 1;
  }
  throw InternalError("unknown dtype");
}

std::string_view name_of(DType dtype) {
  switch (dtype) {
    case DType::f32: return "f32";
    case DType::bf16: return "bf16";
    case DType::i32: return "i32";
    case DType::u8: return "u8";
  }
  throw InternalError("unknown dtype");
}

DType dtype_from(std::string_view name, std::string_view where) {
  if (name == "f32" || name == "float32") return DType::f32;
  if (name == "bf16" || name == "bfloat16") return DType::bf16;
  if (name == "i32") return DType::i32;
  if (name == "u8") return DType::u8;
  throw Error("cannot read", std::string(where), "unknown dtype '" + std::string(name) + "'",
              "use f32 or bf16");
}

Shape::Shape(std::initializer_list<int64_t> dims) {
  for (int64_t d : dims) append(d);
}

void Shape::append(int64_t dim) {
  if (rank_ == kMaxRank) throw InternalError("a shape has at most four dimensions");
  dims_[static_cast<size_t>(rank_++)] = dim;
}

int64_t Shape::elements() const {
  int64_t n = 1;
  for (int i = 0; i < rank_; ++i) n *= dims_[static_cast<size_t>(i)];
  return n;
}

std::string Shape::text() const {
  std::string s = "[";
  for (int i = 0; i < rank_; ++i) s += (i ? ", " : "") + std::to_string(dims_[static_cast<size_t>(i)]);
  return s + "]";
}

std::string TensorType::text() const {
  return std::string(name_of(dtype)) + shape.text();
}

}  // namespace tidemark
