/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What a member asks for when it joins: a NIC with its limits, its link, its
 * published ports and its capture. All of it is opened by the client, whose
 * files and ports they are, and comes as descriptors.
 */
#include "cli/net/member.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <guestnet/capture.h>
#include <guestnet/error.h>
#include <guestnet/link.h>
#include <guestnet/nic.h>
#include <guestnet/publish.h>

#include "cli/net/net.h"
#include "cli/net/request.h"
#include "cli/say.h"

/* The next descriptor that came; -1: there is none. It is the caller's. */
static int take_fd(struct member *member)
{
    int fd = member->n_fds ? member->fds[0] : -1;

    if (fd < 0)
        return -1;
    member->n_fds--;
    memmove(member->fds, member->fds + 1, member->n_fds * sizeof(int));
    return fd;
}

/* ---- the NIC ---- */

/* Machines come and go; a device that is gone does not come again. */
static void tap_event(struct gn_nic *nic, enum gn_nic_event what, void *arg)
{
    struct gn_nic_stats stats;
    cJSON *line;

    gn_nic_stats(nic, &stats);
    if (what != GN_NIC_CARRIER || stats.carrier)
        return;
    line = cJSON_CreateObject();
    (void)cJSON_AddBoolToObject(line, "gone", true);
    member_tell(arg, line);
}

static int shared_open(struct member *member,
                       const struct join_request *request,
                       const struct gn_nic_config *config, int fd)
{
    const struct gn_nic_listen_options options = {.size = sizeof(options),
                                                  .max_nics = request->shared,
                                                  .use_fd = true,
                                                  .fd = fd};

    return gn_nic_listen(member->net->network, config, NULL, &options,
                         &member->nics);
}

static int wire_open(struct member *member, const struct join_request *request,
                     const struct gn_nic_config *config, int fd)
{
    struct gn_network *network = member->net->network;

    switch (request->wire) {
    case WIRE_QEMU:
        if (request->shared)
            return shared_open(member, request, config, fd);
        return gn_nic_fd(network, config, fd, GN_FRAMING_QEMU, &member->nic);
    case WIRE_VSOCK:
        return gn_nic_vsock(network, config, NULL, request->port, fd,
                            &member->nic);
    default:
        return gn_nic_tap(network, config, NULL, fd, &member->nic);
    }
}

static int nic_open(struct member *member, const struct join_request *request,
                    char *why, size_t why_len)
{
    const struct gn_nic_config config = {
        .size = sizeof(config),
        .name = member->name,
        .mtu = request->mtu,
        .egress = member->egress,
        .resolver = member->names,
        .event = request->wire == WIRE_TAP ? tap_event : NULL,
        .event_arg = member,
        .why = why,
        .why_len = why_len};
    int fd = take_fd(member);
    int err;

    why[0] = '\0';
    if (fd < 0)
        return why_set(why, why_len, "the wire's descriptor is missing");
    err = wire_open(member, request, &config, fd);
    if (!err)
        return 0;
    close(fd);
    if (err == -EADDRINUSE)
        return why_set(why, why_len,
                       "the name %s%s is taken on this network; choose another "
                       "--name",
                       member->name, request->shared ? "N" : "");
    if (!why[0])
        (void)why_set(why, why_len, "%s: %s", request_wire(request),
                      gn_strerror(err));
    return -1;
}

static int link_apply(struct member *member, const struct join_request *request,
                      char *why, size_t why_len)
{
    struct gn_nic *nic;
    int err = 0;

    for (unsigned i = 0; !err && (nic = member_nic(member, i)); i++)
        err = gn_link_set(gn_nic_namespace(nic), NULL, &request->link);
    return err ? why_set(why, why_len, "the link: %s", gn_strerror(err)) : 0;
}

/* ---- ports and captures ---- */

/* The next of those that were asked for. */
static int port_open(struct member *member, const struct join_request *request,
                     char *why, size_t why_len)
{
    struct port *port = &member->ports[member->n_ports];
    struct gn_publish_options options = {.size = sizeof(options),
                                         .use_fd = true,
                                         .fd = take_fd(member),
                                         .why = why,
                                         .why_len = why_len};
    char target[80];
    int err;

    why[0] = '\0';
    if (options.fd < 0)
        return why_set(why, why_len, "a published port has no descriptor");
    port->udp = request->publish[member->n_ports].udp;
    port->to = request->publish[member->n_ports].to;
    (void)snprintf(target, sizeof(target), "%s:%u", member->name, port->to);
    err = gn_publish(member->net->network, port->udp ? "udp" : "tcp", NULL,
                     target, &options, &port->publication);
    if (!err) {
        member->n_ports++;
        return 0;
    }
    close(options.fd);
    if (!why[0])
        (void)why_set(why, why_len, "a published port: %s", gn_strerror(err));
    return -1;
}

static int ports_open(struct member *member, const struct join_request *request,
                      char *why, size_t why_len)
{
    while (member->n_ports < request->n_publish)
        if (port_open(member, request, why, why_len))
            return -1;
    return 0;
}

static int capture_open(struct member *member,
                        const struct join_request *request, char *why,
                        size_t why_len)
{
    struct stat st;
    int fd, err;

    if (!request->pcap)
        return 0;
    fd = take_fd(member);
    if (fd >= 0 && (fstat(fd, &st) || !S_ISREG(st.st_mode))) {
        close(fd);
        return why_set(why, why_len,
                       "the capture: it must be a regular file, as a reader "
                       "that stops would stop the network");
    }
    err = fd < 0 ? -EBADF
                 : gn_capture_start_fd(member->net->network,
                                       gn_nic_namespace(member_nic(member, 0)),
                                       fd, &member->capture);
    if (fd >= 0)
        close(fd);
    return err ? why_set(why, why_len, "the capture: %s", gn_strerror(err)) : 0;
}

/* ---- all of it ---- */

int join_do(struct member *member, struct join_request *request, char *why,
            size_t why_len)
{
    (void)snprintf(member->name, sizeof(member->name), "%s", request->name);
    member->rules = request->rules;
    request->rules = NULL; /* They are the member's now. */
    return way_open(member, why, why_len) ||
                   nic_open(member, request, why, why_len) ||
                   link_apply(member, request, why, why_len) ||
                   ports_open(member, request, why, why_len) ||
                   capture_open(member, request, why, why_len)
               ? -1
               : 0;
}

void join_undo(struct member *member)
{
    while (member->n_ports)
        gn_unpublish(member->ports[--member->n_ports].publication, NULL, NULL);
    (void)gn_capture_stop(member->capture);
    member->capture = NULL;
}

/* ---- where it is ---- */

static void add_addresses(struct gn_namespace *ns, bool with_length,
                          cJSON *array)
{
    struct gn_interface eth0;
    char text[GN_ADDR_TEXT_MAX + 4];

    if (gn_namespace_interface_by_name(ns, "eth0", &eth0))
        return;
    for (size_t i = 0; i < eth0.n_addrs; i++) {
        const struct gn_ip *ip = &eth0.addrs[i].ip;
        size_t len;

        if (ip->family != AF_INET && ip->bytes[0] == 0xfe)
            continue; /* The link's own. */
        if (gn_ip_format(ip, text, sizeof(text)))
            continue;
        len = strlen(text);
        if (with_length)
            (void)snprintf(text + len, sizeof(text) - len, "/%u",
                           eth0.addrs[i].prefix_len);
        (void)cJSON_AddItemToArray(array, cJSON_CreateString(text));
    }
}

cJSON *join_answer(const struct member *member)
{
    struct gn_namespace *ns = gn_nic_namespace(member_nic(member, 0));
    struct gn_network *network = member->net->network;
    cJSON *line = cJSON_CreateObject();

    add_addresses(ns, true, cJSON_AddArrayToObject(line, "addresses"));
    add_addresses(gn_network_gateway(network), false,
                  cJSON_AddArrayToObject(line, "gateways"));
    (void)cJSON_AddStringToObject(line, "domain", gn_network_domain(network));
    return line;
}
