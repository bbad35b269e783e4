/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLI_NET_MEMBER_H
#define CLI_NET_MEMBER_H

/*
 * A guest, and the connection that it is on the network for. Lines of JSON:
 *
 *     > {"name": "web", "wire": "tap", "mtu": 1500, "rules": ["allow any"],
 *        "publish": [{"udp": false, "to": 80}], "pcap": false, "link": {...}}
 *       with descriptors (SCM_RIGHTS): the wire's, one for each published port,
 *       the capture's file
 *     < {"addresses": ["10.77.0.2/24", ...], "gateways": ["10.77.0.1", ...],
 *        "domain": "guest.internal", "mtu": 1500}
 *     < {"denied": "what", "rule": "what would allow it"}    the first time
 *     < {"gone": true}       the device was deleted
 *     > (end of file)
 *     < {"left": true, "last": false}
 *
 * or {"error": "a line for a person"} and the end. The wires are those of
 * request.h; "vsock" has a "port", and "qemu" may be "shared" by so many
 * machines.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>
#include <uv.h>

#include <guestnet/addr.h>

#include "cli/net/descriptors.h"
#include "cli/options.h"

struct gn_namespace;
struct gn_nic;
struct gn_nic_listener;
struct gn_query;
struct join_request;
struct MHD_UpgradeResponseHandle;
struct net;

/** The longest line of a join. */
#define JOIN_MAX (128u * 1024)

struct port {
    struct gn_publication *publication;
    bool udp;
    uint16_t to;
};

struct member {
    struct net *net;
    struct member *next;
    struct MHD_UpgradeResponseHandle *handle;
    int sock; /* the daemon's */
    uv_poll_t poll;
    uv_timer_t timer; /* until its line has come */
    char *in;         /* what has come; NULL: it has joined */
    size_t in_len;
    int fds[DESCRIPTORS_MAX];
    size_t n_fds;
    char name[64];
    cJSON *rules; /* an array of strings; NULL: none */
    bool said;    /* that something was denied */
    uint64_t denied;
    struct gn_egress *egress;
    struct gn_resolver *names;
    struct gn_nic *nic;           /* NULL: it is not on the network, */
    struct gn_nic_listener *nics; /* or it has many at one path */
    struct gn_capture *capture;
    struct port ports[PUBLISH_MAX];
    size_t n_ports;
};

/** A client joins. Returns 0, or -1: no memory. */
int member_open(struct net *net, int sock,
                struct MHD_UpgradeResponseHandle *handle);
/** The @i-th of its NICs; NULL: it has no more. */
struct gn_nic *member_nic(const struct member *member, unsigned i);
/** The one that is this namespace; NULL: none is. */
struct gn_nic *member_nic_of(const struct member *member,
                             const struct gn_namespace *ns);
/** A lookup has ended: a gn_query_log_cb. */
void member_query(const struct gn_query *query, void *net);

/** Tell the client: @line is JSON. A client that does not read hears
 *  nothing. */
void member_tell(struct member *member, cJSON *line);
/** Say once that something was denied, and by which rule it would not be; NULL:
 *  by none. */
void member_denied(struct member *member, const char *what, const char *rule);

/** Put a guest on the network, whose rules become the member's. Returns 0, or
 *  -1 with a line; what there is is ended by join_undo(). */
int join_do(struct member *member, struct join_request *request, char *why,
            size_t why_len);
/** End all but the NIC, the egress and the names. */
void join_undo(struct member *member);
/** Where the guest is, for its client. */
cJSON *join_answer(const struct member *member);

/** The member's way outside. Return 0, or -1 with a line. */
int way_open(struct member *member, char *why, size_t why_len);
void way_close(struct member *member);
/** May this guest look @name up? */
bool way_allows_name(const struct member *member, const char *name);

#endif /* CLI_NET_MEMBER_H */
