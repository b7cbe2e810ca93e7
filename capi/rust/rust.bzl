"""Rules for the Rust crates: rust_library, rust_binary, rust_test.

They call the rustc that @myonly_rust found. Where there is none, the targets
are incompatible with the machine, and Bazel reports their tests as skipped.
"""

load("@myonly_rust//:defs.bzl", "LINKER", "RUSTC")
load("@rules_cc//cc/common:cc_info.bzl", "CcInfo")

_CrateInfo = provider(
    doc = "A compiled Rust library.",
    fields = {
        "name": "what Rust code calls it",
        "rlib": "its file",
        "rlibs": "depset of its file and those of the crates it needs",
        "archives": "depset of the static C and C++ libraries it needs",
    },
)

def _archives(dep):
    """The static libraries of a cc_library and of all it depends on."""
    archives = []
    for linker_input in dep[CcInfo].linking_context.linker_inputs.to_list():
        for library in linker_input.libraries:
            # Rust makes position-independent programs.
            archive = library.pic_static_library or library.static_library
            if archive:
                archives.append(archive)
    return archives

def _compile(ctx, output, crate_name, crate_type):
    """Runs rustc; returns the rlibs and archives the crate needs."""
    crates = [dep[_CrateInfo] for dep in ctx.attr.deps]
    rlibs = depset(
        [crate.rlib for crate in crates],
        transitive = [crate.rlibs for crate in crates],
    )
    archives = depset(
        [file for dep in ctx.attr.cc_deps for file in _archives(dep)],
        transitive = [crate.archives for crate in crates],
    )
    args = ctx.actions.args()
    args.add("--edition=2021")
    args.add("--crate-name", crate_name)
    args.add("--crate-type", crate_type)
    for feature in ctx.attr.crate_features:
        args.add("--cfg", "feature=\"%s\"" % feature)
    args.add("-Copt-level=2")
    args.add("-o", output)
    for crate in crates:
        args.add("--extern", "%s=%s" % (crate.name, crate.rlib.path))
    args.add_all(rlibs, before_each = "-L", map_each = _folder, uniquify = True)
    if ctx.attr.is_test:
        args.add("--test")
    inputs = ctx.files.srcs
    if crate_type == "bin":
        args.add("-Clinker=" + LINKER)

        # Archives of layers that call each other both ways, and after them
        # libc again: it has parts that are archives themselves.
        args.add("-Clink-arg=-Wl,--start-group")
        args.add_all(archives, format_each = "-Clink-arg=%s")
        args.add("-Clink-arg=-Wl,--end-group")
        args.add("-Clink-arg=-lc")
        inputs = inputs + archives.to_list()
    args.add(ctx.file.crate_root)

    # Bazel 4 ignores `env` beside the default shell environment.
    call = ctx.actions.args()
    for name, value in ctx.attr.rustc_env.items():
        call.add("%s=%s" % (name, value))
    call.add(RUSTC)
    ctx.actions.run(
        arguments = [call, args],
        executable = "/usr/bin/env",
        inputs = depset(inputs, transitive = [rlibs]),
        mnemonic = "Rustc",
        outputs = [output],
        progress_message = "Compiling Rust crate %s" % crate_name,
        use_default_shell_env = True,
    )
    return rlibs, archives

def _folder(file):
    return file.dirname

def _rust_library_impl(ctx):
    name = ctx.attr.crate_name or ctx.label.name

    # Crates of one name, with other features, are in folders of their own.
    folder = "" if name == ctx.label.name else ctx.label.name + "/"
    rlib = ctx.actions.declare_file("%slib%s.rlib" % (folder, name))
    rlibs, archives = _compile(ctx, rlib, name, "rlib")
    return [
        DefaultInfo(files = depset([rlib])),
        _CrateInfo(
            name = name,
            archives = archives,
            rlib = rlib,
            rlibs = depset([rlib], transitive = [rlibs]),
        ),
    ]

def _rust_program_impl(ctx):
    program = ctx.actions.declare_file(ctx.label.name)
    _compile(ctx, program, ctx.label.name, "bin")
    headers = [
        dep[CcInfo].compilation_context.headers
        for dep in ctx.attr.data
        if CcInfo in dep
    ]
    runfiles = ctx.runfiles(
        files = [program] + ctx.files.data,
        transitive_files = depset(transitive = headers),
    )
    return [DefaultInfo(executable = program, runfiles = runfiles)]

def _attributes(is_test):
    return {
        "cc_deps": attr.label_list(
            doc = "cc_library targets that are linked into the program.",
            providers = [CcInfo],
        ),
        "crate_features": attr.string_list(doc = "Features that are on."),
        "crate_name": attr.string(doc = "The target's name if empty."),
        "crate_root": attr.label(allow_single_file = [".rs"], mandatory = True),
        "data": attr.label_list(
            allow_files = True,
            doc = "Files for the run; of a cc_library its headers.",
        ),
        "deps": attr.label_list(providers = [_CrateInfo]),
        "is_test": attr.bool(default = is_test),
        "rustc_env": attr.string_dict(doc = "The compiler's environment."),
        "srcs": attr.label_list(allow_files = [".rs", ".md"], mandatory = True),
    }

_rust_library = rule(
    implementation = _rust_library_impl,
    attrs = _attributes(is_test = False),
)

_rust_binary = rule(
    implementation = _rust_program_impl,
    attrs = _attributes(is_test = False),
    executable = True,
)

_rust_test = rule(
    implementation = _rust_program_impl,
    attrs = _attributes(is_test = True),
    test = True,
)

_COMPATIBLE = [] if RUSTC else ["//capi/rust:needs_rustc"]

# rustc doesn't link what instrumented C++ objects need.
_TAGS = ["no-sanitizer"]

def _declare(rule, srcs, crate_root = None, **kwargs):
    if not crate_root and len(srcs) > 1:
        fail("several srcs: which one is the crate_root?")
    rule(
        srcs = srcs,
        crate_root = crate_root or srcs[0],
        tags = _TAGS,
        target_compatible_with = _COMPATIBLE,
        **kwargs
    )

def rust_library(name, srcs, **kwargs):
    """A Rust library; `crate_root` is needed if `srcs` are several."""
    _declare(_rust_library, srcs, name = name, **kwargs)

def rust_binary(name, srcs, **kwargs):
    """A Rust program."""
    _declare(_rust_binary, srcs, name = name, **kwargs)

def rust_test(name, srcs, size = "small", **kwargs):
    """A Rust program of `#[test]` functions."""
    _declare(_rust_test, srcs, name = name, size = size, **kwargs)
