// Keys and values of one tenant, all of it in the tenant's arena.
//
// An entry is kept until it is removed, or is a cache entry: of those the least
// recently used go when memory is short. Two lists in order of use hold the
// entries, an index finds them.
//
// Thread-safe. Values are made and freed without the lock; entries are not, so
// what the arena calls back from in the midst of Put must not come here again.
#ifndef MYONLY_EXAMPLES_TENANT_SERVER_STORE_H_
#define MYONLY_EXAMPLES_TENANT_SERVER_STORE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "examples/tenant_server/body.h"
#include "examples/tenant_server/memory.h"

namespace myonly::tenant_server {

enum class Kind { kKept, kCache };

// What one key holds. It lives until the last reader is done.
class Value {
 public:
  Value() = default;
  ~Value() { arena_ref::deallocate(data_); }
  Value(const Value&) = delete;
  Value& operator=(const Value&) = delete;

  // Takes a block over.
  void Own(char* data, size_t size_bytes) {
    data_ = data;
    size_bytes_ = size_bytes;
  }
  std::string_view text() const { return {data_, size_bytes_}; }

 private:
  char* data_ = nullptr;
  size_t size_bytes_ = 0;
};

using ValuePtr = std::shared_ptr<const Value>;

struct StoreCounts {
  size_t kept_entries = 0;
  size_t cache_entries = 0;
  uint64_t value_bytes = 0;
  uint64_t evicted_entries = 0;
  uint64_t evicted_bytes = 0;
};

class Store {
 public:
  explicit Store(arena_ref arena);
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // A value with the contents of `body`, whose block it takes if it can. Both
  // throw std::bad_alloc when a limit is in the way; then nothing changed.
  ValuePtr MakeValue(Body* body);
  // Adds `key`, or gives it another value: true if it is new.
  bool Put(std::string_view key, ValuePtr value, Kind kind);

  // NULL if there is no such key.
  ValuePtr Get(std::string_view key);

  bool Remove(std::string_view key);

  // Drops cache entries, the least recently used first, until `bytes` are gone
  // or no such entry is left. Returns how many bytes went.
  size_t Evict(size_t bytes);

  // Calls visit(key, size_bytes, kind) for up to `most` entries whose key
  // starts with `prefix`, the most recently used first.
  void Visit(std::string_view prefix, size_t most,
             const std::function<void(std::string_view, size_t, Kind)>& visit);

  StoreCounts Counts();

 private:
  struct Entry {
    Text key;
    ValuePtr value;
    Kind kind;

    size_t size_bytes() const { return key.size() + value->text().size(); }
  };
  using List = std::list<Entry, arena_allocator<Entry>>;
  using Index = std::unordered_map<
      std::string_view, List::iterator, std::hash<std::string_view>,
      std::equal_to<std::string_view>,
      arena_allocator<std::pair<const std::string_view, List::iterator>>>;

  List& ListOf(Kind kind) { return kind == Kind::kKept ? kept_ : cache_; }

  arena_allocator<char> allocator_;
  std::mutex mutex_;
  List kept_;    // the most recently used first
  List cache_;   // as well
  Index index_;  // its keys are those in the entries
  StoreCounts counts_;
};

}  // namespace myonly::tenant_server

#endif  // MYONLY_EXAMPLES_TENANT_SERVER_STORE_H_
