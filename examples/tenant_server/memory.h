// Words for memory of an arena that the whole service uses.
#ifndef MYONLY_EXAMPLES_TENANT_SERVER_MEMORY_H_
#define MYONLY_EXAMPLES_TENANT_SERVER_MEMORY_H_

#include <string>

#include "capi/cpp/allocator.h"
#include "capi/cpp/arena.h"
#include "capi/cpp/arena_ref.h"

namespace myonly::tenant_server {

// A text whose letters are in an arena.
using Text =
    std::basic_string<char, std::char_traits<char>, arena_allocator<char>>;

}  // namespace myonly::tenant_server

#endif  // MYONLY_EXAMPLES_TENANT_SERVER_MEMORY_H_
