/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Errors as guests number them. The codes of WASI 0.2 fold several errnos into
 * one; those of its resolver only come from lookups.
 */
#include <errno.h>

#include "guests/wasi/socket.h"
#include "guests/wasi/wasi.h"

/* wasi_snapshot_preview1's errno. */
enum {
    P1_ACCES = 2,
    P1_ADDRINUSE = 3,
    P1_ADDRNOTAVAIL = 4,
    P1_AFNOSUPPORT = 5,
    P1_AGAIN = 6,
    P1_ALREADY = 7,
    P1_BADF = 8,
    P1_CANCELED = 11,
    P1_CONNABORTED = 13,
    P1_CONNREFUSED = 14,
    P1_CONNRESET = 15,
    P1_DESTADDRREQ = 17,
    P1_FAULT = 21,
    P1_HOSTUNREACH = 23,
    P1_INPROGRESS = 26,
    P1_INVAL = 28,
    P1_IO = 29,
    P1_ISCONN = 30,
    P1_MFILE = 33,
    P1_MSGSIZE = 35,
    P1_NETDOWN = 38,
    P1_NETUNREACH = 40,
    P1_NFILE = 41,
    P1_NOBUFS = 42,
    P1_NODEV = 43,
    P1_NOENT = 44,
    P1_NOMEM = 48,
    P1_NOPROTOOPT = 50,
    P1_NOSPC = 51,
    P1_NOSYS = 52,
    P1_NOTCONN = 53,
    P1_NOTSOCK = 57,
    P1_NOTSUP = 58,
    P1_PERM = 63,
    P1_PIPE = 64,
    P1_PROTONOSUPPORT = 66,
    P1_PROTOTYPE = 67,
    P1_SPIPE = 70,
    P1_TIMEDOUT = 73
};

static const struct {
    int ours;
    uint8_t preview1;
    uint8_t code; /* error-code of wasi:sockets/network; 0: unknown */
} errors[] = {
    {EACCES, P1_ACCES, 1},
    {EPERM, P1_PERM, 1},
    {EOPNOTSUPP, P1_NOTSUP, 2},
    {ENOPROTOOPT, P1_NOPROTOOPT, 2},
    {EPROTONOSUPPORT, P1_PROTONOSUPPORT, 2},
    {ESOCKTNOSUPPORT, P1_PROTOTYPE, 2},
    {EPROTOTYPE, P1_PROTOTYPE, 2},
    {ENOSYS, P1_NOSYS, 2},
    {EINVAL, P1_INVAL, 3},
    {EAFNOSUPPORT, P1_AFNOSUPPORT, 3},
    {EDESTADDRREQ, P1_DESTADDRREQ, 3},
    {ENODEV, P1_NODEV, 3},
    {EDOM, P1_INVAL, 3},
    {ENOMEM, P1_NOMEM, 4},
    {ENOBUFS, P1_NOBUFS, 4},
    {ETIMEDOUT, P1_TIMEDOUT, 5},
    {EALREADY, P1_ALREADY, 6},
    {EAGAIN, P1_AGAIN, 8},
    {EINPROGRESS, P1_INPROGRESS, 8},
    {EISCONN, P1_ISCONN, 9},
    {ENOTCONN, P1_NOTCONN, 9},
    {EMFILE, P1_MFILE, 10},
    {ENFILE, P1_NFILE, 10},
    {EADDRNOTAVAIL, P1_ADDRNOTAVAIL, 11},
    {EADDRINUSE, P1_ADDRINUSE, 12},
    {ENETUNREACH, P1_NETUNREACH, 13},
    {EHOSTUNREACH, P1_HOSTUNREACH, 13},
    {ENETDOWN, P1_NETDOWN, 13},
    {ECONNREFUSED, P1_CONNREFUSED, 14},
    {ECONNRESET, P1_CONNRESET, 15},
    {EPIPE, P1_PIPE, 15},
    {ECONNABORTED, P1_CONNABORTED, 16},
    {EMSGSIZE, P1_MSGSIZE, 17},
    {EBADF, P1_BADF, 0},
    {EFAULT, P1_FAULT, 0},
    {ECANCELED, P1_CANCELED, 0},
    {ENOENT, P1_NOENT, 0},
    {ENOTSOCK, P1_NOTSOCK, 0},
    {ESPIPE, P1_SPIPE, 0},
    {ENOSPC, P1_NOSPC, 0},
    {EIO, P1_IO, 0},
    /* WasmEdge's numbers for a lookup's errors. */
    {-GN_EAI_ADDRFAMILY, 77, 18},
    {-GN_EAI_AGAIN, 78, 19},
    {-GN_EAI_BADFLAGS, 79, 3},
    {-GN_EAI_FAIL, 80, 20},
    {-GN_EAI_FAMILY, 81, 3},
    {-GN_EAI_MEMORY, 82, 4},
    {-GN_EAI_NODATA, 83, 18},
    {-GN_EAI_NONAME, 84, 18},
    {-GN_EAI_SERVICE, 85, 3},
    {-GN_EAI_SOCKTYPE, 86, 3},
    {-GN__WASI_NOT_IN_PROGRESS, P1_INVAL, 7},
};
#define N_ERRORS (sizeof(errors) / sizeof(errors[0]))

uint32_t gn__wasi_errno(int err)
{
    for (unsigned i = 0; i < N_ERRORS; i++)
        if (errors[i].ours == -err)
            return errors[i].preview1;
    return P1_IO;
}

uint8_t gn__wasi_code(int err)
{
    for (unsigned i = 0; i < N_ERRORS; i++)
        if (errors[i].ours == -err)
            return errors[i].code;
    return 0;
}
