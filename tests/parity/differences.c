/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/parity/differences.h"

#include <fnmatch.h>
#include <stdbool.h>
#include <stdatomic.h>

const struct wanted_difference wanted_differences[] = {
    {"What is missing", "MSG_OOB", "*MSG_OOB*", "*", "-EOPNOTSUPP", WANTED_STOP,
     "lwIP keeps no urgent pointer."},
    {"What is missing", "MSG_ERRQUEUE",
     "datagram * is ready after*[[]IP_RECVERR]*", "*ERR*", "*", WANTED_STOP,
     "What an ICMP error quotes is not kept."},
    {"What is missing", "options not in the table",
     "[SG]ET*(*@(TCP_LINGER2|TCP_WINDOW_CLAMP|TCP_FASTOPEN|SO_DEBUG|SO_PEERCRED|SO_TIMESTAMP)*",
     "*", "-ENOPROTOOPT", WANTED_GO_ON, "Nothing here depends on them."},
    {"Sockets", "a UDP datagram over IPv6 has", "SENDTO(*)", "65*", "-EMSGSIZE",
     WANTED_STOP,
     "An IP packet here has at most 65,535 bytes with its header."},
    {"Sockets", "IP_PKTINFO", "RECVMSG*", "*by 0*", "*by 1*", WANTED_GO_ON,
     "A waiting datagram is the packet it came in; nothing is prepared."},
    {"Sockets", "SIOCOUTQ", "UNSENT(*)*", "[1-9]*, over", "0, over",
     WANTED_GO_ON, "What was queued is freed with the connection."},
    {"Sockets", "an IPv6 stream that has connected to an IPv4 address",
     "*[[]one was of IPv4]*", "*", "*", WANTED_STOP,
     "Linux goes on to use IPv4's functions for it, and nothing arrives."},
    {"Sockets", "a stream that was shut down before", "*[[]one was shut early]",
     "@(*RDHUP*|-ENOTCONN|-ECONNABORTED)", "*", WANTED_STOP,
     "Linux copies the bits of the listener to the connection, which ends at "
     "once; no program relies on it."},
    {"Sockets", "an option that is set on a listening stream",
     "*[[]an option since it was there]*", "*", "*", WANTED_STOP,
     "Linux copies the options when the handshake ends, we when it is "
     "accepted."},
    {"Sockets", "never listens, and one that has listened",
     "LISTEN(*[[]it has connected]*", "-EINVAL", "0", WANTED_NEWER,
     "Older kernels let it."},
    {"Sockets", "never listens, and one that has listened",
     "CONNECT(*[[]it has listened]*", "-EINVAL",
     "@(0|-EINPROGRESS|-ECONNREFUSED|-ENETUNREACH|-EHOSTUNREACH)", WANTED_NEWER,
     "Older kernels let it."},
};

const size_t n_wanted_differences =
    sizeof(wanted_differences) / sizeof(wanted_differences[0]);

static unsigned met[sizeof(wanted_differences) / sizeof(wanted_differences[0])];

static bool fits(const char *pattern, const char *text)
{
    return fnmatch(pattern, text, FNM_EXTMATCH) == 0;
}

enum wanted difference_wanted(const char *what, const char *kernel,
                              const char *guest)
{
    size_t i;

    for (i = 0; i < n_wanted_differences; i++) {
        const struct wanted_difference *wanted = &wanted_differences[i];

        if (fits(wanted->what, what) && fits(wanted->kernel, kernel) &&
            fits(wanted->guest, guest)) {
            met[i]++;
            return wanted->then;
        }
    }
    return NOT_WANTED;
}

unsigned difference_met(size_t i)
{
    return met[i];
}
