/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUESTNET_EXPORT_H
#define GUESTNET_EXPORT_H

/*
 * What every public declaration needs: visibility, a warning when a result is
 * thrown away, and C linkage when a C++ compiler reads the header.
 *
 * The library is built with hidden visibility: a symbol that is not marked
 * GN_API cannot be reached from outside, neither in the shared nor in the
 * static library.
 */
#if defined(__GNUC__)
#define GN_API         __attribute__((visibility("default")))
#define GN_WARN_UNUSED __attribute__((warn_unused_result))
#else
#define GN_API
#define GN_WARN_UNUSED
#endif

#ifdef __cplusplus
#define GN_BEGIN_DECLS extern "C" {
#define GN_END_DECLS   }
#else
#define GN_BEGIN_DECLS
#define GN_END_DECLS
#endif

#endif /* GUESTNET_EXPORT_H */
