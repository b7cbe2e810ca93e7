// Which libraries take part.
#ifndef MYONLY_TOOLS_BENCH_ALLOCATORS_H_
#define MYONLY_TOOLS_BENCH_ALLOCATORS_H_

#include <string>

#include "tools/bench/options.h"

namespace myonly::bench {

// Turns what was given into a path that can be preloaded: Debian's peers by
// name are looked for in the usual folders and, when root, installed;
// `myonly_library` is what "myonly" stands for. Returns what is wrong, or "".
std::string ResolveAllocator(const std::string& myonly_library,
                             Allocator* allocator);

}  // namespace myonly::bench

#endif  // MYONLY_TOOLS_BENCH_ALLOCATORS_H_
