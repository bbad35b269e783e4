/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/net/report.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <guestnet/namespace.h>
#include <guestnet/nic.h>
#include <guestnet/publish.h>
#include <guestnet/stats.h>
#include <guestnet/version.h>

#include "cli/net/member.h"
#include "cli/net/net.h"

static void add_ports(const struct member *member, cJSON *array)
{
    for (size_t i = 0; i < member->n_ports; i++) {
        const struct port *port = &member->ports[i];
        struct gn_publication_stats stats;
        char at[GN_ADDR_TEXT_MAX] = "";
        cJSON *json = cJSON_CreateObject();

        (void)!gn_publication_addr_text(port->publication, at, sizeof(at));
        gn_publication_stats(port->publication, &stats);
        (void)cJSON_AddStringToObject(json, "at", at);
        (void)cJSON_AddNumberToObject(json, "to", port->to);
        (void)cJSON_AddStringToObject(json, "protocol",
                                      port->udp ? "udp" : "tcp");
        (void)cJSON_AddNumberToObject(json, "clients", (double)stats.accepted);
        (void)cJSON_AddItemToArray(array, json);
    }
}

static void add_count(cJSON *json, const char *name, uint64_t count)
{
    if (count)
        (void)cJSON_AddNumberToObject(json, name, (double)count);
}

static void add_traffic(cJSON *guest, const char *name, uint64_t bytes,
                        uint64_t packets)
{
    cJSON *json = cJSON_AddObjectToObject(guest, name);

    (void)cJSON_AddNumberToObject(json, "bytes", (double)bytes);
    (void)cJSON_AddNumberToObject(json, "packets", (double)packets);
}

static void add_counters(const struct member *member, struct gn_nic *of,
                         cJSON *guest)
{
    cJSON *dropped;
    struct gn_nic_stats nic;
    struct gn_stats stats;
    char mac[18];

    gn_nic_stats(of, &nic);
    gn_namespace_stats(gn_nic_namespace(of), &stats);
    (void)snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x",
                   nic.mac[0], nic.mac[1], nic.mac[2], nic.mac[3], nic.mac[4],
                   nic.mac[5]);
    (void)cJSON_AddStringToObject(guest, "mac", mac);
    (void)cJSON_AddBoolToObject(guest, "connected", nic.carrier);
    (void)cJSON_AddNumberToObject(guest, "denied", (double)member->denied);
    add_traffic(guest, "sent", nic.bytes_in, nic.frames_in);
    add_traffic(guest, "received", nic.bytes_out, nic.frames_out);
    dropped = cJSON_AddObjectToObject(guest, "dropped");
    add_count(dropped, "not-ip", nic.not_ip);
    add_count(dropped, "spoofed", nic.spoofed);
    add_count(dropped, "malformed", nic.malformed);
    add_count(dropped, "full", nic.full);
    for (int i = GN_DROP_NONE + 1; i < GN_N_DROPS; i++)
        if (!cJSON_GetObjectItem(dropped, gn_drop_name((enum gn_drop)i)))
            add_count(dropped, gn_drop_name((enum gn_drop)i), stats.drops[i]);
}

static void add_guest(const struct gn_namespace_info *info, void *arg)
{
    const struct member *member;
    struct gn_nic *nic = NULL;
    struct net *net = ((void **)arg)[0];
    cJSON *array = ((void **)arg)[1], *guest, *addresses;
    char text[GN_ADDR_TEXT_MAX];

    for (member = net->members; member; member = member->next)
        if ((nic = member_nic_of(member, info->ns)))
            break;
    if (!nic)
        return;
    guest = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(guest, "name", info->name);
    addresses = cJSON_AddArrayToObject(guest, "addresses");
    for (size_t i = 0; i < info->n_addrs; i++)
        if (!gn_ip_format(&info->addrs[i], text, sizeof(text)))
            (void)cJSON_AddItemToArray(addresses, cJSON_CreateString(text));
    add_ports(member, cJSON_AddArrayToObject(guest, "ports"));
    if (member->rules)
        (void)cJSON_AddItemToObject(guest, "rules",
                                    cJSON_Duplicate(member->rules, true));
    add_counters(member, nic, guest);
    (void)cJSON_AddItemToArray(array, guest);
}

/* What has become of the machines that came to a path for many. */
static void add_shared(const struct member *member, cJSON *array)
{
    struct gn_nic_listener_stats stats;
    cJSON *json, *away;

    if (!member->nics)
        return;
    gn_nic_listener_stats(member->nics, &stats);
    json = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(json, "name", member->name);
    (void)cJSON_AddNumberToObject(json, "clients", (double)stats.clients);
    (void)cJSON_AddNumberToObject(json, "waiting", stats.waiting);
    away = cJSON_AddObjectToObject(json, "turned_away");
    add_count(away, "full", stats.full);
    add_count(away, "crowded", stats.crowded);
    add_count(away, "silent", stats.silent);
    add_count(away, "malformed", stats.malformed);
    add_count(away, "failed", stats.failed);
    (void)cJSON_AddItemToArray(array, json);
}

cJSON *report_network(struct net *net)
{
    cJSON *json = cJSON_CreateObject();
    void *what[2] = {net, NULL};

    (void)cJSON_AddStringToObject(json, "network", net->name);
    (void)cJSON_AddNumberToObject(json, "pid", getpid());
    (void)cJSON_AddStringToObject(json, "version", gn_version_string());
    (void)cJSON_AddStringToObject(json, "domain",
                                  gn_network_domain(net->network));
    what[1] = cJSON_AddArrayToObject(json, "guests");
    (void)gn_network_each_namespace(net->network, add_guest, what);
    what[1] = cJSON_AddArrayToObject(json, "shared");
    for (const struct member *at = net->members; at; at = at->next)
        add_shared(at, what[1]);
    return json;
}
