"""@myonly_rust for Bazel 7 and later, see rust_toolchain.bzl."""

load(":rust_toolchain.bzl", "rust_repository")

def _rust_impl(_module_ctx):
    rust_repository(name = "myonly_rust")

rust = module_extension(implementation = _rust_impl)
