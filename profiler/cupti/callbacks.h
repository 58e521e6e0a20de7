// CUPTI's callbacks. It has one subscriber at a time, so ours is one for all who follow something.
#pragma once

#include <cupti.h>

#include <array>
#include <functional>
#include <span>
#include <string>

namespace tidemark {

class CudaLibrary;

class CuptiCallbacks {
 public:
  /// Called in the threads of the program, by several at once.
  using Handler = std::function<void(CUpti_CallbackId id, const void* data)>;

  /// Returns why not; empty: it is the subscriber. Nothing is followed yet.
  std::string start(const CudaLibrary& cupti);
  /// Once for each domain. Returns why not.
  std::string follow(CUpti_CallbackDomain domain, std::span<const CUpti_CallbackId> ids, Handler handler);
  void stop();

 private:
  static void CUPTIAPI called(void* self, CUpti_CallbackDomain domain, CUpti_CallbackId id, const void* data);

  CUpti_SubscriberHandle subscriber_ = nullptr;
  decltype(&cuptiEnableCallback) enable_ = nullptr;
  decltype(&cuptiUnsubscribe) unsubscribe_ = nullptr;
  std::string why_not_ = "recording has not started";
  std::array<Handler, CUPTI_CB_DOMAIN_SIZE> handlers_;
};

}  // namespace tidemark
