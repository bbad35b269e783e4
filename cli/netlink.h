/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLI_NETLINK_H
#define CLI_NETLINK_H

/*
 * Interfaces of this network namespace: TAP devices, and their configuration by
 * rtnetlink(7). Nothing here uses the library.
 */
#include <stddef.h>
#include <stdint.h>

#define TAP_NAME "eth0"

/**
 * Make a TAP device, or attach to one that is persistent.
 *
 * @flags  Beside IFF_TAP | IFF_NO_PI: IFF_VNET_HDR, or 0.
 *
 * Returns its descriptor; or -1 with a line.
 */
int tap_open(const char *name, int flags, char *why, size_t why_len);

/** Bring an interface up, with an MTU (0: as it is). 0, or a negative errno. */
int netlink_up(const char *interface, uint32_t mtu);
/** Add "10.77.0.2/24" or "fd77::2/64" to an interface. -EINVAL: it is no such
 *  address. */
int netlink_address(const char *interface, const char *address);
/** Add a default route by "10.77.0.1" or "fd77::1". */
int netlink_gateway(const char *interface, const char *gateway);

#endif /* CLI_NETLINK_H */
