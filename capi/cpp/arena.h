// An owning handle of an arena.
//
//   myonly::arena arena("requests", /*limit_bytes=*/1 << 20);
//   void* ptr = arena.allocate(100);
//   arena.reset();                     // drops every block at once
//
// What else an arena can do stands in arena_ref.h: every function there is one
// of this class too.
//
// The destructor destroys the arena and with it every block that still lives
// in it, so whatever was built there must be gone before, its children too: a
// parent of living arenas can't be destroyed, and stays for good, as does one
// that has the memory of another arena in a block, or whose pressure callback
// another thread is in.
//
// Thread-safe as the C functions are: any thread may allocate and free; reset,
// moving and destruction want the arena to themselves. Works with and without
// exceptions.
#ifndef MYONLY_CAPI_CPP_ARENA_H_
#define MYONLY_CAPI_CPP_ARENA_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include "capi/cpp/arena_ref.h"
#include "capi/cpp/callbacks.h"
#include "myonly/myonly.h"

namespace myonly {

// What myonly_arena_options has, without what C needs; 0 or null: none.
struct arena_options {
  const char* name = nullptr;  // copied, at most 31 bytes; null: "arena"
  std::size_t limit_bytes = 0;
  std::size_t soft_limit_bytes = 0;
  std::size_t reserve_bytes = 0;  // of the limit
  arena_ref parent = nullptr;     // is charged as well, and must live longer
  bool exact_bytes = false;       // limits count usable bytes, not pages
  bool poison_on_reset = false;   // touching a dropped block faults
  const myonly_page_source* pages = nullptr;  // copied; page_source_of
};

// What a pressure callback is told.
enum class pressure : std::int32_t {
  soft = MYONLY_PRESSURE_SOFT,          // the charge rose above the soft limit
  relieved = MYONLY_PRESSURE_RELIEVED,  // it fell below 7/8 of that again
  limit = MYONLY_PRESSURE_LIMIT,        // a request was refused by the limit
};

namespace detail {

// A pressure callback that an arena owns.
class pressure_listener {
 public:
  pressure_listener() = default;
  pressure_listener(const pressure_listener&) = delete;
  pressure_listener& operator=(const pressure_listener&) = delete;
  virtual ~pressure_listener() = default;
  // Nothing may be thrown into the library.
  virtual void tell(arena_ref arena, pressure event) noexcept = 0;

  static void call(void* ctx, myonly_arena* arena, std::int32_t event) {
    static_cast<pressure_listener*>(ctx)->tell(arena,
                                               static_cast<pressure>(event));
  }
};

template <typename Function>
class pressure_function final : public pressure_listener {
 public:
  explicit pressure_function(Function function)
      : function_(std::move(function)) {}
  void tell(arena_ref arena, pressure event) noexcept override {
    function_(arena, event);
  }

 private:
  Function function_;
};

template <typename Function>
std::unique_ptr<pressure_listener> listen(Function&& function) {
  return std::make_unique<pressure_function<std::decay_t<Function>>>(
      std::forward<Function>(function));
}

inline myonly_arena_options to_c(const arena_options& options,
                                 pressure_listener* listener) noexcept {
  myonly_arena_options result = MYONLY_ARENA_OPTIONS_INIT;
  result.name = options.name;
  result.limit_bytes = options.limit_bytes;
  result.soft_limit_bytes = options.soft_limit_bytes;
  result.reserve_bytes = options.reserve_bytes;
  result.parent = options.parent.get();
  result.pages = options.pages;
  if (options.exact_bytes) result.flags |= MYONLY_ARENA_EXACT_BYTES;
  if (options.poison_on_reset) result.flags |= MYONLY_ARENA_POISON_ON_RESET;
  if (listener != nullptr) {
    result.on_pressure = &pressure_listener::call;
    result.ctx = listener;
  }
  return result;
}

}  // namespace detail

class arena : public arena_functions {
 public:
  // A new arena. When that fails the object is false, and status() says why.
  arena() noexcept : arena(arena_options()) {}
  explicit arena(const char* name, std::size_t limit_bytes = 0) noexcept
      : arena(named(name, limit_bytes)) {}
  explicit arena(const arena_options& options) noexcept
      : arena(detail::to_c(options, nullptr)) {}
  explicit arena(const myonly_arena_options& options) noexcept
      : arena_functions(nullptr),
        status_(myonly_arena_create(&options, &handle_)) {}
  // on_pressure(arena_ref, pressure) is called as limits.h tells: by the thread
  // whose call crossed a line, without a lock. It must not throw (that ends the
  // program), nor destroy this arena. It lives as long as the arena.
  template <typename OnPressure>
  arena(const arena_options& options, OnPressure&& on_pressure)
      : arena_functions(nullptr),
        listener_(detail::listen(std::forward<OnPressure>(on_pressure))) {
    const myonly_arena_options raw = detail::to_c(options, listener_.get());
    status_ = myonly_arena_create(&raw, &handle_);
  }

  // An arena with everything in `buffer`, of 64 KiB or more, which the program
  // must leave alone until the arena is destroyed.
  [[nodiscard]] static arena over(void* buffer, std::size_t size_bytes,
                                  const arena_options& options = {}) noexcept {
    const myonly_arena_options raw = detail::to_c(options, nullptr);
    arena result(nowhere{});
    result.status_ =
        myonly_arena_create_in(buffer, size_bytes, &raw, &result.handle_);
    return result;
  }

  arena(arena&& other) noexcept
      : arena_functions(std::exchange(other.handle_, nullptr)),
        listener_(std::move(other.listener_)),
        status_(std::exchange(other.status_, MYONLY_ERR_INVALID)) {}
  arena& operator=(arena&& other) noexcept {
    if (this != &other) {
      abandon();
      handle_ = std::exchange(other.handle_, nullptr);
      listener_ = std::move(other.listener_);
      status_ = std::exchange(other.status_, MYONLY_ERR_INVALID);
    }
    return *this;
  }
  arena(const arena&) = delete;
  arena& operator=(const arena&) = delete;
  ~arena() { abandon(); }

  void swap(arena& other) noexcept {
    std::swap(handle_, other.handle_);
    std::swap(listener_, other.listener_);
    std::swap(status_, other.status_);
  }
  friend void swap(arena& left, arena& right) noexcept { left.swap(right); }

  // Takes an arena of the C API that the caller owns, such as release() gives,
  // without the callback that went with it. NULL: there is none.
  [[nodiscard]] static arena adopt(myonly_arena* handle) noexcept {
    arena result(nowhere{});
    result.handle_ = handle;
    if (handle != nullptr) result.status_ = MYONLY_OK;
    return result;
  }

  // Why there is no arena, MYONLY_OK if there is one.
  [[nodiscard]] myonly_status status() const noexcept { return status_; }

  // What the destructor does, with an answer: MYONLY_ERR_BUSY while it has
  // children, is another arena's memory or has its callback running, and with
  // MYONLY_DESTROY_REQUIRE_EMPTY while a block is live. On failure the arena is
  // still there.
  myonly_status destroy(std::uint64_t flags = MYONLY_DESTROY_FREE) noexcept {
    const myonly_status result = myonly_arena_destroy(handle_, flags);
    if (result == MYONLY_OK) {
      handle_ = nullptr;
      status_ = MYONLY_ERR_INVALID;
      listener_.reset();
    }
    return result;
  }

  // For the C functions. The caller becomes the owner; a pressure callback goes
  // with the arena, and is never deleted.
  [[nodiscard]] myonly_arena* release() noexcept {
    status_ = MYONLY_ERR_INVALID;
    static_cast<void>(listener_.release());
    return std::exchange(handle_, nullptr);
  }

  // The names of version 0.1's first days, for programs that use them.
  [[nodiscard]] void* Allocate(std::size_t size_bytes) noexcept {
    return allocate(size_bytes);
  }
  [[nodiscard]] void* AllocateAligned(std::size_t alignment,
                                      std::size_t size_bytes) noexcept {
    return allocate(size_bytes, alignment);
  }
  static void Free(void* ptr) noexcept { deallocate(ptr); }
  myonly_status Reset() noexcept { return reset(); }
  myonly_status Check() const noexcept { return check(); }
  arena_stats Stats() const noexcept { return stats(); }

 private:
  struct nowhere {};
  explicit arena(nowhere) noexcept : arena_functions(nullptr) {}

  static arena_options named(const char* name,
                             std::size_t limit_bytes) noexcept {
    arena_options options;
    options.name = name;
    options.limit_bytes = limit_bytes;
    return options;
  }

  // The callback of an arena that its children keep may still be called.
  void abandon() noexcept {
    if (handle_ != nullptr && destroy() == MYONLY_ERR_BUSY) {
      static_cast<void>(release());
    }
  }

  std::unique_ptr<detail::pressure_listener> listener_;
  myonly_status status_ = MYONLY_ERR_INVALID;
};

using Arena = arena;

// Pages for arenas from `source`, which has reserve(bytes, alignment) -> void*,
// purge(start, bytes) -> bool and release(start, bytes) -> bool, as memory.h
// tells; none may throw. It must outlive the arenas.
template <typename Source>
[[nodiscard]] myonly_page_source page_source_of(Source& source) noexcept {
  myonly_page_source pages = MYONLY_PAGE_SOURCE_INIT;
  pages.ctx = &source;
  pages.reserve = [](void* ctx, std::size_t bytes,
                     std::size_t alignment) noexcept -> void* {
    return static_cast<Source*>(ctx)->reserve(bytes, alignment);
  };
  pages.purge = [](void* ctx, void* start, std::size_t bytes) noexcept -> int {
    return static_cast<Source*>(ctx)->purge(start, bytes) ? 1 : 0;
  };
  pages.release = [](void* ctx, void* start,
                     std::size_t bytes) noexcept -> int {
    return static_cast<Source*>(ctx)->release(start, bytes) ? 1 : 0;
  };
  return pages;
}

}  // namespace myonly

#endif  // MYONLY_CAPI_CPP_ARENA_H_
