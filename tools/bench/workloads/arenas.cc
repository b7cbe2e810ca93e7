// Requests that allocate and then drop all they had. Where the process's
// allocator has the arenas of myonly.h, they are used; with any other, each
// object is allocated by malloc and freed by free: the same work done the way
// one would do it there.
#include <dlfcn.h>

#include <vector>

#include "myonly/myonly.h"
#include "tools/bench/workloads/workload.h"

namespace myonly::bench {
namespace {

class Requests {
 public:
  Requests() {
    Find("myonly_arena_create", &create_);
    Find("myonly_arena_alloc", &alloc_);
    Find("myonly_arena_reset", &reset_);
    Find("myonly_arena_destroy", &destroy_);
    const bool all = create_ && alloc_ && reset_ && destroy_;
    if (!all || create_(nullptr, &arena_) != MYONLY_OK) arena_ = nullptr;
  }
  ~Requests() {
    if (arena_ != nullptr) destroy_(arena_, MYONLY_DESTROY_FREE);
  }
  Requests(const Requests&) = delete;
  Requests& operator=(const Requests&) = delete;

  void* Allocate(size_t size) {
    return CheckMemory(arena_ != nullptr ? alloc_(arena_, size)
                                         : std::malloc(size));
  }
  void End(std::vector<unsigned char*>* objects) {
    if (arena_ != nullptr) {
      reset_(arena_);
    } else {
      for (unsigned char* object : *objects) std::free(object);
    }
    objects->clear();
  }

 private:
  template <typename Function>
  static void Find(const char* name, Function* function) {
    *function = reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, name));
  }

  decltype(&myonly_arena_create) create_ = nullptr;
  decltype(&myonly_arena_alloc) alloc_ = nullptr;
  decltype(&myonly_arena_reset) reset_ = nullptr;
  decltype(&myonly_arena_destroy) destroy_ = nullptr;
  myonly_arena* arena_ = nullptr;
};

}  // namespace

void RequestReset(double scale, Outcome* outcome) {
  constexpr size_t kObjects = 500;
  Random random(50);
  Requests requests;
  std::vector<unsigned char*> objects;
  objects.reserve(kObjects);
  const size_t count = Scaled(25000, scale);
  for (size_t request = 0; request < count; ++request) {
    for (size_t i = 0; i < kObjects; ++i) {
      const size_t size = random.Doubling(16, 1024);
      auto* object = static_cast<unsigned char*>(requests.Allocate(size));
      object[0] = static_cast<unsigned char>(i);
      object[size - 1] = static_cast<unsigned char>(size);
      objects.push_back(object);
    }
    for (const unsigned char* object : objects) outcome->checksum += *object;
    requests.End(&objects);
  }
  outcome->operations = count * kObjects;
}

}  // namespace myonly::bench
