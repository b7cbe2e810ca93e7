"""A file can't give a global its own name, so this goes by another one."""

NativeCcInfo = CcInfo
native_cc_common = cc_common
