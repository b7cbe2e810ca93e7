"""Libraries of allocator/ and capi/, for each preset that is built beside the
one of the command line (--define=myonly_preset).

core_library(name = "x") makes `x` and `x_secure`. The second one depends on the
`_secure` form of each dependency in this repository, in the end on
//allocator/base:preset_secure, whose defines choose what the sources do. A few
have an `x_debug` too. A program must not link two of them.
"""

load("@rules_cc//cc:cc_binary.bzl", "cc_binary")
load("@rules_cc//cc:cc_library.bzl", "cc_library")

_SECURE = "_secure"
_DEBUG = "_debug"

# What has a third form for the preset debug: what sees runtime/heap.h. The rest
# of that preset is secure.
_IN_DEBUG = [
    "//allocator/runtime:heap",
    "//allocator/runtime:start",
    "//capi:capi",
    "//capi:checked",
    "//capi:new_delete",
    "//capi:override",
    "//capi:process_calls",
    "//capi:quick",
]

def _full(label):
    if label.startswith(":"):
        return "//" + native.package_name() + label
    if ":" in label:
        return label
    return label + ":" + label.split("/")[-1]

def _in_secure(label):
    return label if label.startswith("@") else _full(label) + _SECURE

def _in_debug(label):
    label = label if label.startswith("@") else _full(label)
    return label + _DEBUG if label in _IN_DEBUG else _in_secure(label)

def core_library(
        name,
        deps = [],
        debug_deps = [],
        debug_defines = [],
        asan_deps = [],
        asan_defines = [],
        valgrind_defines = [],
        **kwargs):
    """A library of the core, and the same for the presets secure and debug.

    Args:
      name: of the library; the others have a suffix.
      deps: of each; those of the core are the same preset's.
      debug_deps: more of them in the preset debug.
      debug_defines: what the preset debug defines.
      asan_deps: more of them where AddressSanitizer is told of arenas.
      asan_defines: what is defined there.
      valgrind_defines: what is defined where valgrind is told.
      **kwargs: of cc_library.
    """
    asan = {} if not asan_defines else {"defines": select({
        "//tools:tells_asan": asan_defines,
        "//tools:tells_valgrind": valgrind_defines,
        "//conditions:default": [],
    })}
    cc_library(
        name = name,
        deps = deps if not debug_deps else deps + select({
            "//:debug_preset": debug_deps,
            "//conditions:default": [],
        }) + select({
            "//tools:tells_asan": asan_deps,
            "//tools:tells_valgrind": asan_deps,
            "//conditions:default": [],
        }),
        **dict(asan, **kwargs)
    )
    cc_library(
        name = name + _SECURE,
        deps = [_in_secure(dep) for dep in deps],
        **kwargs
    )
    if _full(":" + name) in _IN_DEBUG:
        cc_library(
            name = name + _DEBUG,
            defines = debug_defines,
            deps = [_in_debug(dep) for dep in deps + debug_deps],
            **kwargs
        )

def core_shared_library(name, version_script, deps, layout = None):
    """For LD_PRELOAD, and to link against. Needs libc and nothing else.

    Args:
      name: its file's.
      version_script: which symbols it exports.
      deps: what is in it.
      layout: a script that ld adds to its own: where the code of release and
        fast lies. The other presets run more of it, and keep their constants
        from being executed.
    """
    cc_binary(
        name = name,
        additional_linker_inputs = [version_script] + (
            [layout] if layout else []
        ),
        # What only gold has.
        features = ["-supports_start_end_lib"],
        linkopts = [
            # Writes unwind tables that are 1.5 KB smaller than gold's, and adds
            # a script to its own.
            "-fuse-ld=bfd",
            "-Wl,--as-needed",
            "-Wl,--no-undefined",
            "-Wl,--gc-sections",
            # From a library that is linked only where it is called.
            "-Wl,--undefined=myonly_stats_write",
            "-Wl,--version-script=$(location " + version_script + ")",
            "-Wl,-soname," + name + ".0",
            # Threads run its exit code after a dlclose.
            "-Wl,-z,nodelete",
            # Its fork handlers register before everybody else's, so that they
            # run last before a fork and first after it.
            "-Wl,-z,initfirst",
            "-Wl,-z,now",
            # Whose backtraces need an unwinder has one of its own.
            "-static-libgcc",
        ] + (select({
            "//:debug_preset": [],
            "//:secure_preset": [],
            "//conditions:default": ["-Wl,-T,$(location " + layout + ")"],
        }) if layout else []),
        linkshared = True,
        linkstatic = True,
        malloc = "@bazel_tools//tools/cpp:malloc",
        deps = deps,
    )
