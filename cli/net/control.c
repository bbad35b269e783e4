/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/net/control.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <microhttpd.h>

#include <guestnet/conn.h>
#include <guestnet/error.h>

#include "cli/net/dialled.h"
#include "cli/net/member.h"
#include "cli/net/net.h"
#include "cli/net/report.h"
#include "cli/say.h"

/** Clients at once, members included; and how long an idle one may stay. */
enum { CONNECTIONS_MAX = 1024, IDLE_S = 30 };

/** A request, as long as its connection has it. */
struct request {
    struct net *net;
    struct MHD_Connection *connection;
    bool dialling; /* the connection is suspended until it is over */
    bool dialled;
    int status; /* of the dial */
    int fd;     /* what was dialled; -1: none */
};

/* ---- answers ---- */

static enum MHD_Result request_answer(struct MHD_Connection *connection,
                                      unsigned status, cJSON *json)
{
    char *text = cJSON_Print(json);
    struct MHD_Response *response;
    enum MHD_Result result;

    cJSON_Delete(json);
    if (!text)
        return MHD_NO;
    response = MHD_create_response_from_buffer(strlen(text), text,
                                               MHD_RESPMEM_MUST_FREE);
    if (!response) {
        free(text);
        return MHD_NO;
    }
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
                                  "application/json");
    result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result request_refuse(struct MHD_Connection *connection,
                                      unsigned status, const char *what)
{
    cJSON *json = cJSON_CreateObject();

    (void)cJSON_AddStringToObject(json, "error", what);
    return request_answer(connection, status, json);
}

static enum MHD_Result request_upgrade(struct request *request,
                                       const char *protocol,
                                       MHD_UpgradeHandler handler)
{
    const char *asked = MHD_lookup_connection_value(
        request->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_UPGRADE);
    struct MHD_Response *response;
    enum MHD_Result result;

    if (!asked || strcasecmp(asked, protocol) != 0)
        return request_refuse(
            request->connection, MHD_HTTP_UPGRADE_REQUIRED,
            "the header Upgrade must name the path's protocol, such "
            "as guestnet-join");
    response = MHD_create_response_for_upgrade(handler, request);
    if (!response)
        return MHD_NO;
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_UPGRADE, protocol);
    result = MHD_queue_response(request->connection,
                                MHD_HTTP_SWITCHING_PROTOCOLS, response);
    MHD_destroy_response(response);
    return result;
}

/* In the daemon's next turn. */
static void connection_end(struct net *net,
                           struct MHD_UpgradeResponseHandle *handle)
{
    (void)MHD_upgrade_action(handle, MHD_UPGRADE_ACTION_CLOSE);
    (void)uv_idle_start(&net->turn, net->turn.idle_cb);
}

/* ---- joining ---- */

static void join_done(void *cls, struct MHD_Connection *connection,
                      void *con_cls, const char *extra, size_t extra_len,
                      MHD_socket sock, struct MHD_UpgradeResponseHandle *handle)
{
    struct request *request = cls;

    (void)connection;
    (void)con_cls;
    (void)extra;
    /* Descriptors that were sent before the answer have no receiver. */
    if (extra_len || member_open(request->net, sock, handle))
        connection_end(request->net, handle);
}

/* ---- dialling ---- */

static void handed_over(void *cls, struct MHD_Connection *connection,
                        void *con_cls, const char *extra, size_t extra_len,
                        MHD_socket sock,
                        struct MHD_UpgradeResponseHandle *handle)
{
    struct request *request = cls;

    (void)connection;
    (void)con_cls;
    (void)extra;
    (void)extra_len;
    if (dialled_open(request->net, sock, handle, request->fd))
        connection_end(request->net, handle);
    else
        request->fd = -1;
}

static void dial_done(struct gn_dial *dial, int status, struct gn_conn *conn,
                      void *arg)
{
    struct request *request = arg;

    (void)dial;
    request->status =
        status ? status : gn_conn_fd(conn, GN_FD_SOCKETPAIR, &request->fd);
    if (!status && request->status)
        (void)gn_conn_close(conn, NULL, NULL);
    request->dialling = false;
    request->net->n_dialling--;
    request->dialled = true;
    MHD_resume_connection(request->connection);
    (void)uv_idle_start(&request->net->turn, request->net->turn.idle_cb);
}

static enum MHD_Result dial_refuse(struct request *request)
{
    char what[100];

    (void)why_set(what, sizeof(what),
                  "the network has its %u dialled connections; end one first",
                  DIALLED_MAX);
    return request_refuse(request->connection, MHD_HTTP_SERVICE_UNAVAILABLE,
                          what);
}

static enum MHD_Result dial_start(struct request *request)
{
    const char *to = MHD_lookup_connection_value(request->connection,
                                                 MHD_GET_ARGUMENT_KIND, "to");
    char why[200] = "";
    struct gn_dial_options options = {
        .size = sizeof(options), .why = why, .why_len = sizeof(why)};
    int err;

    if (request->net->n_dialled + request->net->n_dialling >= DIALLED_MAX)
        return dial_refuse(request);
    err = gn_dial(gn_network_gateway(request->net->network), "tcp",
                  to ? to : "", &options, dial_done, request, NULL);
    if (err)
        return request_refuse(request->connection, MHD_HTTP_BAD_REQUEST,
                              why[0] ? why : gn_strerror(err));
    request->dialling = true;
    request->net->n_dialling++;
    MHD_suspend_connection(request->connection);
    return MHD_YES;
}

static enum MHD_Result dial_answer(struct request *request)
{
    if (request->status)
        return request_refuse(request->connection, MHD_HTTP_BAD_GATEWAY,
                              gn_strerror(request->status));
    return request_upgrade(request, "guestnet-dial", handed_over);
}

/* ---- requests ---- */

static enum MHD_Result request_route(struct request *request,
                                     const char *method, const char *path)
{
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0)
        return request_refuse(request->connection, MHD_HTTP_METHOD_NOT_ALLOWED,
                              "only GET is known here");
    if (strcmp(path, "/v1/network") == 0)
        return request_answer(request->connection, MHD_HTTP_OK,
                              report_network(request->net));
    if (strcmp(path, "/v1/join") == 0)
        return request_upgrade(request, "guestnet-join", join_done);
    if (strcmp(path, "/v1/dial") == 0)
        return request->dialled ? dial_answer(request) : dial_start(request);
    return request_refuse(request->connection, MHD_HTTP_NOT_FOUND,
                          "the paths are /v1/network, /v1/join and /v1/dial");
}

static enum MHD_Result request_received(void *cls,
                                        struct MHD_Connection *connection,
                                        const char *path, const char *method,
                                        const char *version, const char *data,
                                        size_t *data_len, void **con_cls)
{
    struct request *request = *con_cls;

    (void)version;
    (void)data;
    if (!request) {
        request = calloc(1, sizeof(*request));
        if (!request)
            return MHD_NO;
        request->net = cls;
        request->connection = connection;
        request->fd = -1;
        *con_cls = request;
        return MHD_YES;
    }
    if (*data_len == 0)
        return request_route(request, method, path);
    *data_len = 0; /* Nothing here takes a body; it is answered behind it. */
    return MHD_YES;
}

/* A client of a network that is about to end looks for another. */
static enum MHD_Result client_accepted(void *cls, const struct sockaddr *addr,
                                       socklen_t addr_len)
{
    const struct net *net = cls;

    (void)addr;
    (void)addr_len;
    return net->ending ? MHD_NO : MHD_YES;
}

static void request_completed(void *cls, struct MHD_Connection *connection,
                              void **con_cls,
                              enum MHD_RequestTerminationCode why)
{
    struct request *request = *con_cls;

    (void)cls;
    (void)connection;
    (void)why;
    if (request && request->fd >= 0)
        close(request->fd);
    free(request);
    *con_cls = NULL;
}

static void client_gone(void *cls, struct MHD_Connection *connection,
                        void **socket_context,
                        enum MHD_ConnectionNotificationCode what)
{
    struct net *net = cls;

    (void)connection;
    (void)socket_context;
    if (what == MHD_CONNECTION_NOTIFY_STARTED)
        net->connections++;
    else
        net_connection_gone(net);
}

/* ---- its turns in our loop ---- */

static void request_turn(struct net *net);

static void poll_cb(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    request_turn(poll->data);
}

static void timer_cb(uv_timer_t *timer)
{
    request_turn(timer->data);
}

static void idle_cb(uv_idle_t *idle)
{
    (void)uv_idle_stop(idle);
    request_turn(idle->data);
}

static void request_turn(struct net *net)
{
    MHD_UNSIGNED_LONG_LONG ms;

    (void)MHD_run(net->daemon);
    if (!net->network)
        return; /* That was the last connection. */
    if (MHD_get_timeout(net->daemon, &ms) == MHD_YES)
        (void)uv_timer_start(&net->timer, timer_cb, ms, 0);
    else
        (void)uv_timer_stop(&net->timer);
}

void control_end(struct net *net, struct MHD_UpgradeResponseHandle *handle)
{
    connection_end(net, handle);
    request_turn(net);
}

/* ---- life ---- */

static int daemon_start(struct net *net, int listener)
{
    unsigned flags = MHD_USE_EPOLL | MHD_USE_ITC | MHD_ALLOW_UPGRADE |
                     MHD_ALLOW_SUSPEND_RESUME |
                     (listener < 0 ? MHD_USE_NO_LISTEN_SOCKET : 0);
    const struct MHD_OptionItem options[] = {
        {listener < 0 ? MHD_OPTION_END : MHD_OPTION_LISTEN_SOCKET, listener,
         NULL},
        {MHD_OPTION_END, 0, NULL}};

    net->daemon = MHD_start_daemon(
        flags, 0, client_accepted, net, request_received, net, MHD_OPTION_ARRAY,
        options, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S,
        MHD_OPTION_NOTIFY_COMPLETED, request_completed, net,
        MHD_OPTION_NOTIFY_CONNECTION, client_gone, net, MHD_OPTION_END);
    return net->daemon ? 0 : -1;
}

static int loop_join(struct net *net)
{
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(net->daemon, MHD_DAEMON_INFO_EPOLL_FD);

    net->poll.data = net->timer.data = net->turn.data = net;
    if (!info || uv_timer_init(&net->loop, &net->timer) ||
        uv_idle_init(&net->loop, &net->turn) ||
        uv_poll_init(&net->loop, &net->poll, info->epoll_fd))
        return -1;
    return uv_poll_start(&net->poll, UV_READABLE, poll_cb) ||
                   uv_idle_start(&net->turn, idle_cb)
               ? -1
               : 0;
}

int control_open(struct net *net, int listener, int client, char *why,
                 size_t why_len)
{
    const struct sockaddr addr = {.sa_family = AF_UNIX};

    if (daemon_start(net, listener) || loop_join(net) ||
        MHD_add_connection(net->daemon, client, &addr, sizeof(addr)) != MHD_YES)
        return why_set(why, why_len, "the control socket: %s",
                       errno ? strerror(errno) : "no memory");
    return 0;
}

static void control_stop(uv_handle_t *handle)
{
    struct net *net = handle->data;

    MHD_stop_daemon(net->daemon);
}

/* Not at once: it is the daemon that says so. */
void control_close(struct net *net)
{
    uv_close((uv_handle_t *)&net->timer, NULL);
    uv_close((uv_handle_t *)&net->turn, NULL);
    uv_close((uv_handle_t *)&net->poll, control_stop);
}
