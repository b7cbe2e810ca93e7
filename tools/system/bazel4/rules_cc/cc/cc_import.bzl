"""cc_import of Bazel 4."""

cc_import = native.cc_import
