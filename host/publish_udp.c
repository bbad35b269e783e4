/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Datagrams. There is one descriptor for all clients, and a flow for each pair
 * of a client and an address it sent to, from which it gets its answers: a
 * client that asked one address of a machine drops what comes from another.
 *
 * To the guest a flow is the client itself, where it can be shown, or else a
 * socket of the gateway's with a port of its own. It ends when it was idle for
 * its time, when its guest says that nobody hears there (the next datagram
 * begins another), or when it is the one that was idle longest and there are
 * too many. Flows that were never answered, which is what forged senders make,
 * have a list of their own: they end sooner, and make room first.
 *
 * An ICMP error that the kernel reports about an answer ends up in the guest
 * where it belongs to a flow that is shown; the other way round a process
 * without privileges has none to send.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <linux/errqueue.h> /* Needs time.h. */

#include "host/forward/forward.h"
#include "host/publish.h"
#include "namespace/namespace.h"

/** Datagrams read in one turn, from the kernel or from one socket. */
#define READ_AT_ONCE 64u
/** An answered flow may be idle for so many times as long. */
#define ANSWERED_TIMES 3u

/** Datagrams of a flow that wait while its target is looked up. */
#define WAITING_MAX 4u

/** A datagram that waits. */
struct early {
    struct early *next;
    size_t len;
    uint8_t data[];
};

/** No padding: hashed as bytes. */
struct flow_key {
    struct gn__endpoint client;
    struct gn__addr local; /* what the client sent to; any: unknown */
};

struct flow {
    struct gn__table_node node;
    struct gn__list link; /* in pub->clients, or pub->answered */
    struct gn_publication *pub;
    struct flow_key key;
    struct gn__outside_flow *outside; /* shown as the client; else sock; */
    struct gn_sock *sock;             /* neither: its target is looked up */
    struct gn__list waits;            /* in pub->waiting */
    struct early *early;              /* oldest first */
    unsigned n_early;
    uint64_t used_at; /* ns */
    bool answered;
};

_Static_assert(sizeof(struct flow_key) ==
                   sizeof(struct gn__endpoint) + sizeof(struct gn__addr),
               "no padding");

/* ---- idling ---- */

static uint64_t idle_ns(const struct flow *flow)
{
    return flow->answered ? flow->pub->idle_ns * ANSWERED_TIMES
                          : flow->pub->idle_ns;
}

static struct flow *first_of(struct gn__list *list)
{
    struct gn__list *node = gn__list_first(list);

    return node ? gn__container_of(node, struct flow, link) : NULL;
}

static void use(struct flow *flow)
{
    struct gn_publication *pub = flow->pub;

    flow->used_at = gn__io_now(pub->io);
    gn__list_del(&flow->link);
    gn__list_add_tail(flow->answered ? &pub->answered : &pub->clients,
                      &flow->link);
    if (!pub->timer.started)
        gn__io_start(pub->io, &pub->timer, flow->used_at + pub->idle_ns);
}

static void drop_early(struct flow *flow)
{
    struct gn_publication *pub = flow->pub;
    struct early *early;

    while ((early = flow->early)) {
        flow->early = early->next;
        gn__free(pub->io->mem, early, sizeof(*early) + early->len);
        pub->stats.dropped++;
    }
    flow->n_early = 0;
}

static void end_flow(struct flow *flow)
{
    struct gn_publication *pub = flow->pub;

    drop_early(flow);
    gn__table_del(&pub->flows, &flow->node);
    gn__list_del(&flow->link);
    gn__list_del(&flow->waits);
    if (flow->outside)
        gn__outside_flow_close(flow->outside);
    if (flow->sock) {
        gn_sock_close(flow->sock);
        gn_sock_unref(flow->sock);
    }
    pub->stats.active--;
    gn__free(pub->io->mem, flow, sizeof(*flow));
}

/* End what is idle; returns when the next of @list is. */
static uint64_t end_idle(struct gn__list *list, uint64_t now)
{
    struct flow *flow;

    while ((flow = first_of(list))) {
        if (flow->used_at + idle_ns(flow) > now)
            return flow->used_at + idle_ns(flow);
        end_flow(flow);
    }
    return UINT64_MAX;
}

static void look_for_idle(struct gn__io_timer *timer)
{
    struct gn_publication *pub =
        gn__container_of(timer, struct gn_publication, timer);
    uint64_t now = gn__io_now(pub->io);
    uint64_t next = end_idle(&pub->clients, now);
    uint64_t other = end_idle(&pub->answered, now);

    if (other < next)
        next = other;
    if (next != UINT64_MAX)
        gn__io_start(pub->io, &pub->timer, next);
}

static void make_room(struct gn_publication *pub)
{
    struct flow *flow = first_of(&pub->clients);

    if (!flow)
        flow = first_of(&pub->answered);
    if (flow && pub->stats.active >= pub->max_clients)
        end_flow(flow);
}

/* ---- to the client ---- */

/* Room for either; each is sent alone. */
union control {
    struct cmsghdr align;
    char v4[CMSG_SPACE(sizeof(struct in_pktinfo))];
    char v6[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

static void put_control(struct msghdr *msg, int level, int type,
                        const void *info, size_t len)
{
    struct cmsghdr *head = msg->msg_control;

    head->cmsg_level = level;
    head->cmsg_type = type;
    head->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(head), info, len);
    msg->msg_controllen = CMSG_SPACE(len);
}

/* Send from this address. An IPv6 socket takes a mapped IPv4 address. */
static void put_source(struct msghdr *msg, int family,
                       const struct gn__addr *local)
{
    struct gn__endpoint from = {.addr = *local};
    struct in_pktinfo v4 = {.ipi_ifindex = 0};
    struct in6_pktinfo v6 = {.ipi6_ifindex = 0};
    struct sockaddr_storage addr;

    (void)gn__endpoint_to_sockaddr(&from, family, (struct sockaddr *)&addr,
                                   sizeof(addr));
    if (family == AF_INET) {
        v4.ipi_spec_dst = ((struct sockaddr_in *)(void *)&addr)->sin_addr;
        put_control(msg, IPPROTO_IP, IP_PKTINFO, &v4, sizeof(v4));
    } else {
        v6.ipi6_addr = ((struct sockaddr_in6 *)(void *)&addr)->sin6_addr;
        put_control(msg, IPPROTO_IPV6, IPV6_PKTINFO, &v6, sizeof(v6));
    }
}

static void answer(struct flow *flow, const void *data, size_t len)
{
    struct gn_publication *pub = flow->pub;
    struct iovec iov = {(void *)(uintptr_t)data, len};
    struct sockaddr_storage addr;
    union control control;
    struct msghdr msg = {.msg_name = &addr,
                         .msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control};

    flow->answered = true;
    use(flow);
    msg.msg_namelen = gn__endpoint_to_sockaddr(
        &flow->key.client, pub->family, (struct sockaddr *)&addr, sizeof(addr));
    if (gn__addr_is_any(&flow->key.local))
        msg.msg_control = NULL;
    else
        put_source(&msg, pub->family, &flow->key.local);
    if (sendmsg(pub->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        pub->stats.dropped++;
}

/* ---- to the guest ---- */

static void outside_received(struct gn__outside_flow *outside, const void *data,
                             size_t len, void *user)
{
    (void)outside;
    answer(user, data, len);
}

static void outside_failed(struct gn__outside_flow *outside, int error,
                           void *user)
{
    struct flow *flow = user;

    (void)outside;
    if (error == -ECONNREFUSED)
        flow->pub->stats.unreached++;
    end_flow(flow);
}

static void outside_ended(struct gn__outside_flow *outside, int why, void *user)
{
    (void)outside;
    (void)why;
    end_flow(user);
}

static const struct gn__outside_flow_ops outside_ops = {
    .received = outside_received,
    .failed = outside_failed,
    .ended = outside_ended,
};

static void sock_ready(struct gn_sock *sock, short revents, void *arg)
{
    struct flow *flow = arg;
    struct gn_publication *pub = flow->pub;
    unsigned left = READ_AT_ONCE;
    ssize_t n = 0;

    (void)revents;
    while (left-- && n >= 0) {
        n = gn_sock_recv(sock, pub->datagram, GN__PUBLISH_DATAGRAM, 0);
        if (n >= 0)
            answer(flow, pub->datagram, (size_t)n);
    }
    if (n >= 0 || n == -EAGAIN)
        return;
    if (n == -ECONNREFUSED)
        pub->stats.unreached++;
    end_flow(flow);
}

static int open_sock(struct flow *flow, const struct gn__endpoint *to)
{
    int err = gn__gateway_connect(flow->pub->net, SOCK_DGRAM, to, &flow->sock);

    if (!err)
        err = gn_sock_watch(flow->sock, POLLIN, sock_ready, flow);
    return err; /* The flow, which ends, has the socket. */
}

static int open_way(struct flow *flow)
{
    struct gn__outside_flow_config config = {
        .ops = &outside_ops, .user = flow, .brief_ns = flow->pub->idle_ns};
    struct gn_publication *pub = flow->pub;
    struct gn__endpoint to;
    int err = gn__publish_pick(pub, &flow->key.client, &to);

    if (err)
        return err;
    err = -EADDRNOTAVAIL;
    if (gn__publish_shows(pub, &flow->key.client, &to))
        err = gn__outside_flow_open(pub->net, &flow->key.client, &to, &config,
                                    &flow->outside);
    if (err != -EADDRNOTAVAIL && err != -EADDRINUSE)
        return err;
    if (!pub->as_gateway)
        pub->stats.as_gateway++;
    return open_sock(flow, &to);
}

static struct flow *create_flow(struct gn_publication *pub,
                                const struct flow_key *key)
{
    struct flow *flow = gn__zalloc(pub->io->mem, sizeof(*flow));

    if (!flow)
        return NULL;
    flow->pub = pub;
    flow->key = *key;
    gn__list_init(&flow->link);
    gn__list_init(&flow->waits);
    if (!gn__table_add(&pub->flows, &flow->node, &flow->key, sizeof(flow->key)))
        return flow;
    gn__free(pub->io->mem, flow, sizeof(*flow));
    return NULL;
}

/* Its way to the guest, or the wait for it. */
static int set_out(struct flow *flow)
{
    struct gn_publication *pub = flow->pub;

    if (pub->target.has_addr)
        return open_way(flow);
    gn__list_add_tail(&pub->waiting, &flow->waits);
    return gn__publish_ask(pub);
}

static struct flow *begin_flow(struct gn_publication *pub,
                               const struct flow_key *key)
{
    struct flow *flow;

    make_room(pub);
    flow = create_flow(pub, key);
    pub->stats.accepted++;
    if (!flow) {
        pub->stats.unreached++;
        return NULL;
    }
    pub->stats.active++;
    if (!set_out(flow))
        return flow;
    pub->stats.unreached++;
    end_flow(flow);
    return NULL;
}

static struct flow *find_flow(struct gn_publication *pub,
                              const struct flow_key *key)
{
    struct gn__table_node *node =
        gn__table_find(&pub->flows, key, sizeof(*key));

    return node ? gn__container_of(node, struct flow, node) : NULL;
}

static ssize_t keep_early(struct flow *flow, const void *data, size_t len)
{
    struct early *early, **at = &flow->early;

    if (flow->n_early == WAITING_MAX)
        return -ENOBUFS;
    early = gn__alloc(flow->pub->io->mem, sizeof(*early) + len);
    if (!early)
        return -ENOMEM;
    early->next = NULL;
    early->len = len;
    memcpy(early->data, data, len);
    while (*at)
        at = &(*at)->next;
    *at = early;
    flow->n_early++;
    return 0;
}

static ssize_t to_guest(struct flow *flow, const void *data, size_t len)
{
    if (flow->outside)
        return gn__outside_flow_send(flow->outside, data, len);
    if (flow->sock)
        return gn_sock_send(flow->sock, data, len, 0);
    return keep_early(flow, data, len);
}

static void pass(struct gn_publication *pub, const struct flow_key *key,
                 size_t len)
{
    struct flow *flow = find_flow(pub, key);

    if (!flow)
        flow = begin_flow(pub, key);
    if (!flow) {
        pub->stats.dropped++;
        return;
    }
    use(flow);
    if (to_guest(flow, pub->datagram, len) < 0)
        pub->stats.dropped++;
}

static void pass_early(struct flow *flow)
{
    struct gn_publication *pub = flow->pub;
    struct early *early;

    while ((early = flow->early)) {
        flow->early = early->next;
        flow->n_early--;
        if (to_guest(flow, early->data, early->len) < 0)
            pub->stats.dropped++;
        gn__free(pub->io->mem, early, sizeof(*early) + early->len);
    }
}

static void found(struct gn_publication *pub)
{
    struct gn__list *node;

    while ((node = gn__list_pop(&pub->waiting))) {
        struct flow *flow = gn__container_of(node, struct flow, waits);

        if (!open_way(flow)) {
            pass_early(flow);
            continue;
        }
        pub->stats.unreached++;
        end_flow(flow);
    }
}

/* ---- from the kernel ---- */

/* What the kernel says about a datagram, or an error. */
struct notes {
    struct gn__addr local; /* what is to be answered from; any: unknown */
    struct gn__addr to;    /* who it was sent to */
    int error;             /* 0: it is none */
};

/* Room for all of them. */
union notes_room {
    struct cmsghdr align;
    char bytes[256];
};

static void take_note(const struct cmsghdr *head, struct notes *out)
{
    const void *data = CMSG_DATA(head);
    struct in_pktinfo v4;
    struct in6_pktinfo v6;
    struct sock_extended_err error;

    if (head->cmsg_level == IPPROTO_IP && head->cmsg_type == IP_PKTINFO) {
        memcpy(&v4, data, sizeof(v4));
        out->local = gn__addr_from_v4_bytes(&v4.ipi_spec_dst);
        out->to = gn__addr_from_v4_bytes(&v4.ipi_addr);
    } else if (head->cmsg_level == IPPROTO_IPV6 &&
               head->cmsg_type == IPV6_PKTINFO) {
        memcpy(&v6, data, sizeof(v6));
        out->local = gn__addr_from_v6_bytes(&v6.ipi6_addr);
        out->to = out->local;
    } else if ((head->cmsg_level == IPPROTO_IP &&
                head->cmsg_type == IP_RECVERR) ||
               (head->cmsg_level == IPPROTO_IPV6 &&
                head->cmsg_type == IPV6_RECVERR)) {
        memcpy(&error, data, sizeof(error));
        out->error = (int)error.ee_errno;
    }
}

static void take_notes(struct msghdr *msg, struct notes *out)
{
    struct cmsghdr *head;

    out->local = gn__addr_any(AF_INET6);
    out->to = out->local;
    out->error = 0;
    for (head = CMSG_FIRSTHDR(msg); head; head = CMSG_NXTHDR(msg, head))
        take_note(head, out);
    if (gn__addr_is_multicast(&out->local))
        out->local = gn__addr_any(AF_INET6);
}

/* The client's kernel says that nobody hears there, to what the answer left
 * from. */
static void tell_refused(struct gn_publication *pub, const struct flow_key *key)
{
    struct flow *flow = find_flow(pub, key);

    if (flow && flow->outside)
        gn__outside_flow_unreach(flow->outside, -ECONNREFUSED);
}

/* False: there is none. */
static bool take_error(struct gn_publication *pub)
{
    struct sockaddr_storage addr;
    union notes_room room;
    struct msghdr msg = {.msg_name = &addr,
                         .msg_namelen = sizeof(addr),
                         .msg_control = &room,
                         .msg_controllen = sizeof(room)};
    struct flow_key key = {0};
    struct notes notes;

    if (recvmsg(pub->fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
        return false;
    take_notes(&msg, &notes);
    key.local = notes.to;
    if (notes.error == ECONNREFUSED &&
        !gn__endpoint_from_sockaddr((struct sockaddr *)&addr, msg.msg_namelen,
                                    AF_UNSPEC, &key.client))
        tell_refused(pub, &key);
    return true;
}

static void take_errors(struct gn_publication *pub)
{
    unsigned left = READ_AT_ONCE;

    while (left-- && take_error(pub))
        continue;
}

static bool read_one(struct gn_publication *pub)
{
    struct iovec iov = {pub->datagram, GN__PUBLISH_DATAGRAM};
    struct sockaddr_storage addr;
    union notes_room room;
    struct msghdr msg = {.msg_name = &addr,
                         .msg_namelen = sizeof(addr),
                         .msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &room,
                         .msg_controllen = sizeof(room)};
    struct flow_key key = {0};
    struct notes notes;
    ssize_t n = recvmsg(pub->fd, &msg, MSG_DONTWAIT);

    if (n < 0)
        return errno != EAGAIN && errno != ENOMEM && errno != ENOBUFS;
    take_notes(&msg, &notes);
    key.local = notes.local;
    if (gn__endpoint_from_sockaddr((struct sockaddr *)&addr, msg.msg_namelen,
                                   AF_UNSPEC, &key.client))
        pub->stats.dropped++;
    else
        pass(pub, &key, (size_t)n);
    return true;
}

static void ready(struct gn__io_watch *watch, short revents)
{
    struct gn_publication *pub =
        gn__container_of(watch, struct gn_publication, watch);
    unsigned left = READ_AT_ONCE;

    if (revents & POLLERR)
        take_errors(pub);
    while (left-- && read_one(pub))
        continue;
}

static void end(struct gn_publication *pub)
{
    struct flow *flow;

    while ((flow = first_of(&pub->clients)) ||
           (flow = first_of(&pub->answered)))
        end_flow(flow);
}

const struct gn__publish_ops gn__publish_udp = {
    .name = "udp",
    .ready = ready,
    .timer = look_for_idle,
    .found = found,
    .end = end,
};
