/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLI_NET_REPORT_H
#define CLI_NET_REPORT_H

#include <cjson/cJSON.h>

struct net;

/**
 * A network as JSON:
 *
 *     {"network": "lab", "pid": 1, "version": "1.2.3",
 *      "domain": "guest.internal",
 *      "guests": [{"name": "web", "addresses": ["10.77.0.2"],
 *          "mac": "52:54:00:12:34:56", "connected": true,
 *          "ports": [{"at": "127.0.0.1:8080", "to": 80, "protocol": "tcp",
 *              "clients": 3}],
 *          "rules": ["allow any"], "denied": 0,
 *          "sent": {"bytes": 1, "packets": 1},
 *          "received": {"bytes": 1, "packets": 1},
 *          "dropped": {"spoofed": 1}}],
 *      "shared": [{"name": "vm", "clients": 3, "waiting": 0,
 *          "turned_away": {"full": 1}}]}
 */
cJSON *report_network(struct net *net);

#endif /* CLI_NET_REPORT_H */
