/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_PARITY_RTNL_H
#define TESTS_PARITY_RTNL_H

/*
 * The few requests of rtnetlink(7) that two hosts of the kernel on one link
 * take: a pair of veth(4) interfaces with addresses, routes and neighbours.
 * Each call is one request of the calling thread's network namespace, and
 * returns the kernel's answer: 0 or a negative errno.
 */
#include <stdbool.h>
#include <stdint.h>

#include <netinet/in.h>

/** One interface: what it is to be called, its number and hardware address. */
struct rtnl_link {
    const char *name;
    int index;
    uint8_t mac[6];
};

/** Make two interfaces that are joined; the other one is in the network
 *  namespace @other_fd. Both are down, and have no link-local address. */
int rtnl_pair(const struct rtnl_link *one, const struct rtnl_link *other,
              int other_fd);
/** Raise or lower it. */
int rtnl_up(int index, bool up);
/** Remove it, and with it the other one of the pair. */
int rtnl_remove(int index);
/** Give it an address without looking for duplicates. @family: AF_INET, with
 *  the broadcast address that follows, or AF_INET6. */
int rtnl_address(int index, int family, const void *addr, unsigned prefix_len);
/** Send what is for an IPv4 prefix there, without a gateway. */
int rtnl_route(int index, struct in_addr prefix, unsigned prefix_len);
/** Say for ever at which hardware address an address is. */
int rtnl_neighbour(int index, int family, const void *addr,
                   const uint8_t mac[6]);

#endif /* TESTS_PARITY_RTNL_H */
