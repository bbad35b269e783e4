/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_LIB_BEYOND_H
#define TESTS_LIB_BEYOND_H

/*
 * A world outside that a test makes up: it accepts, refuses or lets wait what
 * guests dial, and echoes what they send. For networks under a clock.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <guestnet/guestnet.h>

#include "namespace/namespace.h"

enum beyond_mode {
    BEYOND_ECHO,   /* accept, and send back what comes */
    BEYOND_REFUSE, /* with beyond.error */
    BEYOND_WAIT    /* the test answers beyond.pending itself */
};

#define BEYOND_PENDING 4096u
#define BEYOND_PORTS   16u

struct beyond_conn;
struct beyond_flow;

struct beyond {
    struct gn__outside outside; /* first */
    enum beyond_mode mode;
    int error;
    struct gn__outside_dial *pending[BEYOND_PENDING]; /* not yet answered */
    size_t n_pending;
    struct gn__outside_port *ports[BEYOND_PORTS]; /* bound now */
    size_t n_ports;
    struct gn__list conns; /* struct beyond_conn */
    struct gn__list flows; /* struct beyond_flow */
    size_t n_conns;        /* now */
    size_t n_flows;
    size_t n_dials; /* ever */
    size_t n_cancelled;
    size_t n_bound;
    size_t n_unbound;
    size_t n_released;
    size_t n_failed_accepts;
    size_t n_unwatched; /* closed for lack of memory */
    int last_accept_error;
    size_t n_flows_cancelled;
    size_t n_flows_idled;
    size_t n_flows_evicted;
    size_t n_flows_refused;
    uint64_t n_bytes; /* echoed */
};

void beyond_init(struct beyond *beyond);
/** Close what is left. */
void beyond_done(struct beyond *beyond);
/** Give a guest that world. */
void beyond_give(struct beyond *beyond, struct gn_namespace *ns);
/** A guest in @net that has it, with these limits (NULL: the network's). */
struct gn_namespace *beyond_guest(struct beyond *beyond, struct gn_network *net,
                                  const char *name,
                                  const struct gn_limits *limits);

/** Accept the dial that has waited longest, as an echo. */
int beyond_accept(struct beyond *beyond);
/** Refuse it. */
void beyond_refuse(struct beyond *beyond, int error);
/** Echo over a socket of the host's, which is consumed. */
void beyond_adopt(struct beyond *beyond, struct gn_sock *sock);

/** "203.0.113.1:80"; fails the test. */
struct gn__endpoint beyond_endpoint(const char *text);

#endif /* TESTS_LIB_BEYOND_H */
