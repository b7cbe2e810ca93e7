// Explanations for tests: asked for, parsed, and all sums in them checked.
#ifndef MYONLY_TESTS_CAPI_EXPLANATION_H_
#define MYONLY_TESTS_CAPI_EXPLANATION_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "allocator/threads/remote_free_batch.h"
#include "gtest/gtest.h"
#include "myonly/myonly.h"
#include "tests/support/json.h"

namespace myonly::testing {

inline constexpr size_t kKiB = 1024;
inline constexpr size_t kMiB = size_t{1} << 20;
inline constexpr size_t kSlice = 32 * kKiB;

// What one thread has freed of others and not posted.
inline constexpr size_t kMostParked =
    internal::RemoteFreeBatch::kPlaces *
    internal::RemoteFreeBatch::kMaxParkedBytes;

inline bool HasMarks() {
  return myonly_arena_walk(
             nullptr, nullptr,
             [](void*, const myonly_block_info*) { return 1; },
             nullptr) != MYONLY_ERR_UNSUPPORTED;
}

inline void Append(void* ctx, const char* text, size_t length) {
  EXPECT_GT(length, 0u);
  EXPECT_LE(length, 1024u);
  static_cast<std::string*>(ctx)->append(text, length);
}

inline std::string Text(myonly_arena* arena) {
  std::string text;
  EXPECT_EQ(myonly_arena_explain(arena, Append, &text), MYONLY_OK);
  return text;
}

inline uint64_t SumOf(const Json& parts) {
  uint64_t sum = 0;
  for (const auto& [name, part] : parts.members) sum += part.number;
  return sum;
}

// The explanation, after all sums in it have been checked.
inline Json Explain(myonly_arena* arena) {
  std::string text;
  EXPECT_EQ(myonly_arena_explain_json(arena, Append, &text), MYONLY_OK);
  const Json all = Json::Parse(text);
  const Json& parts = all["parts"];
  EXPECT_EQ(parts.members.size(), 13u) << text;
  const uint64_t held = SumOf(parts) - parts["children"].number;
  EXPECT_EQ(all["held_bytes"].number, held);
  EXPECT_EQ(all["charged_bytes"].number,
            parts["children"].number +
                (all["exact_bytes"].boolean ? parts["live"].number : held));
  uint64_t of_kinds = parts["unaccounted"].number;
  uint64_t live = 0;
  for (const auto& [name, kind] : all["kinds"].members) {
    of_kinds += kind["bytes"].number;
    live += kind["live_bytes"].number;
  }
  EXPECT_GE(of_kinds, held);
  EXPECT_EQ(live, parts["live"].number);
  if (all.Has("given_bytes")) {
    EXPECT_EQ(all["given_bytes"].number, held + all["metadata_bytes"].number +
                                             all["given_free_bytes"].number +
                                             all["given_unused_bytes"].number);
  }
  return all;
}

// The same, when no thread is in a call for the arena, and it has the same
// figures as statistics, which take in what is on its way.
inline Json ExplainQuiet(myonly_arena* arena) {
  // Free memory goes back after a while: on a busy machine between the two.
  myonly_arena_stats_t stats = MYONLY_ARENA_STATS_INIT;
  Json all;
  for (uint64_t before = 1, after = 0; before != after;) {
    EXPECT_EQ(myonly_arena_stats(arena, &stats), MYONLY_OK);
    before = stats.charged_bytes;
    all = Explain(arena);
    EXPECT_EQ(myonly_arena_stats(arena, &stats), MYONLY_OK);
    after = stats.charged_bytes;
  }
  EXPECT_EQ(all["parts"]["unaccounted"].number, 0u);
  EXPECT_EQ(all["charged_bytes"].number, stats.charged_bytes);
  EXPECT_EQ(all["held_bytes"].number, stats.reserved_bytes);
  // What a thread has freed and not posted is live in statistics.
  if (HasMarks()) {
    EXPECT_LE(all["parts"]["live"].number, stats.live_bytes);
    EXPECT_GE(all["parts"]["live"].number + kMostParked, stats.live_bytes);
  }
  return all;
}

// An arena of its own.
class Heap {
 public:
  explicit Heap(const myonly_arena_options& options, void* buffer = nullptr,
                size_t bytes = 0) {
    // In the place of an arena that was little used, no thread has a share from
    // its first request on.
    EXPECT_EQ(myonly_arena_create(nullptr, &arena_), MYONLY_OK);
    EXPECT_NE(myonly_arena_alloc(arena_, 1), nullptr);
    EXPECT_EQ(myonly_arena_destroy(arena_, MYONLY_DESTROY_FREE), MYONLY_OK);
    const myonly_status status =
        buffer == nullptr
            ? myonly_arena_create(&options, &arena_)
            : myonly_arena_create_in(buffer, bytes, &options, &arena_);
    EXPECT_EQ(status, MYONLY_OK);
  }
  ~Heap() {
    EXPECT_EQ(myonly_arena_destroy(arena_, MYONLY_DESTROY_FREE), MYONLY_OK);
  }
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;

  myonly_arena* arena() const { return arena_; }

 private:
  myonly_arena* arena_ = nullptr;
};

inline myonly_arena_options Options() { return MYONLY_ARENA_OPTIONS_INIT; }

// Fills an arena with blocks of one size until the thread has a share of it and
// the class has slabs.
inline std::vector<void*> Fill(myonly_arena* arena, size_t bytes,
                               size_t count) {
  std::vector<void*> blocks;
  for (size_t i = 0; i < count; ++i) {
    blocks.push_back(arena == nullptr ? myonly_alloc(bytes)
                                      : myonly_arena_alloc(arena, bytes));
    EXPECT_NE(blocks.back(), nullptr);
  }
  return blocks;
}

// What one part has more than another explanation's.
inline int64_t More(const Json& now, const Json& before, const char* part) {
  return static_cast<int64_t>(now["parts"][part].number) -
         static_cast<int64_t>(before["parts"][part].number);
}

}  // namespace myonly::testing

#endif  // MYONLY_TESTS_CAPI_EXPLANATION_H_
