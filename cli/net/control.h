/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLI_NET_CONTROL_H
#define CLI_NET_CONTROL_H

/*
 * The control socket: HTTP/1.1 and JSON.
 *
 *     GET /v1/network               what there is: report.h
 *     GET /v1/join                  Upgrade: guestnet-join; see member.h
 *     GET /v1/dial?to=NAME:PORT     Upgrade: guestnet-dial; one byte comes, and
 *                                   with it a descriptor (SCM_RIGHTS) that is
 *                                   the connection as long as this one is
 *                                   open; or 503, if there are too many
 *
 * A request that cannot be met gets a status of 4xx or 5xx and
 * {"error": "a line for a person"}.
 */
#include <stddef.h>

struct MHD_UpgradeResponseHandle;
struct net;

/** Serve @listener (-1: none) and the connection @client. Both are consumed.
 *  Returns 0, or -1 with a line. */
int control_open(struct net *net, int listener, int client, char *why,
                 size_t why_len);
/** No connection is left. */
void control_close(struct net *net);
/** End a connection that was upgraded. */
void control_end(struct net *net, struct MHD_UpgradeResponseHandle *handle);

#endif /* CLI_NET_CONTROL_H */
