// The body of a request, in the request's own arena.
#ifndef MYONLY_EXAMPLES_TENANT_SERVER_BODY_H_
#define MYONLY_EXAMPLES_TENANT_SERVER_BODY_H_

#include <cstddef>
#include <string_view>

#include "examples/tenant_server/memory.h"

namespace myonly::tenant_server {

// Not thread-safe: one request is one thread's.
class Body {
 public:
  explicit Body(arena_ref arena) : arena_(arena) {}
  ~Body() { Clear(); }
  Body(const Body&) = delete;
  Body& operator=(const Body&) = delete;

  // Throw std::bad_alloc when a limit is in the way; then nothing changed.
  void Reserve(size_t capacity_bytes);
  void Append(const char* data, size_t size_bytes);

  void Clear();
  char* data() { return data_; }
  std::string_view text() const { return {data_, size_bytes_}; }

  // The block, as a block of the arena `to` of the same tree, and this body is
  // empty. Nobody copies it: a block that has pages of its own moves with its
  // charge. NULL if it has none, or is much larger than its contents: then
  // nothing changed.
  char* MoveTo(arena_ref to);

 private:
  arena_ref arena_;
  char* data_ = nullptr;
  size_t size_bytes_ = 0;
  size_t capacity_bytes_ = 0;
};

}  // namespace myonly::tenant_server

#endif  // MYONLY_EXAMPLES_TENANT_SERVER_BODY_H_
