/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_PARITY_HOSTS_H
#define TESTS_PARITY_HOSTS_H

/*
 * Two hosts on one link, once of the kernel and once as guests, that are alike
 * in all that a socket can see: interface 2 is eth0 with the MTU 1500, the
 * addresses are 10.77.0.2 and .3, fd77::2 and ::3 and the link-local ones that
 * the guests have, groups and 255.255.255.255 are sent over eth0, and there is
 * no way further. The kernel's hosts are network namespaces, and the link is a
 * pair of veth(4) interfaces.
 */
#include <stdbool.h>

#include <guestnet/guestnet.h>
#include <netinet/in.h>

#include "tests/parity/step.h"

struct hosts {
    int net_fds[PARITY_PLACES]; /* of the kernel's; -1: there are none */
    struct in6_addr link6[PARITY_PLACES];
    uint8_t mac[PARITY_PLACES][6];
};

/** Find out what the guests' link-local addresses will be. */
GN_WARN_UNUSED int hosts_init(struct hosts *hosts);

/** Make the kernel's; the calling thread is in the first one afterwards. Those
 *  that were before are forgotten. On error it is in a fresh one alone. */
GN_WARN_UNUSED int hosts_join(struct hosts *hosts);
/** Forget them. */
void hosts_leave(struct hosts *hosts);
/** Let nothing pass between the kernel's any more, unheard; or let it again. */
GN_WARN_UNUSED int hosts_cut(const struct hosts *hosts, bool cut);
/** The first of the kernel's loses its eth0. */
GN_WARN_UNUSED int hosts_detach(const struct hosts *hosts);

/** Make the guests. @net is owned by the caller, which closes it. */
GN_WARN_UNUSED int hosts_guests(struct gn_network **net,
                                struct gn_namespace *ns[PARITY_PLACES]);

#endif /* TESTS_PARITY_HOSTS_H */
