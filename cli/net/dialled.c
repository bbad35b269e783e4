/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/net/dialled.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/net/control.h"
#include "cli/net/descriptors.h"
#include "cli/net/net.h"

struct dialled {
    struct net *net;
    struct dialled *next;
    struct MHD_UpgradeResponseHandle *handle;
    int sock; /* the daemon's */
    int fd;   /* the client's end of the connection, too */
    uv_poll_t poll;
};

static void dialled_free(uv_handle_t *handle)
{
    struct dialled *dialled = handle->data;
    struct net *net = dialled->net;
    struct MHD_UpgradeResponseHandle *connection = dialled->handle;
    struct dialled **at;

    for (at = &net->dialled; *at != dialled; at = &(*at)->next)
        continue;
    *at = dialled->next;
    net->n_dialled--;
    free(dialled);
    control_end(net, connection);
}

static void dialled_end(struct dialled *dialled)
{
    /* Also for the client, which has the descriptor, too. */
    (void)shutdown(dialled->fd, SHUT_RDWR);
    close(dialled->fd);
    dialled->fd = -1;
    uv_close((uv_handle_t *)&dialled->poll, dialled_free);
}

void dialled_end_all(struct net *net)
{
    struct dialled *dialled;

    for (dialled = net->dialled; dialled; dialled = dialled->next)
        if (dialled->fd >= 0)
            dialled_end(dialled);
}

/* Bytes that a client sends here mean nothing. */
static void client_ready(uv_poll_t *poll, int status, int events)
{
    struct dialled *dialled = poll->data;
    char bytes[256];

    (void)events;
    if (status || recv(dialled->sock, bytes, sizeof(bytes), MSG_DONTWAIT) == 0)
        dialled_end(dialled);
}

int dialled_open(struct net *net, int sock,
                 struct MHD_UpgradeResponseHandle *handle, int fd)
{
    struct dialled *dialled = calloc(1, sizeof(*dialled));

    if (!dialled)
        return -1;
    dialled->net = net;
    dialled->handle = handle;
    dialled->sock = sock;
    dialled->fd = fd;
    dialled->poll.data = dialled;
    if (descriptors_send(sock, "+", 1, &fd, 1) ||
        uv_poll_init_socket(&net->loop, &dialled->poll, sock)) {
        free(dialled);
        return -1;
    }
    (void)uv_poll_start(&dialled->poll, UV_READABLE | UV_DISCONNECT,
                        client_ready);
    dialled->next = net->dialled;
    net->dialled = dialled;
    net->n_dialled++;
    return 0;
}
