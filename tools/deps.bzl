"""What @myonlymalloc needs, for users of WORKSPACE.

Runtime dependencies only; those of the tests are in our own WORKSPACE.
"""

load("@bazel_tools//tools/build_defs/repo:http.bzl", "http_archive")
load("@bazel_tools//tools/build_defs/repo:utils.bzl", "maybe")

def myonlymalloc_deps():
    """Declares each repository that is not declared yet."""
    maybe(
        http_archive,
        name = "rules_cc",
        sha256 = "abc605dd850f813bb37004b77db20106" +
                 "a19311a96b2da1c92b789da529d28fe1",
        strip_prefix = "rules_cc-0.0.17",
        urls = [
            "https://github.com/bazelbuild/rules_cc/releases/download/" +
            "0.0.17/rules_cc-0.0.17.tar.gz",
        ],
    )
    maybe(
        http_archive,
        name = "abseil-cpp",
        sha256 = "f50e5ac311a81382da7fa75b97310e4b" +
                 "9006474f9560ac46f54a9967f07d4ae3",
        strip_prefix = "abseil-cpp-20240722.0",
        urls = [
            "https://github.com/abseil/abseil-cpp/releases/download/" +
            "20240722.0/abseil-cpp-20240722.0.tar.gz",
        ],
    )
