/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_GUESTS_NIC_LISTEN_H
#define GN_GUESTS_NIC_LISTEN_H

/*
 * Many NICs at the path of one Unix socket: listen.c has the NICs, and
 * listen_client.c the clients that have not got one yet.
 *
 *     client: waiting --(a frame's first bytes)--> at a place
 *                |
 *                +--(time, nonsense, no place)--> closed, counted, logged
 *
 * All of it is of the driving thread, but for what says otherwise.
 */
#include "guests/nic/nic.h"

/** Why a client is not served. */
enum gn__listen_why {
    GN__LISTEN_FULL = 0,
    GN__LISTEN_CROWDED,
    GN__LISTEN_SILENT,
    GN__LISTEN_MALFORMED,
    GN__LISTEN_FAILED,
    GN__LISTEN_N_WHYS
};

struct gn_nic_listener {
    struct gn__handle handle; /* first; places have a reference each */
    struct gn__acceptor acceptor;
    struct gn__publish_file file; /* "": none */
    int fd;                       /* -1: not yet, or no more */
    uint32_t max_waiting;
    uint64_t wait_ns;
    struct gn__list places;  /* struct listen_place, by their numbers */
    struct gn__list waiting; /* struct listen_client */
    uint32_t n_waiting;      /* this and what follows: the engine's lock */
    uint64_t n_clients;
    uint64_t refused[GN__LISTEN_N_WHYS];
    uint32_t n_nics; /* this and what follows: as created */
    struct gn_nic *nics[GN_NIC_LISTEN_MAX];
};

/** A client has come: it waits, or is closed (@fd is consumed). */
void gn__listen_accepted(void *listener, const struct gn__endpoint *peer,
                         int fd);
/** Close those that wait. */
void gn__listen_clients_done(struct gn_nic_listener *listener);

/**
 * A client is the machine with this MAC address.
 *
 * @fd    Consumed on success; not watched.
 * @head  What was read of its first frame.
 *
 *   -ENOSPC  There is no NIC for it.
 *   -ENOMEM, and those of gn__io_watch().
 */
GN_WARN_UNUSED int gn__listen_settle(struct gn_nic_listener *listener,
                                     const uint8_t mac[GN__MAC_LEN], int fd,
                                     const uint8_t *head, size_t len);

#endif /* GN_GUESTS_NIC_LISTEN_H */
