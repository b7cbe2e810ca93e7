"""CcInfo of Bazel 4."""

load(":native.bzl", "NativeCcInfo")

CcInfo = NativeCcInfo
