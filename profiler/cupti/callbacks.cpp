#include "profiler/cupti/callbacks.h"

#include <utility>

#include "base/cuda_library.h"

namespace tidemark {

std::string CuptiCallbacks::start(const CudaLibrary& cupti) {
  decltype(&cuptiSubscribe) subscribe = nullptr;
  if (!cupti.find(subscribe, "cuptiSubscribe") || !cupti.find(enable_, "cuptiEnableCallback") ||
      !cupti.find(unsubscribe_, "cuptiUnsubscribe"))
    return why_not_ = "libcupti.so has no callbacks";
  if (subscribe(&subscriber_, called, this) != CUPTI_SUCCESS) {
    subscriber_ = nullptr;
    return why_not_ = "another profiler has CUPTI's callbacks";
  }
  return why_not_ = {};
}

std::string CuptiCallbacks::follow(CUpti_CallbackDomain domain, std::span<const CUpti_CallbackId> ids,
                                   Handler handler) {
  if (!why_not_.empty()) return why_not_;
  handlers_[domain] = std::move(handler);
  for (const CUpti_CallbackId id : ids)
    if (enable_(1, subscriber_, domain, id) != CUPTI_SUCCESS) return "CUPTI does not tell of all of them";
  return {};
}

void CuptiCallbacks::stop() {
  if (subscriber_) unsubscribe_(subscriber_);
  subscriber_ = nullptr;
  why_not_ = "recording has ended";
}

void CUPTIAPI CuptiCallbacks::called(void* self, CUpti_CallbackDomain domain, CUpti_CallbackId id,
                                     const void* data) {
  const auto& handlers = static_cast<CuptiCallbacks*>(self)->handlers_;
  if (domain < handlers.size() && handlers[domain]) handlers[domain](id, data);
}

}  // namespace tidemark
