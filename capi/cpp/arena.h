// An owning handle of an arena.
//
//   myonly::Arena arena("requests");
//   void* ptr = arena.Allocate(100);
//   arena.Reset();                     // drops every block at once
//
// The destructor destroys the arena and with it every block that still lives
// in it, so whatever was built there must be gone before.
//
// Thread-safe as the C functions are: any thread may allocate and free; Reset,
// moving and destruction want the arena to themselves. Works with and without
// exceptions.
#ifndef MYONLY_CAPI_CPP_ARENA_H_
#define MYONLY_CAPI_CPP_ARENA_H_

#include <cstddef>
#include <cstdlib>
#include <new>
#include <utility>

#include "myonly/myonly.h"

namespace myonly {

// What the adaptors do when the memory isn't there.
[[noreturn]] inline void OutOfMemory() {
#if defined(__cpp_exceptions)
  throw std::bad_alloc();
#else
  std::abort();
#endif
}

class Arena {
 public:
  // A new arena. When that fails the object is false, and status() says why.
  explicit Arena(const char* name, std::size_t limit_bytes = 0) noexcept
      : Arena(MakeOptions(name, limit_bytes)) {}
  explicit Arena(const myonly_arena_options& options) noexcept
      : status_(myonly_arena_create(&options, &handle_)) {}

  Arena(Arena&& other) noexcept
      : handle_(std::exchange(other.handle_, nullptr)),
        status_(std::exchange(other.status_, MYONLY_ERR_INVALID)) {}
  Arena& operator=(Arena&& other) noexcept {
    if (this != &other) {
      Destroy();
      handle_ = std::exchange(other.handle_, nullptr);
      status_ = std::exchange(other.status_, MYONLY_ERR_INVALID);
    }
    return *this;
  }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena() { Destroy(); }

  // False after a failed creation and after being moved from. Then the
  // functions below fail, and harm nothing.
  explicit operator bool() const noexcept { return handle_ != nullptr; }
  myonly_status status() const noexcept { return status_; }

  // For the C functions. The Arena stays the owner.
  myonly_arena* get() const noexcept { return handle_; }
  // For the C functions. The caller becomes the owner.
  [[nodiscard]] myonly_arena* release() noexcept {
    status_ = MYONLY_ERR_INVALID;
    return std::exchange(handle_, nullptr);
  }

  // NULL when there is no memory, as in C.
  [[nodiscard]] void* Allocate(std::size_t size_bytes) noexcept {
    return myonly_arena_alloc(handle_, size_bytes);
  }
  [[nodiscard]] void* AllocateAligned(std::size_t alignment,
                                      std::size_t size_bytes) noexcept {
    return myonly_arena_aligned_alloc(handle_, alignment, size_bytes);
  }
  static void Free(void* ptr) noexcept { myonly_free(ptr); }

  myonly_status Reset() noexcept { return myonly_arena_reset(handle_); }
  myonly_status Check() const noexcept {
    return handle_ == nullptr ? MYONLY_ERR_INVALID
                              : myonly_arena_check(handle_);
  }
  // All zero for an arena that isn't there.
  myonly_arena_stats_t Stats() const noexcept {
    myonly_arena_stats_t stats = MYONLY_ARENA_STATS_INIT;
    // NULL would mean the process heap.
    if (handle_ != nullptr) myonly_arena_stats(handle_, &stats);
    return stats;
  }

 private:
  static myonly_arena_options MakeOptions(const char* name,
                                          std::size_t limit_bytes) noexcept {
    myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
    options.name = name;
    options.limit_bytes = limit_bytes;
    return options;
  }

  void Destroy() noexcept {
    if (handle_ != nullptr) myonly_arena_destroy(handle_, MYONLY_DESTROY_FREE);
  }

  // Before status_, whose initialiser fills it in.
  myonly_arena* handle_ = nullptr;
  myonly_status status_ = MYONLY_ERR_INVALID;
};

}  // namespace myonly

#endif  // MYONLY_CAPI_CPP_ARENA_H_
