/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_HOST_EGRESS_PASS_H
#define GN_HOST_EGRESS_PASS_H

/*
 * What the ready egress has allowed: one dial of a guest's or one client of a
 * port that is shown, from the decision until it is over.
 *
 *     allowed --> on its way --(gn__pass_open)--> open --> over
 *                    |                              |
 *                    +------(rules that deny it)----+--> ended
 *
 * It knows what the decision was about, with the names that the guest had been
 * told then, so that rules that change can be asked again: what is on its way
 * always ends if they deny it, and what is open where that is wanted.
 *
 * It keeps its egress and its guest's memory. For the driving thread.
 */
#include "host/egress/rules.h"

struct gn__egress;
struct gn__system;
struct gn_egress_dial;

/** Rules deny it now: end it. @error: what the guest is to get, 0: nothing, it
 *  hears of it by its own time-out. */
typedef void (*gn__pass_cut)(void *owner, int error);

struct gn__pass {
    struct gn__tie tie;
    struct gn__system *system;
    struct gn__egress *egress; /* a reference */
    struct gn__guest *guest;   /* a reference */
    const struct gn__mem *mem;
    int type;
    bool inbound; /* a client at `address` of the machine's */
    bool open;    /* bytes go through it */
    bool denied;  /* on its way, between two owners */
    struct gn__endpoint address;
    struct gn__rules *rules; /* that allowed it last; a reference */
    size_t rule;
    bool opens_own;         /* it may come to the machine itself */
    struct gn__name server; /* the host speaks TLS with it; "": plain */
    gn__pass_cut cut;
    void *owner;
    size_t n_names;
    struct gn__name names[];
};

/**
 * Ask the rules whether a guest may dial, and tell the audit hook.
 *
 * @out  Set if it may: gn__pass_end(), or handed to the request by
 *       gn__egress_dial_allow().
 *
 * Returns 0, or what the guest gets; 0 without a pass: it hears nothing.
 */
GN_WARN_UNUSED int gn__pass_dial(struct gn__system *system,
                                 const struct gn_egress_dial *request, int type,
                                 const struct sockaddr *address,
                                 struct gn__pass **out);
/** The same for a client of a port that is shown at @at, which a rule says. */
GN_WARN_UNUSED int gn__pass_client(struct gn__system *system,
                                   struct gn__guest *guest,
                                   const struct gn__endpoint *at,
                                   struct gn__pass **out);

/** @cut ends it from now on, while it is on its way; NULL: the code that takes
 *  it up looks at `denied`. */
void gn__pass_set_cut(struct gn__pass *pass, gn__pass_cut cut, void *owner);
/** It is about to be opened: are the rules that allowed it those that hold?
 *  Else they are asked again, and `denied` says. */
void gn__pass_refresh(struct gn__pass *pass);
/** It is open, and @cut, which ends the pass too, is for that. */
void gn__pass_open(struct gn__pass *pass, gn__pass_cut cut, void *owner);
/** It is over. NULL: nothing happens. */
void gn__pass_end(struct gn__pass *pass);

/** The protocol of IP: IPPROTO_TCP, ... */
int gn__pass_protocol(const struct gn__pass *pass);
/** "tcp", "udp", "icmp", of SOCK_STREAM, SOCK_DGRAM, SOCK_RAW. */
const char *gn__type_name(int type);
/** What a guest gets that is denied; 0: nothing. */
int gn__denied(const struct gn__system *system, int type);

#endif /* GN_HOST_EGRESS_PASS_H */
