"""Finds the machine's Rust compiler: the repository @myonly_rust.

rules_rust needs a newer Bazel than Debian's and brings many modules along; the
few targets here need no more than rustc and a linker.
"""

def _sysroot(repository_ctx):
    rustc = repository_ctx.which("rustc")
    if not rustc:
        return None
    result = repository_ctx.execute([rustc, "--print", "sysroot"])
    return result.stdout.strip() if result.return_code == 0 else None

def _linker(repository_ctx):
    for name in ["cc", "gcc", "clang"]:
        path = repository_ctx.which(name)
        if path:
            return str(path)
    return None

def _rust_repository_impl(repository_ctx):
    # rustup's rustc is a proxy that needs HOME, which actions don't have; the
    # compiler below its sysroot doesn't.
    sysroot = _sysroot(repository_ctx)
    rustc = sysroot + "/bin/rustc" if sysroot else None
    linker = _linker(repository_ctx)
    found = rustc and linker and repository_ctx.path(rustc).exists
    repository_ctx.file("BUILD", "")
    repository_ctx.file("defs.bzl", "\n".join([
        '"""What was found on this machine; None where there is no rustc."""',
        "RUSTC = %s" % (repr(rustc) if found else "None"),
        "LINKER = %s" % (repr(linker) if found else "None"),
        "",
    ]))

rust_repository = repository_rule(
    implementation = _rust_repository_impl,
    doc = "Where rustc and the linker are: RUSTC and LINKER of defs.bzl.",
    environ = ["PATH"],
    local = True,
)
