// Callables of C++ as callbacks of the C API. Part of the adaptors: nothing
// here is for their users.
//
// No exception passes through the library, which has no unwind tables for it:
// one that a walk's or a report's callable throws is kept and thrown again
// behind the call.
#ifndef MYONLY_CAPI_CPP_CALLBACKS_H_
#define MYONLY_CAPI_CPP_CALLBACKS_H_

#include <cstddef>
#include <cstdlib>
#include <exception>
#include <new>
#include <string_view>
#include <type_traits>
#include <utility>

#include "myonly/myonly.h"

namespace myonly::detail {

// What the adaptors do when the memory isn't there.
[[noreturn]] inline void throw_bad_alloc() {
#if defined(__cpp_exceptions)
  throw std::bad_alloc();
#else
  std::abort();
#endif
}

// The same for a number of objects whose bytes are more than a size_t holds.
[[noreturn]] inline void throw_bad_array_new_length() {
#if defined(__cpp_exceptions)
  throw std::bad_array_new_length();
#else
  std::abort();
#endif
}

// A callable and what it threw.
template <typename Function>
class guarded_call {
 public:
  explicit guarded_call(Function& function) noexcept : function_(function) {}

  // Whether to go on: false if the callable returned false or threw.
  template <typename... Args>
  bool operator()(Args&&... args) noexcept {
#if defined(__cpp_exceptions)
    if (thrown_) return false;
    try {
      return call(std::forward<Args>(args)...);
    } catch (...) {
      thrown_ = std::current_exception();
      return false;
    }
#else
    return call(std::forward<Args>(args)...);
#endif
  }

  void rethrow() {
#if defined(__cpp_exceptions)
    if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
#endif
  }

 private:
  template <typename... Args>
  bool call(Args&&... args) {
    using Result = decltype(function_(std::forward<Args>(args)...));
    // Not an int, which in C means the contrary: 0 goes on.
    static_assert(std::is_void_v<Result> || std::is_same_v<Result, bool>,
                  "return nothing, or a bool: false ends it");
    if constexpr (std::is_void_v<Result>) {
      function_(std::forward<Args>(args)...);
      return true;
    } else {
      return function_(std::forward<Args>(args)...);
    }
  }

  Function& function_;
#if defined(__cpp_exceptions)
  std::exception_ptr thrown_;
#endif
};

template <typename Visit>
myonly_status walk_blocks(myonly_arena* arena, Visit& visit,
                          std::size_t least_bytes) {
  myonly_walk_options options = MYONLY_WALK_OPTIONS_INIT;
  options.least_bytes = least_bytes;
  guarded_call<Visit> guarded(visit);
  const myonly_status status = myonly_arena_walk(
      arena, &options,
      [](void* ctx, const myonly_block_info* block) noexcept {
        return (*static_cast<guarded_call<Visit>*>(ctx))(*block) ? 0 : 1;
      },
      &guarded);
  guarded.rethrow();
  return status;
}

// Calls report(function, ctx), which writes its text by function(ctx, text,
// length), and hands that on to write(std::string_view).
template <typename Report, typename Write>
myonly_status write_report(Report report, Write& write) {
  guarded_call<Write> guarded(write);
  const myonly_status status = report(
      [](void* ctx, const char* text, std::size_t length) noexcept {
        (*static_cast<guarded_call<Write>*>(ctx))(
            std::string_view(text, length));
      },
      &guarded);
  guarded.rethrow();
  return status;
}

}  // namespace myonly::detail

#endif  // MYONLY_CAPI_CPP_CALLBACKS_H_
