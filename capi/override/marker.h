// How the C API knows whether malloc is ours: the override defines this
// function, and replaces the weak definition of the C API, which says no. (A
// weak declaration would do without that one, but the gold linker gives a
// hidden symbol that nobody defines an address in position-independent
// programs.)
#ifndef MYONLY_CAPI_OVERRIDE_MARKER_H_
#define MYONLY_CAPI_OVERRIDE_MARKER_H_

extern "C" __attribute__((visibility("hidden"))) bool
myonly_override_is_active();

#endif  // MYONLY_CAPI_OVERRIDE_MARKER_H_
