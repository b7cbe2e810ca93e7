// Collects what the library's reports write piece by piece.
#ifndef MYONLY_EXAMPLES_TENANT_SERVER_PIECEWISE_H_
#define MYONLY_EXAMPLES_TENANT_SERVER_PIECEWISE_H_

#include <cstddef>
#include <new>

#include "examples/tenant_server/memory.h"

namespace myonly::tenant_server {

class Piecewise {
 public:
  explicit Piecewise(Text* out) : out_(*out) {}

  // A myonly_write_fn, which must not throw. `self` is a Piecewise.
  static void Write(void* self, const char* text, size_t length) noexcept {
    auto& pieces = *static_cast<Piecewise*>(self);
    if (pieces.is_full_) return;
    try {
      pieces.out_.append(text, length);
    } catch (const std::bad_alloc&) {
      pieces.is_full_ = true;
    }
  }

  // Throws std::bad_alloc if a piece is missing.
  void Check(myonly_status status) const {
    if (is_full_ || status != MYONLY_OK) throw std::bad_alloc();
  }

 private:
  Text& out_;
  bool is_full_ = false;
};

}  // namespace myonly::tenant_server

#endif  // MYONLY_EXAMPLES_TENANT_SERVER_PIECEWISE_H_
