/* A stand-in for the driver's libcuda.so.1, for tests on hosts without a GPU.
 *
 *     cc -shared -fPIC -Wl,-soname,libcuda.so.1 -o libcuda.so.1 tests/support/stub_libcuda.c
 *
 * STUB_GPUS lists the GPUs that it shows, as name=major.minor separated by semicolons ("Tesla K80=3.7;Tesla K80=3.7").
 * Without it there is none, and every function answers what a driver does that finds no device. The signatures are
 * those of the CUDA Driver API.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, INVALID_VALUE = 1, NO_DEVICE = 100, INVALID_DEVICE = 101 };
enum { CAPABILITY_MAJOR = 75, CAPABILITY_MINOR = 76 };

/* Where the entry of a device begins in STUB_GPUS, or NULL. */
static const char *entry(int device) {
    const char *at = getenv("STUB_GPUS");
    for (; at && *at && device > 0; device--) {
        at = strchr(at, ';');
        at = at ? at + 1 : NULL;
    }
    return device == 0 && at && *at ? at : NULL;
}

int cuInit(unsigned int flags) { return flags ? INVALID_VALUE : entry(0) ? SUCCESS : NO_DEVICE; }

int cuDeviceGetCount(int *count) {
    for (*count = 0; entry(*count); ++*count)
        ;
    return *count ? SUCCESS : NO_DEVICE;
}

int cuDeviceGet(int *device, int ordinal) {
    *device = ordinal;
    return entry(ordinal) ? SUCCESS : INVALID_DEVICE;
}

int cuDeviceGetName(char *name, int length, int device) {
    const char *at = entry(device);
    if (!at)
        return INVALID_DEVICE;
    snprintf(name, length, "%.*s", (int)strcspn(at, "=;"), at);
    return SUCCESS;
}

int cuDeviceGetAttribute(int *value, int attribute, int device) {
    const char *at = entry(device);
    int major = 0, minor = 0;
    if (!at)
        return INVALID_DEVICE;
    if (sscanf(at + strcspn(at, "=;"), "=%d.%d", &major, &minor) != 2)
        return INVALID_VALUE;
    *value = attribute == CAPABILITY_MAJOR ? major : attribute == CAPABILITY_MINOR ? minor : 0;
    return SUCCESS;
}
