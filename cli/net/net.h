/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLI_NET_NET_H
#define CLI_NET_NET_H

/*
 * The process that a network lives in. It serves a control socket by HTTP:
 * a process that joins has a connection there for as long as its guest is on
 * the network, and when the last connection has gone, the process ends.
 *
 *     starting --> open --(no connection is left)--> closing --> gone
 *
 * It is one thread and one loop, and once it is open it has no capability, and
 * no way to the files or processes of its user (sandbox.h).
 */
#include <stdbool.h>
#include <sys/types.h>

#include <uv.h>

#include <guestnet/network.h>
#include <guestnet/resolver.h>

struct MHD_Daemon;
struct dialled;
struct member;

struct net {
    uv_loop_t loop;
    const char *name;
    const char *path; /* of the control socket; "": none */
    bool path_is_there;
    bool ending; /* the last guest has left: none may come any more */
    struct gn_network *network;
    struct gn_resolver *dns; /* the real one; members have it behind rules */
    struct member *members;
    struct dialled *dialled;
    unsigned n_dialled;
    unsigned n_dialling;
    /* The control socket: control.c. */
    struct MHD_Daemon *daemon;
    uv_poll_t poll;
    uv_timer_t timer;
    uv_idle_t turn;       /* something has changed behind the daemon's back */
    unsigned connections; /* of clients, those of members too */
};

/** What a network process is started with. */
struct net_setup {
    const char *name;
    const char *folder; /* of the control socket; NULL: it has none */
    const char *path;
    int client; /* a connection of the process that has started it */
    int ready;  /* a pipe: closed when it is open; else it gets a line first */
};

/** Be the process: @setup is its own. Returns its exit status. */
int net_main(struct net_setup *setup);

/** A connection has ended; the last one ends the network. */
void net_connection_gone(struct net *net);
/** The network ends: remove the control socket, so that a process that looks
 *  for the network finds none, and let none in that has found it before. */
void net_hide(struct net *net);

#endif /* CLI_NET_NET_H */
