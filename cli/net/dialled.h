/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLI_NET_DIALLED_H
#define CLI_NET_DIALLED_H

/*
 * Connections to guests that were dialled over the control socket. Each lives
 * as long as the client's connection there, so that they can be counted.
 */
struct MHD_UpgradeResponseHandle;
struct net;

/** At once: an eighth of the usual RLIMIT_NOFILE, which guests have half of. */
#define DIALLED_MAX 128u

/**
 * Hand @fd over to the client of @sock.
 *
 * @fd  Consumed on success.
 *
 * Returns 0, or -1: the client has gone, or no memory.
 */
int dialled_open(struct net *net, int sock,
                 struct MHD_UpgradeResponseHandle *handle, int fd);
/** The network ends: so do they. */
void dialled_end_all(struct net *net);

#endif /* CLI_NET_DIALLED_H */
