// For the tests of programs: sections that must not allocate, and requests that
// fail on purpose. Each is an object: it begins where it is made and ends with
// its scope.
//
//   {
//     myonly::no_allocation section;       // asking for memory gives NULL
//     draw_frame();
//   }
//   {
//     myonly::fault_options options;
//     options.fail_nth = 3;
//     myonly::failing_requests section(options);  // this thread's
//     EXPECT_THROW(load(), std::bad_alloc);
//     EXPECT_EQ(section.end(), 1u);
//   }
//
// myonly/testing.h tells what counts as asking. Both belong to the thread that
// makes them, failing_requests of an arena excepted.
#ifndef MYONLY_CAPI_CPP_TESTING_H_
#define MYONLY_CAPI_CPP_TESTING_H_

#include <cstddef>
#include <cstdint>

#include "capi/cpp/arena_ref.h"
#include "myonly/testing.h"

namespace myonly {

class no_allocation {
 public:
  enum action : std::int32_t {
    refuse = MYONLY_NO_ALLOC_REFUSE,  // requests get NULL
    abort = MYONLY_NO_ALLOC_ABORT,    // one line on stderr, then abort
  };

  explicit no_allocation(action what = refuse) noexcept
      : status_(myonly_no_alloc_begin(what)) {}
  no_allocation(const no_allocation&) = delete;
  no_allocation& operator=(const no_allocation&) = delete;
  ~no_allocation() {
    if (status_ == MYONLY_OK) myonly_no_alloc_end();
  }

  // MYONLY_OK, or why this is no such section.
  [[nodiscard]] myonly_status status() const noexcept { return status_; }

 private:
  myonly_status status_;
};

// As myonly_fault_options, without what C needs.
struct fault_options {
  std::uint64_t seed = 0;
  std::uint64_t fail_nth = 0;   // from 1 on; 0: none by its number
  double probability = 0;       // 0 to 1
  std::size_t above_bytes = 0;  // only larger requests count
  std::uint64_t count = 0;      // of failures; 0: no bound
};

class failing_requests {
 public:
  // Of this thread, whatever arena they are to.
  explicit failing_requests(const fault_options& options) noexcept
      : arena_(nullptr), status_(begin(options)) {}
  // To the arena, of all threads; ended before the arena is.
  failing_requests(arena_ref arena, const fault_options& options) noexcept
      : arena_(arena.get()),
        status_(arena ? begin(options) : MYONLY_ERR_INVALID) {}
  failing_requests(const failing_requests&) = delete;
  failing_requests& operator=(const failing_requests&) = delete;
  ~failing_requests() { end(); }

  // MYONLY_OK, or why none fails.
  [[nodiscard]] myonly_status status() const noexcept { return status_; }

  // From now on none fails. Returns how many have.
  std::uint64_t end() noexcept {
    if (status_ == MYONLY_OK) myonly_fault_end(arena_, &failures_);
    status_ = MYONLY_ERR_INVALID;
    return failures_;
  }

 private:
  myonly_status begin(const fault_options& options) const noexcept {
    myonly_fault_options raw = MYONLY_FAULT_OPTIONS_INIT;
    raw.seed = options.seed;
    raw.fail_nth = options.fail_nth;
    raw.probability = options.probability;
    raw.above_bytes = options.above_bytes;
    raw.count = options.count;
    return myonly_fault_begin(arena_, &raw);
  }

  myonly_arena* arena_;
  std::uint64_t failures_ = 0;
  myonly_status status_;
};

}  // namespace myonly

#endif  // MYONLY_CAPI_CPP_TESTING_H_
