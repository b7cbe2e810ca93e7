// operator new and delete, in all their forms.
#include <malloc.h>
#include <stdlib.h>

#include <new>
#include <string>
#include <vector>

#include "tests/conformance/family_checks.h"

namespace {

constexpr auto kAlignment = static_cast<std::align_val_t>(64);

bool IsObject(void* object, size_t bytes, size_t alignment) {
  return IsAligned(object, alignment) && IsWhole(object, bytes) != 0;
}

template <typename Allocate>
bool Throws(Allocate allocate) {
  errno = kErrnoBefore;
  try {
    Hide(reinterpret_cast<size_t>(allocate()));
  } catch (const std::bad_alloc&) {
    return ErrnoNow() == ENOMEM;
  }
  return false;
}

void CheckForms(size_t size) {
  void* object = ::operator new(size);
  ASSERT_OF("new", IsObject(object, size, 16));
  ::operator delete(object);
  object = ::operator new(size);
  ::operator delete(object, size);
  object = ::operator new[](size);
  ASSERT_OF("new[]", IsObject(object, size, 16));
  ::operator delete[](object);
  object = ::operator new[](size);
  ::operator delete[](object, size);
  object = ::operator new(size, std::nothrow);
  ASSERT_OF("new nothrow", IsObject(object, size, 16));
  ::operator delete(object, std::nothrow);
  object = ::operator new[](size, std::nothrow);
  ASSERT_OF("new[] nothrow", IsObject(object, size, 16));
  ::operator delete[](object, std::nothrow);
}

void CheckAlignedForms(size_t size) {
  void* object = ::operator new(size, kAlignment);
  ASSERT_OF("aligned new", IsObject(object, size, 64));
  ::operator delete(object, kAlignment);
  object = ::operator new(size, kAlignment);
  ::operator delete(object, size, kAlignment);
  object = ::operator new[](size, kAlignment);
  ASSERT_OF("aligned new[]", IsObject(object, size, 64));
  ::operator delete[](object, kAlignment);
  object = ::operator new[](size, kAlignment);
  ::operator delete[](object, size, kAlignment);
  object = ::operator new(size, kAlignment, std::nothrow);
  ASSERT_OF("aligned new nothrow", IsObject(object, size, 64));
  ::operator delete(object, kAlignment, std::nothrow);
  object = ::operator new[](size, kAlignment, std::nothrow);
  ASSERT_OF("aligned new[] nothrow", IsObject(object, size, 64));
  ::operator delete[](object, kAlignment, std::nothrow);
}

void CheckTooBig() {
  const size_t most = Hide(SIZE_MAX);
  const size_t half = Hide(PTRDIFF_MAX);
  ASSERT(Throws([=] { return ::operator new(most); }));
  ASSERT(Throws([=] { return ::operator new(half); }));
  ASSERT(Throws([=] { return ::operator new[](most); }));
  ASSERT(Throws([=] { return ::operator new(most, kAlignment); }));
  ASSERT(Throws([=] { return ::operator new[](half, kAlignment); }));
  ASSERT(::operator new(most, std::nothrow) == nullptr);
  ASSERT(::operator new[](half, std::nothrow) == nullptr);
  ASSERT(::operator new(most, kAlignment, std::nothrow) == nullptr);
  ASSERT(::operator new[](half, kAlignment, std::nothrow) == nullptr);
}

int handler_calls = 0;

void Handler() {
  if (++handler_calls == 3) std::set_new_handler(nullptr);
}

}  // namespace

void CheckOperators() {
  for (const size_t size : {size_t{0}, size_t{1}, size_t{40}, size_t{1024},
                            size_t{3000}, size_t{70000}, size_t{9} << 20}) {
    CheckForms(size);
    CheckAlignedForms(size);
  }
  CheckTooBig();
  std::set_new_handler(Handler);
  ASSERT(::operator new(Hide(SIZE_MAX), std::nothrow) == nullptr);
  ASSERT(handler_calls == 3);
  ::operator delete(nullptr);
  ::operator delete[](nullptr);
  ::operator delete (nullptr, size_t{8});
  ::operator delete(nullptr, kAlignment);
  ::operator delete (nullptr, size_t{8}, kAlignment);
  std::vector<std::string> strings;
  for (int i = 0; i < 1000; ++i) {
    strings.push_back(std::string(static_cast<size_t>(i), 'x'));
  }
  size_t bytes = 0;
  for (const std::string& text : strings) bytes += text.size();
  ASSERT(bytes == 499500);
}
