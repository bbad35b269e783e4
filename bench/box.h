/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_BOX_H
#define BENCH_BOX_H

/*
 * Network namespaces of the kernel's, as containers have them, with a TAP
 * device "eth0" in each. The thread that calls is in the namespace that it made
 * last; sockets and devices stay where they were opened.
 */
#include <stdint.h>

/** Of the network that boxes are on; .1 is its router. */
#define BOX_PREFIX  "10.78.0.0/24"
#define BOX_GATEWAY "10.78.0.1"

/**
 * The process may make namespaces from now on; an ordinary user is in a user
 * namespace of its own. To be called before there are threads.
 *
 * -ENOTSUP: not on this machine; why has been printed.
 */
int box_allow(void);
/** This thread goes into a new namespace, in which lo is up. */
int box_enter(void);
/** eth0, which is there, gets its MTU, this address and a default route. */
int box_configure(uint32_t mtu, const char *addr);
/** Make eth0 with a virtio header and all offloads. A descriptor, or a negative
 *  errno. */
int box_tap(void);
/** The namespace that this thread is in, as a descriptor; -1. */
int box_here(void);
/** Make eth0 here and in the namespace @other, the two ends of a veth pair. */
int box_veth(int other);
/** Join two TAP devices by a thread that reads and writes one frame at a time;
 *  it ends with the process. */
int box_join(const int fds[2]);

#endif /* BENCH_BOX_H */
