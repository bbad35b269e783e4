/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/dns/dns.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <guestnet/resolver.h>
#include <guestnet/socket.h>

#define HEADER_LEN 12u

/* ---- answering ---- */

static void send_bytes(const struct gn__dns_from *from, bool tcp,
                       const uint8_t *msg, size_t len)
{
    if (!tcp)
        (void)gn_sock_sendto(from->sock, msg, len, MSG_DONTWAIT,
                             (const struct sockaddr *)&from->addr,
                             from->addr_len);
    else if (from->conn)
        gn__dns_conn_send(from->conn, msg, len);
}

/* Its name cannot be repeated in a message: the client hears nothing. */
static void count_unanswered(const struct gn__dns_server *server,
                             const struct gn__dns_from *from)
{
    struct gn_namespace *ns = gn__dns_asker(server, from);

    if (!ns)
        return;
    gn__dns_count(ns, GN_DROP_MALFORMED);
    gn__ns_unref(ns);
}

static void send_answer(struct gn__dns_server *server,
                        const struct gn__dns_from *from, bool tcp,
                        const struct gn__dns_question *question,
                        const struct gn__dns_answer *answer)
{
    size_t cap = tcp ? GN__DNS_ANSWER_MAX : question->udp_size, len;
    uint8_t *out = gn__alloc(server->mem, cap);

    if (!out)
        return; /* The client asks again. */
    len = gn__dns_write(question, answer, out, cap);
    if (len)
        send_bytes(from, tcp, out, len);
    else
        count_unanswered(server, from);
    gn__free(server->mem, out, cap);
}

static void send_rcode(struct gn__dns_server *server,
                       const struct gn__dns_from *from, bool tcp,
                       const struct gn__dns_question *question,
                       enum gn__dns_rcode rcode)
{
    const char *zone = gn_network_domain(server->net);
    struct gn__dns_answer answer = {.rcode = rcode, .zone = NULL};

    if (rcode == GN__RCODE_OK || rcode == GN__RCODE_NXDOMAIN)
        answer.zone = zone[0] ? zone : NULL;
    send_answer(server, from, tcp, question, &answer);
}

/* ---- lookups that have ended ---- */

static enum gn__dns_rcode rcode_of(int status)
{
    switch (status) {
    case 0:
    case GN_EAI_NODATA:
    case GN_EAI_ADDRFAMILY:
        return GN__RCODE_OK;
    case GN_EAI_NONAME:
        return GN__RCODE_NXDOMAIN;
    default:
        return GN__RCODE_SERVFAIL;
    }
}

static void request_free(struct gn__dns_request *request)
{
    struct gn__dns_server *server = request->server;

    gn__list_del(&request->of_server);
    gn__list_del(&request->of_conn);
    gn_lookup_unref(request->lookup);
    gn__ns_unref(request->ns);
    gn_sock_unref(request->from.sock);
    gn__free(server->mem, request, sizeof(*request));
    gn__dns_release(server);
}

static void request_fail(struct gn__dns_request *request, int status)
{
    if (!request->server->closing && status != -ECANCELED)
        send_rcode(request->server, &request->from, request->tcp,
                   &request->question, rcode_of(status));
    request_free(request);
}

static void found_addresses(struct gn_lookup *lookup, int status,
                            const struct gn_answer *answers, size_t n,
                            void *arg)
{
    struct gn__dns_request *request = arg;
    struct gn__dns_answer answer = {.addrs = answers, .n = n};

    (void)lookup;
    if (status || !n || request->server->closing) {
        request_fail(request, status);
        return;
    }
    send_answer(request->server, &request->from, request->tcp,
                &request->question, &answer);
    request_free(request);
}

static void found_name(struct gn_lookup *lookup, int status, const char *name,
                       void *arg)
{
    struct gn__dns_request *request = arg;
    struct gn__dns_answer answer = {.host = name, .ttl_s = 5};

    (void)lookup;
    if (status || request->server->closing) {
        request_fail(request, status);
        return;
    }
    send_answer(request->server, &request->from, request->tcp,
                &request->question, &answer);
    request_free(request);
}

/* As much of an answer as there is room for, which is none of it: the client
 * comes again by TCP. */
static void send_cut(struct gn__dns_request *request)
{
    const struct gn__dns_answer answer = {.cut = true};

    send_answer(request->server, &request->from, request->tcp,
                &request->question, &answer);
}

/* A whole message of another server's, by the number of this question. */
static void found_message(struct gn_lookup *lookup, int status,
                          const void *message, size_t len, void *arg)
{
    struct gn__dns_request *request = arg;
    struct gn__dns_server *server = request->server;
    size_t cap = request->tcp ? GN__DNS_ANSWER_MAX : request->question.udp_size;
    uint8_t *out;

    (void)lookup;
    if (status || server->closing || len < HEADER_LEN) {
        request_fail(request, status ? status : GN_EAI_AGAIN);
        return;
    }
    out = len > cap ? NULL : gn__alloc(server->mem, len);
    if (len > cap) {
        send_cut(request);
    } else if (out) {
        memcpy(out, message, len);
        out[0] = (uint8_t)(request->question.id >> 8);
        out[1] = (uint8_t)request->question.id;
        send_bytes(&request->from, request->tcp, out, len);
        gn__free(server->mem, out, len);
    }
    request_free(request);
}

void gn__dns_request_cancel(struct gn__dns_request *request)
{
    request->from.conn = NULL;
    gn_lookup_cancel(request->lookup);
}

/* ---- names of the network ---- */

#define OWN_ADDRS 32u
#define OWN_TTL   5u /* s: a guest may go at any time */

static void own_answers(const struct gn__addr *addrs, size_t n,
                        struct gn_answer *out)
{
    size_t i;

    for (i = 0; i < n; i++) {
        struct gn__endpoint at = {.addr = addrs[i]};

        (void)gn__endpoint_to_sockaddr(&at, gn__addr_family(&addrs[i]),
                                       (struct sockaddr *)&out[i].addr,
                                       sizeof(out[i].addr));
        out[i].ttl_s = OWN_TTL;
    }
}

/* False: it is no guest's name, nor the gateway's. */
static bool answer_guest(struct gn__dns_request *request)
{
    const struct gn__dns_question *q = &request->question;
    int family = q->type == GN__DNS_A ? AF_INET : AF_INET6;
    struct gn_answer answers[OWN_ADDRS];
    struct gn__addr addrs[OWN_ADDRS];
    struct gn__dns_answer answer = {.authoritative = true, .addrs = answers};

    if (gn__ns_find_name(request->ns, q->name, family, addrs, OWN_ADDRS,
                         &answer.n))
        return false;
    own_answers(addrs, answer.n, answers);
    if (answer.n)
        send_answer(request->server, &request->from, request->tcp, q, &answer);
    else
        send_rcode(request->server, &request->from, request->tcp, q,
                   GN__RCODE_OK);
    return true;
}

/* The same of an address. */
static bool answer_addr(struct gn__dns_request *request)
{
    struct sockaddr_storage addr;
    char name[GN__NAME_ROOM];
    struct gn__dns_answer answer = {
        .authoritative = true, .host = name, .ttl_s = OWN_TTL};
    struct gn__endpoint at;

    if (!gn__dns_reverse(request->question.name, &addr) ||
        gn__endpoint_from_sockaddr((struct sockaddr *)&addr, sizeof(addr),
                                   AF_UNSPEC, &at) ||
        gn__ns_find_addr(request->ns, &at.addr, name))
        return false;
    send_answer(request->server, &request->from, request->tcp,
                &request->question, &answer);
    return true;
}

/* A guest has no records of other types, but its name is no other's for
 * that. */
static bool answer_nothing(struct gn__dns_request *request)
{
    struct gn__addr addrs[OWN_ADDRS];
    size_t n;

    if (gn__ns_find_name(request->ns, request->question.name, AF_INET, addrs,
                         OWN_ADDRS, &n))
        return false;
    send_rcode(request->server, &request->from, request->tcp,
               &request->question, GN__RCODE_OK);
    return true;
}

/* "_http._tcp.web.guest.internal", taken apart in place: the rest behind the
 * protocol, with what is asked for; NULL: it is no service's name. */
static const char *service_parse(char *lower, struct gn__served *what)
{
    char *proto = lower[0] == '_' ? strchr(lower, '.') : NULL;
    bool tcp = proto && !strncmp(proto, "._tcp.", 6);

    if (!proto || (!tcp && strncmp(proto, "._udp.", 6) != 0))
        return NULL;
    *proto = 0;
    *what = (struct gn__served){.proto = tcp ? GN__PROTO_TCP : GN__PROTO_UDP,
                                .family = AF_UNSPEC,
                                .name = proto + 6};
    what->port = gn__service_port(tcp ? "tcp" : "udp", lower + 1);
    return what->name;
}

static void send_service(struct gn__dns_request *request,
                         const struct gn__served *what,
                         const struct gn__addr *addrs, size_t n)
{
    struct gn_answer answers[OWN_ADDRS];
    struct gn__dns_answer answer = {.authoritative = true,
                                    .addrs = answers,
                                    .n = n,
                                    .host = what->name,
                                    .port = what->port,
                                    .ttl_s = OWN_TTL};

    own_answers(addrs, n, answers);
    send_answer(request->server, &request->from, request->tcp,
                &request->question, &answer);
}

/* A service of a guest (RFC 2782): one that it serves, or that is published, at
 * the port of that name. False: it is none of a guest's. */
static bool answer_service(struct gn__dns_request *request)
{
    const struct gn__dns_question *q = &request->question;
    char lower[GN__HOSTNAME_MAX + 1];
    struct gn__addr addrs[OWN_ADDRS];
    struct gn__served what;
    const char *host;
    bool served;
    size_t n;

    if (!gn__hostname_is_valid(q->name))
        return false;
    gn__hostname_lower(q->name, lower);
    host = service_parse(lower, &what);
    if (!host ||
        gn__ns_find_name(request->ns, host, AF_UNSPEC, addrs, OWN_ADDRS, &n))
        return false;
    served = what.port && gn__ns_is_served(request->ns, &what);
    if (served && q->type == GN__DNS_SRV)
        send_service(request, &what, addrs, n);
    else
        send_rcode(request->server, &request->from, request->tcp, q,
                   served ? GN__RCODE_OK : GN__RCODE_NXDOMAIN);
    return true;
}

static bool answer_own(struct gn__dns_request *request)
{
    if (answer_service(request))
        return true;
    switch (request->question.type) {
    case GN__DNS_A:
    case GN__DNS_AAAA:
        return answer_guest(request);
    case GN__DNS_PTR:
        return answer_addr(request);
    default:
        return answer_nothing(request);
    }
}

/* ---- questions ---- */

/* NULL: no more may wait, or there is no memory; counted at @ns. */
static struct gn__dns_request *request_make(struct gn__dns_server *server,
                                            const struct gn__dns_from *from,
                                            const struct gn__dns_question *q,
                                            struct gn_namespace *ns)
{
    bool full = server->n_requests >= GN__DNS_PENDING_MAX;
    struct gn__dns_request *request =
        full ? NULL : gn__zalloc(server->mem, sizeof(*request));

    if (!request) {
        gn__dns_count(ns, full ? GN_DROP_OUTGOING : GN_DROP_MEMORY);
        return NULL;
    }
    request->server = server;
    request->from = *from;
    request->question = *q;
    request->ns = ns;
    request->tcp = from->conn != NULL;
    (void)gn_sock_ref(from->sock);
    gn__list_init(&request->of_conn);
    gn__list_add_tail(&server->requests, &request->of_server);
    server->n_requests++;
    return request;
}

static int look_up(struct gn__dns_request *request)
{
    const struct gn__dns_question *q = &request->question;
    struct sockaddr_storage addr;
    char name[GN__DNS_NAME_ROOM + 1];

    /* With a dot at its end: nothing is searched for, the client does that. */
    (void)snprintf(name, sizeof(name), "%s.", q->name);
    if (q->type == GN__DNS_A || q->type == GN__DNS_AAAA)
        return gn_lookup(request->ns, q->type == GN__DNS_A ? "ip4" : "ip6",
                         name, found_addresses, request, &request->lookup);
    if (q->type == GN__DNS_PTR && gn__dns_reverse(q->name, &addr))
        return gn_lookup_addr(request->ns, (struct sockaddr *)&addr, found_name,
                              request, &request->lookup);
    return gn_lookup_query(request->ns, name, q->type, found_message, request,
                           &request->lookup);
}

/* No name has any here: resolvers go on to A. */
static bool is_without_data(const struct gn__dns_question *question)
{
    return question->type == GN__DNS_HTTPS || question->type == GN__DNS_ANY;
}

/* What is asked for by a message that is no question, or of a kind that is not
 * known here. */
static void question_refuse(struct gn__dns_server *server,
                            const struct gn__dns_from *from,
                            const struct gn__dns_question *question, int rcode,
                            struct gn_namespace *ns)
{
    gn__dns_count(ns, rcode == GN__RCODE_NOTIMP || rcode == GN__RCODE_REFUSED
                          ? GN_DROP_PROTOCOL
                          : GN_DROP_MALFORMED);
    if (rcode >= 0)
        send_rcode(server, from, from->conn != NULL, question,
                   (enum gn__dns_rcode)rcode);
}

/* @ns is consumed. */
static struct gn__dns_request *question_ask(
    struct gn__dns_server *server, const struct gn__dns_from *from,
    const struct gn__dns_question *question, struct gn_namespace *ns)
{
    struct gn__dns_request *request = request_make(server, from, question, ns);
    int err;

    if (!request) {
        gn__ns_unref(ns);
        return NULL;
    }
    if (answer_own(request)) {
        request_free(request);
        return NULL;
    }
    err = look_up(request);
    if (!err)
        return request;
    request_fail(request, err == -EINVAL ? GN_EAI_NONAME : err);
    return NULL;
}

struct gn__dns_request *gn__dns_ask(struct gn__dns_server *server,
                                    const struct gn__dns_from *from,
                                    const void *msg, size_t len)
{
    struct gn_namespace *ns = gn__dns_asker(server, from);
    struct gn__dns_question question;
    int rcode = gn__dns_parse(msg, len, &question);

    if (!ns)
        return NULL; /* It is gone: it waits for no answer. */
    if (rcode == GN__RCODE_OK && question.class_ != 1)
        rcode = GN__RCODE_REFUSED;
    if (rcode == GN__RCODE_OK && !is_without_data(&question))
        return question_ask(server, from, &question, ns);
    if (rcode == GN__RCODE_OK)
        send_rcode(server, from, from->conn != NULL, &question, rcode);
    else
        question_refuse(server, from, &question, rcode, ns);
    gn__ns_unref(ns);
    return NULL;
}
