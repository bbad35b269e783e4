/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The life of a member:
 *
 *     reading --(a line)--> on the network --(end of file)--> leaving --> gone
 */
#include "cli/net/member.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <guestnet/nic.h>
#include <guestnet/resolver.h>

#include "cli/net/control.h"
#include "cli/net/dialled.h"
#include "cli/net/net.h"
#include "cli/net/request.h"

/** Until its line has come. A client that joins sends it at once. */
#define LINE_MS 10000u

void member_tell(struct member *member, cJSON *line)
{
    char *text = cJSON_PrintUnformatted(line);
    size_t len = text ? strlen(text) : 0;

    cJSON_Delete(line);
    if (!text)
        return;
    text[len] = '\n'; /* In the place of the NUL. */
    (void)!send(member->sock, text, len + 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    free(text);
}

void member_denied(struct member *member, const char *what, const char *rule)
{
    cJSON *line;

    member->denied++;
    if (member->said)
        return;
    member->said = true;
    line = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(line, "denied", what);
    if (rule)
        (void)cJSON_AddStringToObject(line, "rule", rule);
    member_tell(member, line);
}

/* ---- its NICs ---- */

struct gn_nic *member_nic(const struct member *member, unsigned i)
{
    if (member->nics)
        return gn_nic_listener_nic(member->nics, i);
    return i == 0 ? member->nic : NULL;
}

struct gn_nic *member_nic_of(const struct member *member,
                             const struct gn_namespace *ns)
{
    struct gn_nic *nic;

    for (unsigned i = 0; (nic = member_nic(member, i)); i++)
        if (gn_nic_namespace(nic) == ns)
            return nic;
    return NULL;
}

/* ---- the end ---- */

static void member_free(uv_handle_t *timer)
{
    struct member *member = timer->data;
    struct net *net = member->net;
    struct MHD_UpgradeResponseHandle *connection = member->handle;
    struct member **at;

    for (at = &net->members; *at; at = &(*at)->next) {
        if (*at == member) {
            *at = member->next;
            break;
        }
    }
    while (member->n_fds)
        close(member->fds[--member->n_fds]);
    cJSON_Delete(member->rules);
    free(member->in);
    free(member);
    control_end(net, connection);
}

static void timer_close(uv_handle_t *poll)
{
    struct member *member = poll->data;

    uv_close((uv_handle_t *)&member->timer, member_free);
}

/* Connections to guests that are all gone are no reason to stay. */
static bool is_last(const struct member *member)
{
    return member->net->connections == 1 + member->net->n_dialled;
}

static void member_left(void *arg)
{
    struct member *member = arg;
    bool last = is_last(member);
    cJSON *line = cJSON_CreateObject();

    way_close(member);
    if (last) {
        net_hide(member->net);
        dialled_end_all(member->net);
    }
    (void)cJSON_AddBoolToObject(line, "left", true);
    (void)cJSON_AddBoolToObject(line, "last", last);
    member_tell(member, line);
    uv_close((uv_handle_t *)&member->poll, timer_close);
}

static void member_leave(struct member *member)
{
    (void)uv_timer_stop(&member->timer);
    (void)uv_poll_stop(&member->poll);
    join_undo(member);
    if (member->nics)
        gn_nic_listener_close(member->nics, member_left, member);
    else if (member->nic)
        gn_nic_close(member->nic, member_left, member);
    else
        member_left(member);
    member->nic = NULL;
    member->nics = NULL;
}

/* ---- what comes ---- */

static void member_refuse(struct member *member, const char *why)
{
    cJSON *line = cJSON_CreateObject();

    (void)cJSON_AddStringToObject(line, "error", why);
    member_tell(member, line);
    member_leave(member);
}

static void member_join(struct member *member)
{
    struct join_request request;
    char why[400];

    if (request_read(member->in, member->in_len, &request, why, sizeof(why)) ||
        join_do(member, &request, why, sizeof(why)))
        member_refuse(member, why);
    else
        member_tell(member, join_answer(member));
    request_done(&request);
    (void)uv_timer_stop(&member->timer);
    free(member->in);
    member->in = NULL;
}

/* Returns false at the end of the connection. */
static bool member_read(struct member *member)
{
    char behind[256];
    char *at = member->in ? member->in + member->in_len : behind;
    size_t n = DESCRIPTORS_MAX - member->n_fds;
    ssize_t got = descriptors_receive(
        member->sock, at,
        member->in ? JOIN_MAX - member->in_len : sizeof(behind),
        member->fds + member->n_fds, &n, MSG_DONTWAIT);

    if (got == -EAGAIN)
        return true;
    member->n_fds += n;
    if (got <= 0 || !member->in)
        return got > 0;
    member->in_len += (size_t)got;
    if (memchr(at, '\n', (size_t)got))
        member_join(member);
    else if (member->in_len == JOIN_MAX)
        member_refuse(member, "the line is too long");
    return true;
}

static void member_ready(uv_poll_t *poll, int status, int events)
{
    struct member *member = poll->data;

    (void)events;
    if (status || !member_read(member))
        member_leave(member);
}

static void line_is_late(uv_timer_t *timer)
{
    member_refuse(timer->data, "no line has come for 10 s");
}

int member_open(struct net *net, int sock,
                struct MHD_UpgradeResponseHandle *handle)
{
    struct member *member = calloc(1, sizeof(*member));

    if (!member)
        return -1;
    member->net = net;
    member->sock = sock;
    member->handle = handle;
    member->poll.data = member->timer.data = member;
    member->in = malloc(JOIN_MAX);
    if (!member->in || uv_poll_init_socket(&net->loop, &member->poll, sock) ||
        uv_timer_init(&net->loop, &member->timer)) {
        free(member->in);
        free(member);
        return -1;
    }
    (void)uv_poll_start(&member->poll, UV_READABLE | UV_DISCONNECT,
                        member_ready);
    (void)uv_timer_start(&member->timer, line_is_late, LINE_MS, 0);
    member->next = net->members;
    net->members = member;
    return 0;
}

/* ---- lookups that rules have kept from the DNS ---- */

/* Below the network's domain names are those of guests, and no rule's
 * matter. */
static bool is_inside(const struct net *net, const char *name)
{
    const char *domain = gn_network_domain(net->network);
    size_t len = strlen(name), tail = strlen(domain);

    return len >= tail && strcasecmp(name + len - tail, domain) == 0 &&
           (len == tail || name[len - tail - 1] == '.');
}

void member_query(const struct gn_query *query, void *arg)
{
    const struct net *net = arg;
    char what[300], rule[300];
    struct member *member;

    if (query->kind != GN_QUERY_IP || query->status != GN_EAI_NONAME ||
        !net->network || is_inside(net, query->name))
        return;
    for (member = net->members; member; member = member->next) {
        if (!member_nic_of(member, query->ns) ||
            way_allows_name(member, query->name))
            continue;
        (void)snprintf(what, sizeof(what), "looking %s up", query->name);
        (void)snprintf(rule, sizeof(rule), "name %s", query->name);
        member_denied(member, what, rule);
    }
}
