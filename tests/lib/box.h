/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_LIB_BOX_H
#define TESTS_LIB_BOX_H

/*
 * Containers, as far as a network sees them: a network namespace of the
 * kernel's, and in it a TAP device "eth0" that is a guest's card. The thread
 * that calls is in the namespace it made last.
 */
#include <stdbool.h>
#include <stdint.h>

#include <guestnet/nic.h>

struct gn_box {
    const char *name;
    const char *addr; /* of a /16; its router is 10.77.0.1 */
    uint32_t mtu;
    bool plain; /* The device has no virtio header, and so no offloads. */
};

/** End the test as skipped, with the reason, where none can be made. */
void gn_box_need(void);
/** Enter a new namespace. */
void gn_box_enter(void);
/** The card in this thread's namespace, with its address by hand. */
struct gn_nic *gn_box_card(struct gn_network *net, const struct gn_box *box);

/** Send 10 MiB to port 7 there, and compare what comes back. */
void gn_box_bulk(const char *addr);

/** Another container: a thread in a namespace of its own, which sends back on
 *  port 7 what one connection brings. */
struct gn_box_other;
struct gn_box_other *gn_box_other_start(struct gn_network *net,
                                        const struct gn_box *box);
void gn_box_other_end(struct gn_box_other *other);

#endif /* TESTS_LIB_BOX_H */
