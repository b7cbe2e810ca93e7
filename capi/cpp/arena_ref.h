// What can be done with an arena, whoever owns it.
//
//   void Serve(myonly::arena_ref arena) {
//     void* ptr = arena.allocate(100);
//     arena.walk([](const myonly::block_info& block) { ... });
//   }
//
// An arena_ref is a handle that owns nothing: as cheap to copy as a pointer,
// and still safe when the arena is gone, whose functions then answer
// MYONLY_ERR_STALE. An `arena` (arena.h) converts to one and has all its
// functions. Like a pointer's, its const doesn't extend to the arena.
//
// The functions are those of the C API, whose headers tell the rules in full.
// Thread-safe as they are: any thread may allocate, free and ask; reset wants
// the arena to itself. With a handle of NULL they all fail, and harm nothing.
#ifndef MYONLY_CAPI_CPP_ARENA_REF_H_
#define MYONLY_CAPI_CPP_ARENA_REF_H_

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

#include "capi/cpp/callbacks.h"
#include "myonly/myonly.h"

namespace myonly {

using arena_stats = myonly_arena_stats_t;
using block_info = myonly_block_info;

// Every block has this alignment at least.
inline constexpr std::size_t default_alignment = 16;

// A block and how many bytes it really has; all of them may be used.
struct allocation {
  void* ptr;
  std::size_t size_bytes;
};

// How statistics are written.
enum class format : std::int32_t {
  text = MYONLY_FORMAT_TEXT,
  json = MYONLY_FORMAT_JSON,
  prometheus = MYONLY_FORMAT_PROMETHEUS,
};

// MYONLY_OK, or the first broken invariant and an address at it.
struct check_result {
  myonly_status status;
  const char* what;
  const void* where;
};

class arena_ref;

// The functions that arena and arena_ref have in common.
class arena_functions {
 public:
  // False if there is no arena: after a failed creation, in a moved-from one.
  explicit operator bool() const noexcept { return handle_ != nullptr; }
  // For the C functions.
  [[nodiscard]] myonly_arena* get() const noexcept { return handle_; }

  // --- Blocks ---

  // NULL when the memory isn't there, with the reason in myonly_last_status():
  // MYONLY_ERR_QUOTA is the arena's own limit or a parent's.
  [[nodiscard]] void* allocate(
      std::size_t size_bytes,
      std::size_t alignment = default_alignment) const noexcept {
    return alignment == default_alignment
               ? myonly_arena_alloc(handle_, size_bytes)
               : myonly_arena_aligned_alloc(handle_, alignment, size_bytes);
  }
  [[nodiscard]] void* allocate_zeroed(std::size_t size_bytes) const noexcept {
    return myonly_arena_calloc(handle_, 1, size_bytes);
  }
  [[nodiscard]] allocation allocate_at_least(
      std::size_t size_bytes,
      std::size_t alignment = default_alignment) const noexcept {
    allocation result = {nullptr, 0};
    result.ptr = myonly_arena_alloc_at_least(handle_, size_bytes, alignment,
                                             &result.size_bytes);
    if (result.ptr == nullptr) result.size_bytes = 0;
    return result;
  }
  // Up to `count` blocks into `out`; returns how many.
  [[nodiscard]] std::size_t allocate_batch(std::size_t size_bytes, void** out,
                                           std::size_t count) const noexcept {
    return myonly_arena_alloc_batch(handle_, size_bytes, out, count);
  }
  // In place or by moving; on failure NULL, and `ptr` stays as it was.
  [[nodiscard]] void* reallocate(void* ptr,
                                 std::size_t size_bytes) const noexcept {
    return myonly_arena_realloc(handle_, ptr, size_bytes);
  }
  // These know the arena by the block: it need not be this one.
  static void deallocate(void* ptr) noexcept { myonly_free(ptr); }
  static void deallocate(void* ptr, std::size_t size_bytes,
                         std::size_t alignment = default_alignment) noexcept {
    myonly_free_sized(ptr, size_bytes, alignment);
  }
  static void deallocate_batch(void** ptrs, std::size_t count) noexcept {
    myonly_free_batch(ptrs, count);
  }
  // In place or not at all; `*actual` is the usable size afterwards.
  [[nodiscard]] static bool try_resize(void* ptr, std::size_t size_bytes,
                                       std::size_t* actual = nullptr) noexcept {
    return myonly_try_resize(ptr, size_bytes, actual) != 0;
  }
  [[nodiscard]] static std::size_t usable_size(const void* ptr) noexcept {
    return myonly_usable_size(ptr);
  }

  // An object in the arena; std::bad_alloc when the memory isn't there. Its
  // destructor runs in delete_object and at no other time.
  template <typename T, typename... Args>
  [[nodiscard]] T* new_object(Args&&... args) const {
    void* place =
        allocate(sizeof(T), alignof(T) > default_alignment ? alignof(T)
                                                           : default_alignment);
    if (place == nullptr) detail::throw_bad_alloc();
#if defined(__cpp_exceptions)
    try {
      return ::new (place) T(std::forward<Args>(args)...);
    } catch (...) {
      deallocate(place);
      throw;
    }
#else
    return ::new (place) T(std::forward<Args>(args)...);
#endif
  }
  // As what it was made: not by a pointer to a base, whose size is another one.
  template <typename T>
  static void delete_object(T* object) noexcept {
    if (object == nullptr) return;
    object->~T();
    deallocate(const_cast<std::remove_cv_t<T>*>(object), sizeof(T), alignof(T));
  }

  // --- The arena ---

  // Drops every block at once; the handle stays valid.
  myonly_status reset() const noexcept { return myonly_arena_reset(handle_); }

  myonly_status set_limit(std::size_t limit_bytes) const noexcept {
    return myonly_arena_set_limit(handle_, limit_bytes);
  }
  myonly_status set_soft_limit(std::size_t soft_limit_bytes) const noexcept {
    return myonly_arena_set_soft_limit(handle_, soft_limit_bytes);
  }
  // What counts against the limit, its children's included; 0 for an arena that
  // isn't there. Async-signal-safe.
  [[nodiscard]] std::size_t charged() const noexcept {
    std::size_t charged_bytes = 0;
    myonly_arena_charged(handle_, &charged_bytes);
    return charged_bytes;
  }
  // Gives free memory back to the system until `keep_bytes` of it are left.
  myonly_status purge(std::size_t keep_bytes = 0) const noexcept {
    return myonly_arena_purge(handle_, keep_bytes);
  }
  // Moves a block of another arena of this tree, and its charge, to this one.
  myonly_status transfer_here(void* ptr) const noexcept {
    return myonly_arena_transfer(ptr, handle_);
  }

  // --- Questions ---

  // All zero for an arena that isn't there.
  [[nodiscard]] arena_stats stats() const noexcept {
    arena_stats stats = MYONLY_ARENA_STATS_INIT;
    // NULL would mean the process heap.
    if (handle_ != nullptr) myonly_arena_stats(handle_, &stats);
    return stats;
  }
  // The same without a lock, perhaps a little old. Async-signal-safe.
  [[nodiscard]] arena_stats peek() const noexcept {
    arena_stats stats = MYONLY_ARENA_STATS_INIT;
    if (handle_ != nullptr) myonly_arena_peek(handle_, &stats);
    return stats;
  }
  // Every invariant; if one is broken, one line on stderr says which.
  myonly_status check() const noexcept {
    return handle_ == nullptr ? MYONLY_ERR_INVALID
                              : myonly_arena_check(handle_);
  }
  // The same, with the answer in the result and nothing on stderr.
  [[nodiscard]] check_result find_damage() const noexcept {
    check_result result = {MYONLY_ERR_INVALID, nullptr, nullptr};
    if (handle_ == nullptr) return result;
    result.status = myonly_arena_check_at(handle_, &result.what, &result.where);
    return result;
  }
  // Calls visit(const block_info&) for each live block of `least_bytes` or
  // more, while other threads go on. A visit that returns false ends the walk;
  // one that throws ends it too, and the exception comes out here.
  template <typename Visit>
  myonly_status walk(Visit&& visit, std::size_t least_bytes = 0) const {
    if (handle_ == nullptr) return MYONLY_ERR_INVALID;
    return detail::walk_blocks(handle_, visit, least_bytes);
  }

  // --- Reports, in pieces by write(std::string_view) ---

  // Where every byte is that the arena is charged, and which blocks pin pages.
  template <typename Write>
  myonly_status explain(Write&& write) const {
    return report(myonly_arena_explain, write);
  }
  template <typename Write>
  myonly_status explain_json(Write&& write) const {
    return report(myonly_arena_explain_json, write);
  }
  template <typename Write>
  myonly_status write_stats(format how, Write&& write) const {
    return report(
        [how](myonly_arena* arena, myonly_write_fn function, void* ctx) {
          return myonly_arena_stats_write(arena, static_cast<std::int32_t>(how),
                                          function, ctx);
        },
        write);
  }

  // Whether `ptr`, which may be any address, lies in pages of this arena.
  // Async-signal-safe.
  [[nodiscard]] bool owns(const void* ptr) const noexcept {
    myonly_arena* owner = nullptr;
    return handle_ != nullptr && myonly_arena_of(ptr, &owner) == MYONLY_OK &&
           owner == handle_;
  }

  // Two are equal if they name the same arena.
  friend bool operator==(const arena_functions& left,
                         const arena_functions& right) noexcept {
    return left.handle_ == right.handle_;
  }
  friend bool operator!=(const arena_functions& left,
                         const arena_functions& right) noexcept {
    return left.handle_ != right.handle_;
  }

 protected:
  constexpr explicit arena_functions(myonly_arena* handle) noexcept
      : handle_(handle) {}
  arena_functions(const arena_functions&) = default;
  arena_functions& operator=(const arena_functions&) = default;
  ~arena_functions() = default;

  myonly_arena* handle_;

 private:
  template <typename Report, typename Write>
  myonly_status report(Report report, Write& write) const {
    if (handle_ == nullptr) return MYONLY_ERR_INVALID;
    return detail::write_report(
        [this, report](myonly_write_fn function, void* ctx) {
          return report(handle_, function, ctx);
        },
        write);
  }
};

class arena_ref : public arena_functions {
 public:
  // Conversions, as they lose nothing.
  constexpr arena_ref(myonly_arena* handle = nullptr) noexcept  // NOLINT
      : arena_functions(handle) {}
  arena_ref(const arena_functions& other) noexcept  // NOLINT
      : arena_functions(other) {}

  // The arena that has the address `ptr`, which may be any; none if it is the
  // process heap's or nobody's. Async-signal-safe.
  [[nodiscard]] static arena_ref of(const void* ptr) noexcept {
    myonly_arena* owner = nullptr;
    return myonly_arena_of(ptr, &owner) == MYONLY_OK ? owner : nullptr;
  }
};

// The block that has the address `ptr`, at its start or inside, live or free;
// `ptr` may be any address. Async-signal-safe.
[[nodiscard]] inline std::optional<block_info> block_of(
    const void* ptr) noexcept {
  block_info block = MYONLY_BLOCK_INFO_INIT;
  if (myonly_block_of(ptr, &block) != MYONLY_OK) return std::nullopt;
  return block;
}

// The same questions about the process heap: what malloc and myonly_alloc hand
// out, in all threads.
struct process_heap {
  [[nodiscard]] static arena_stats stats() noexcept {
    arena_stats stats = MYONLY_ARENA_STATS_INIT;
    myonly_arena_stats(nullptr, &stats);
    return stats;
  }
  static myonly_status check() noexcept { return myonly_arena_check(nullptr); }
  template <typename Visit>
  static myonly_status walk(Visit&& visit, std::size_t least_bytes = 0) {
    return detail::walk_blocks(nullptr, visit, least_bytes);
  }
  template <typename Write>
  static myonly_status explain(Write&& write) {
    return detail::write_report(
        [](myonly_write_fn function, void* ctx) {
          return myonly_arena_explain(nullptr, function, ctx);
        },
        write);
  }
  // Free memory of all arenas; returns the bytes given back.
  static std::size_t purge(std::size_t keep_bytes = 0) noexcept {
    return myonly_purge(keep_bytes);
  }
  // This thread is going to wait: others may have what it keeps free.
  static void note_idle() noexcept { myonly_thread_idle(); }
};

// Statistics of the process, the process heap and every arena, by
// write(std::string_view).
template <typename Write>
myonly_status write_all_stats(format how, Write&& write) {
  return detail::write_report(
      [how](myonly_write_fn function, void* ctx) {
        return myonly_stats_write(static_cast<std::int32_t>(how), function,
                                  ctx);
      },
      write);
}

// Calls visit(arena_ref) for every arena but the process heap. A visit that
// returns false ends it; so does one that throws, and the exception comes out.
// Another thread may destroy an arena while it is visited.
template <typename Visit>
myonly_status for_each_arena(Visit&& visit) {
  using guarded_visit = detail::guarded_call<std::remove_reference_t<Visit>>;
  guarded_visit guarded(visit);
  const myonly_status status = myonly_arena_for_each(
      [](void* ctx, myonly_arena* arena) noexcept {
        return (*static_cast<guarded_visit*>(ctx))(arena_ref(arena)) ? 0 : 1;
      },
      &guarded);
  guarded.rethrow();
  return status;
}

}  // namespace myonly

#endif  // MYONLY_CAPI_CPP_ARENA_REF_H_
