/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_PARITY_COMPARE_H
#define TESTS_PARITY_COMPARE_H

/*
 * Both sides, in lockstep: each step is done on the kernel's side, then on the
 * guest's, and the outcomes are compared; then the readiness of every socket.
 *
 * Neither side says when a packet has been worked on. So what a call causes
 * elsewhere is waited for: readiness that differs is looked at until it is the
 * same, and a call that would have blocked on one side only is made again when
 * that side is ready. If that takes longer than a bound, it is a difference.
 */
#include "tests/parity/hosts.h"
#include "tests/parity/side.h"

struct world {
    struct gn_network *net;
    struct gn_namespace *system;
    bool own_net; /* the kernel's side is in a network namespace of its own */
    bool has_ipv6;
    bool can_join; /* the kernel's side can be two hosts on one link */
    bool joined;   /* both sides are, now */
    struct hosts hosts;
    unsigned long compared; /* outcomes and readinesses that were */
    unsigned long calls;    /* outcomes alone */
};

/** Returns 0 or a negative errno. Single-threaded so far. */
int world_open(struct world *world);
void world_close(struct world *world);
/**
 * Give the kernel's side a fresh network namespace, if it has one of its own:
 * ports that rest in the old one (TIME_WAIT) are in no socket's way then. Only
 * for sockets that the calling thread opens.
 *
 * @joined  Two of them, joined by a link (hosts.h), if that can be had.
 */
void world_refresh(struct world *world, bool joined);

/** Why the kernel's side cannot do these steps here; NULL: it can. */
const char *world_lacks(const struct world *world, const struct step *steps,
                        enum variant variant);

struct difference {
    size_t step;    /* its number */
    char what[240]; /* the step, or whose readiness after it */
    char kernel[1024];
    char guest[1024];
};

/**
 * Run steps until CALL_END on both sides.
 *
 * @patience_ms  What a difference in time may take.
 *
 * Returns true if all was the same, or a wanted difference.
 */
bool world_compare(struct world *world, const struct step *steps,
                   enum variant variant, int patience_ms,
                   struct difference *out);

#endif /* TESTS_PARITY_COMPARE_H */
