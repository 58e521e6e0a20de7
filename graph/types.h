// Element types and shapes of the values in a graph.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace tidemark {

enum class DType : uint8_t { f32, bf16, i32, u8 };  ///< u8: bytes whose meaning is not known here

int64_t size_of(DType dtype);  ///< bytes of one element
std::string_view name_of(DType dtype);
/// Accepts "f32"/"float32", "bf16"/"bfloat16", "i32", "u8"; throws Error otherwise.
DType dtype_from(std::string_view name, std::string_view where);

/// Up to four dimensions, outermost first. A scalar is {1}.
class Shape {
 public:
  static constexpr int kMaxRank = 4;

  Shape() = default;
  Shape(std::initializer_list<int64_t> dims);

  int rank() const { return rank_; }
  int64_t operator[](int axis) const { return dims_[static_cast<size_t>(axis)]; }
  int64_t elements() const;
  /// The last dimension, and the product of the others: a tensor seen as rows.
  int64_t columns() const { return rank_ == 0 ? 1 : dims_[static_cast<size_t>(rank_ - 1)]; }
  int64_t rows() const { return columns() == 0 ? 0 : elements() / columns(); }
  void append(int64_t dim);
  std::string text() const;  ///< "[1024, 256]"

  bool operator==(const Shape&) const = default;

 private:
  std::array<int64_t, kMaxRank> dims_{};
  int rank_ = 0;
};

struct TensorType {
  DType dtype = DType::f32;
  Shape shape;

  int64_t bytes() const { return shape.elements() * size_of(dtype); }
  std::string text() const;  ///< "f32[1024, 256]"
  bool operator==(const TensorType&) const = default;
};

}  // namespace tidemark
