/* emoengine.h: the C interface of libemoengine.so.0, in C11 and C++20. */
#ifndef EMOENGINE_H
#define EMOENGINE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EMO_ABI 1
#define EMO_API __attribute__((visibility("default")))

/* The ABI of the library that was loaded, to be compared with EMO_ABI, which this program was compiled with. */
EMO_API uint32_t emo_abi(void);
/* "0.1.0": of the library that was loaded. */
EMO_API const char* emo_version(void);

#ifdef __cplusplus
}
#endif
#endif
