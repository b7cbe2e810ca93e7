"""Compiler flags of the project.

-Werror is not here: it belongs to the project's own .bazelrc, so that a
consumer with a newer compiler is never stopped by a new warning.
"""

_WARNINGS = [
    "-Wall",
    "-Wextra",
    "-Wconversion",
    "-Wmissing-declarations",
] + select({
    "//tools:clang": ["-Wthread-safety"],
    "//conditions:default": [],
})

# Compilers know malloc and drop or merge its calls. Who implements or tests
# malloc needs each call to stay.
_NO_BUILTIN_MALLOC = [
    "-fno-builtin-malloc",
    "-fno-builtin-calloc",
    "-fno-builtin-realloc",
    "-fno-builtin-free",
    "-fno-builtin-aligned_alloc",
    "-fno-builtin-memalign",
    "-fno-builtin-posix_memalign",
]

# allocator/ and capi/: C++ only, calls nothing of libstdc++.
MYONLY_CORE_COPTS = _WARNINGS + _NO_BUILTIN_MALLOC + [
    "-std=c++17",
    "-fno-exceptions",
    "-fno-rtti",
    "-fno-threadsafe-statics",
    # The fast paths are a few dozen instructions: a frame pointer and a stack
    # canary would be a tenth of them.
    "-fomit-frame-pointer",
    "-fno-stack-protector",
    "-fvisibility=hidden",
    "-fvisibility-inlines-hidden",
] + select({
    # It reads and writes what it has told the sanitizer to be nobody's.
    "//tools:tells_asan": ["-fno-sanitize=address"],
    "//conditions:default": [],
}) + select({
    "//tools:clang": [],
    # Padding before and inside functions, functions in several parts (each
    # with unwind tables of its own) and wide loops over a few words were 6 KB
    # of the library and no gain; what loops are prepared by, and what is
    # computed once for two places, more code than it spares. What is aligned
    # for its speed says so itself.
    "//conditions:default": [
        "-fno-align-functions",
        "-fno-align-jumps",
        "-fno-align-loops",
        "-fno-gcse",
        "-fno-inline-functions",
        "-fno-move-loop-invariants",
        "-fno-partial-inlining",
        "-fno-reorder-blocks-and-partition",
        "-fno-tree-ch",
        "-fno-tree-pre",
        "-fno-tree-tail-merge",
        "-fno-tree-vectorize",
    ],
})

# What no fast path calls: small code rather than fast code. Memory that a
# process maps counts as well.
MYONLY_COLD_COPTS = MYONLY_CORE_COPTS + select({
    "//tools:optimized": ["-Os"],
    "//conditions:default": [],
}) + select({
    "//tools:clang": [],
    # What is computed once for two places, or outside of a loop, needs a
    # register, which is to be saved.
    "//conditions:default": [
        "-fno-cse-follow-jumps",
        "-fno-expensive-optimizations",
        "-finline-limit=12",
        "-fno-guess-branch-probability",
        "-fno-if-conversion",
        "-fno-shrink-wrap",
        "-fno-tree-sink",
    ],
})

# tools/ and examples/: valid for C and C++.
MYONLY_COPTS = _WARNINGS

# tests/: valid for C and C++. Without -Wconversion, which is noise in
# arithmetic on expected values.
MYONLY_TEST_COPTS = _NO_BUILTIN_MALLOC + [
    "-Wall",
    "-Wextra",
] + select({
    # gcc declares operator delete with a size from C++14 on.
    "//tools:clang": ["-fsized-deallocation"],
    "//conditions:default": [],
})
