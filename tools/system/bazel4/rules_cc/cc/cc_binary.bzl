"""cc_binary of Bazel 4."""

cc_binary = native.cc_binary
