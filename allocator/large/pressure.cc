#include "allocator/large/pressure.h"

#include "absl/base/thread_annotations.h"
#include "allocator/base/mutex.h"

namespace myonly::internal {

__attribute__((tls_model("initial-exec"))) __thread bool has_pressure_news;

namespace {

// A callback that crosses the line each time it is called would be called for
// ever; what is left after so many times is told with the next crossing.
constexpr int kMostEventsPerCall = 8;

// Of all arenas: crossings are rare.
ABSL_CONST_INIT Mutex mutex(LockRank::kPressure);
ABSL_CONST_INIT Pressure* first ABSL_GUARDED_BY(mutex) = nullptr;

}  // namespace

void Pressure::Open(Callback callback, void* ctx, uintptr_t arena) {
  MutexLock lock(mutex);
  callback_ = callback;
  ctx_ = ctx;
  arena_ = arena;
  is_above_ = told_above_ = has_hit_limit_ = false;
}

bool Pressure::Close() {
  MutexLock lock(mutex);
  if (teller_ != nullptr) return false;
  callback_ = nullptr;
  if (crosser_ != nullptr) Remove();
  return true;
}

void Pressure::Remove() ABSL_NO_THREAD_SAFETY_ANALYSIS {
  Pressure** at = &first;
  while (*at != this) at = &(*at)->next_;
  *at = next_;
  crosser_ = nullptr;
}

void Pressure::NoteAbove(bool is_above) {
  MutexLock lock(mutex);
  is_above_ = is_above;
  Announce();
}

void Pressure::NoteLimit() {
  MutexLock lock(mutex);
  has_hit_limit_ = true;
  Announce();
}

// Whoever crossed last tells; whoever is just telling looks again afterwards.
void Pressure::Announce() ABSL_NO_THREAD_SAFETY_ANALYSIS {
  if (callback_ == nullptr || teller_ != nullptr) return;
  if (crosser_ == nullptr) {
    next_ = first;
    first = this;
  }
  crosser_ = &has_pressure_news;
  has_pressure_news = true;
}

Pressure::Event Pressure::NextEvent() {
  if (has_hit_limit_) {
    has_hit_limit_ = false;
    return kLimit;
  }
  if (is_above_ == told_above_) return kNone;
  told_above_ = is_above_;
  return is_above_ ? kSoft : kRelieved;
}

// The next one that this thread is to tell of.
Pressure* Pressure::TakeFirst() ABSL_NO_THREAD_SAFETY_ANALYSIS {
  for (Pressure** at = &first; *at != nullptr; at = &(*at)->next_) {
    Pressure* found = *at;
    if (found->crosser_ != &has_pressure_news) continue;
    *at = found->next_;
    found->crosser_ = nullptr;
    return found;
  }
  has_pressure_news = false;
  return nullptr;
}

void Pressure::Tell() ABSL_NO_THREAD_SAFETY_ANALYSIS {
  mutex.Lock();
  while (Pressure* told = TakeFirst()) {
    told->teller_ = &has_pressure_news;
    for (int i = 0; i < kMostEventsPerCall; ++i) {
      const Event event = told->NextEvent();
      if (event == kNone) break;
      const Callback callback = told->callback_;
      void* ctx = told->ctx_;
      auto* arena = reinterpret_cast<myonly_arena*>(told->arena_);
      mutex.Unlock();
      callback(ctx, arena, event);
      mutex.Lock();
    }
    told->teller_ = nullptr;
  }
  mutex.Unlock();
}

Mutex& Pressure::mutex_for_fork() { return mutex; }

void Pressure::ForgetOthers() {
  if (crosser_ != nullptr && crosser_ != &has_pressure_news) Remove();
  if (teller_ != &has_pressure_news) teller_ = nullptr;
}

}  // namespace myonly::internal
