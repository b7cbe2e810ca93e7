"""cc_test of Bazel 4."""

cc_test = native.cc_test
