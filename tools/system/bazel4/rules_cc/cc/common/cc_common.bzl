"""cc_common of Bazel 4."""

load(":native.bzl", "native_cc_common")

cc_common = native_cc_common
