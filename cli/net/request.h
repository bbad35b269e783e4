/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLI_NET_REQUEST_H
#define CLI_NET_REQUEST_H

/*
 * The line that a member joins with (member.h), read and judged as a whole: no
 * number is cut to fit, and only the checks that need the network are left for
 * later.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include <guestnet/link.h>

#include "cli/options.h"

/** What leads to the guest: an open TAP; a Unix socket that listens for QEMU;
 *  one to a process that connects to the vsock of a VMM, as gn_nic_vsock()
 *  takes it. */
enum wire { WIRE_TAP = 0, WIRE_QEMU, WIRE_VSOCK, N_WIRES };

struct join_request {
    char name[64];
    enum wire wire;
    uint32_t port;   /* the guest's, of WIRE_VSOCK */
    uint32_t shared; /* NICs of one path, of WIRE_QEMU; 0: one, whose it is */
    uint32_t mtu;
    cJSON *rules; /* an array of up to RULES_MAX strings; NULL: none */
    struct {
        uint16_t to; /* 1 to 65535 */
        bool udp;
    } publish[PUBLISH_MAX];
    size_t n_publish;
    struct gn_link_config link;
    bool pcap;
};

/**
 * Read @len bytes, which begin with the line.
 *
 * @out  Owned by the caller: request_done(), whatever is returned.
 *
 * Returns 0, or -1 with a line.
 */
int request_read(const char *text, size_t len, struct join_request *out,
                 char *why, size_t why_len);
void request_done(struct join_request *request);
/** "tap", "qemu" or "vsock" */
const char *request_wire(const struct join_request *request);

#endif /* CLI_NET_REQUEST_H */
