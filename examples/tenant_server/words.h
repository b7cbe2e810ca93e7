// Counts words, with containers in the arena of the request.
#ifndef MYONLY_EXAMPLES_TENANT_SERVER_WORDS_H_
#define MYONLY_EXAMPLES_TENANT_SERVER_WORDS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "examples/tenant_server/memory.h"

namespace myonly::tenant_server {

// Words are runs of letters, digits and bytes above 127 (letters in UTF-8);
// ASCII letters count as small ones. Not thread-safe.
class WordCount {
 public:
  using Row = std::pair<std::string_view, uint64_t>;
  using Rows = std::vector<Row, arena_allocator<Row>>;

  explicit WordCount(arena_ref arena);

  // Counts the words of `text` in place of what was counted before. Makes its
  // letters small, and points into it. Throws std::bad_alloc when a limit is in
  // the way.
  void Count(char* text, size_t size_bytes);

  uint64_t words() const { return words_; }
  size_t different_words() const { return counts_.size(); }
  // The most frequent words; equal ones by the alphabet.
  Rows Top(size_t most) const;

 private:
  uint64_t words_ = 0;
  std::unordered_map<
      std::string_view, uint64_t, std::hash<std::string_view>,
      std::equal_to<std::string_view>,
      arena_allocator<std::pair<const std::string_view, uint64_t>>>
      counts_;
};

}  // namespace myonly::tenant_server

#endif  // MYONLY_EXAMPLES_TENANT_SERVER_WORDS_H_
