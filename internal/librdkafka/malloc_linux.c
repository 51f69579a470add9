// glibc's malloc gives a large block back to the system when it is freed, but then takes its size for the limit of what is large:
// after one record of 16 MB, all that is smaller comes from heaps that keep what is freed (mallopt(3), M_MMAP_THRESHOLD). A
// gateway that had large bodies once kept 100 MB and more. A limit that is set stays; this is glibc's first one.

#ifdef __linux__
#include <malloc.h>

#ifdef __GLIBC__
__attribute__((constructor)) static void keep_large_large(void) { mallopt(M_MMAP_THRESHOLD, 128 * 1024); }
#endif
#endif
