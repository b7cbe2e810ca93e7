"""cc_library of Bazel 4."""

cc_library = native.cc_library
