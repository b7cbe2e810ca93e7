// How the C API knows whether malloc is ours: the override defines this
// function, and without the override it is NULL.
#ifndef MYONLY_CAPI_OVERRIDE_MARKER_H_
#define MYONLY_CAPI_OVERRIDE_MARKER_H_

extern "C" __attribute__((weak, visibility("hidden"))) bool
myonly_override_is_active();

#endif  // MYONLY_CAPI_OVERRIDE_MARKER_H_
