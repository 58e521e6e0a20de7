#include "executor/training/state.h"

namespace tidemark {
namespace {

std::vector<TensorSlot> slots(const Runtime& runtime, Category category) {
  std::vector<TensorSlot> list;
  for (ValueId id : runtime.graph().sources(category)) {
    const Value& value = runtime.graph().value(id);
    list.push_back({value.name, value.type, runtime.data(id)});
  }
  return list;
}

}  // namespace

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
  for (const TensorSlot& slot : parameter_slots(runtime)) {
    weights.read(prefix + slot.name, slot.type, slot.data);
    const ValueId master = graph.find(slot.name + ".master");
    if (master != kNone) weights.read(prefix + slot.name, graph.value(master).type, runtime.data(master));
  }
}

}  // namespace tidemark
