#include "executor/training/state.h"

#include "graph/stacked.h"

namespace tidemark {
namespace {

std::vector<TensorSlot> slots(const Runtime& runtime, Category category) {
  std::vector<TensorSlot> list;
  for (ValueId id : runtime.graph().sources(category))
    for (TensorSlot& slot : published_slots(runtime, id, runtime.graph().value(id).name))
      list.push_back(std::move(slot));
  return list;
}

}  // namespace

std::vector<TensorSlot> published_slots(const Runtime& runtime, ValueId id, const std::string& name) {
  auto* const data = static_cast<char*>(runtime.data(id));
  std::vector<TensorSlot> list;
  for (const PublishedTensor& tensor : published_tensors(name, runtime.graph().value(id).type))
    list.push_back({tensor.name, tensor.type, data + tensor.offset});
  return list;
}

BatchView input_view(const Runtime& runtime) {
  BatchView view;
  for (const TensorSlot& slot : slots(runtime, Category::input))
    if (slot.type.dtype == DType::i32)
      view[slot.name] = {static_cast<int32_t*>(slot.data), static_cast<size_t>(slot.type.shape.elements())};
  return view;
}

NumberView number_view(const Runtime& runtime) {
  const ValueId x = runtime.graph().require("x");
  BatchView inputs = input_view(runtime);
  return {{"x", runtime.graph().value(x).type, runtime.data(x)}, inputs["labels"], inputs["cu_seqlens"]};
}

std::vector<TensorSlot> parameter_slots(const Runtime& runtime) {
  return slots(runtime, Category::parameter);
}

std::vector<TensorSlot> optimizer_slots(const Runtime& runtime) {
  return slots(runtime, Category::optimizer_state);
}

void load_parameters(const Runtime& runtime, const TensorReader& weights, const std::string& prefix) {
  const Graph& graph = runtime.graph();
  for (ValueId id : graph.sources(Category::parameter)) {
    const std::string& name = graph.value(id).name;
    for (const ValueId target : {id, graph.find(name + ".master")})
      if (target != kNone)
        for (const TensorSlot& slot : published_slots(runtime, target, name))
          weights.read(prefix + slot.name, slot.type, slot.data);
  }
}

}  // namespace tidemark
