/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The NICs of a listener. All of them are made at the beginning, so that what
 * cannot be made is said to the caller, and no client makes a guest.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/config.h"
#include "base/text.h"
#include "base/units.h"
#include "guests/nic/listen.h"
#include "guests/nic/socket.h"

#define BACKLOG         16u
#define NICS_DEFAULT    8u
#define WAITING_DEFAULT 64u
#define WAITING_MAX     1024u
#define WAIT_DEFAULT_MS 300000u

/** A NIC, and the machine that is known by it. */
struct listen_place {
    struct gn__nic_socket socket; /* first */
    struct gn__list link;
    struct gn_nic_listener *listener; /* a reference to its handle */
    uint8_t mac[GN__MAC_LEN];         /* zero: it has had no client */
};

/* ---- places ---- */

/* True if its machine has gone, also if it went before this client came and its
 * turn to be told of is yet to come. */
static bool place_vacate(struct listen_place *place)
{
    struct gn__nic_socket *socket = &place->socket;

    if (socket->fd < 0)
        return true;
    if (!gn__nic_socket_is_over(socket))
        return false;
    gn__nic_socket_detach(socket);
    gn_nic_set_carrier(socket->nic, false);
    return true;
}

/* The machine's own, or the first that has been no machine's yet. */
static struct listen_place *place_find(struct gn_nic_listener *self,
                                       const uint8_t mac[GN__MAC_LEN])
{
    struct listen_place *fresh = NULL;
    struct gn__list *it;

    gn__list_foreach (it, &self->places) {
        struct listen_place *place =
            gn__container_of(it, struct listen_place, link);

        if (gn__mac_equal(place->mac, mac) && place_vacate(place))
            return place;
        if (!fresh && gn__mac_is_zero(place->mac))
            fresh = place;
    }
    return fresh;
}

int gn__listen_settle(struct gn_nic_listener *self,
                      const uint8_t mac[GN__MAC_LEN], int fd,
                      const uint8_t *head, size_t len)
{
    struct listen_place *place = place_find(self, mac);
    int err = place
                  ? gn__nic_socket_attach_behind(&place->socket, fd, head, len)
                  : -ENOSPC;

    if (err)
        return err;
    memcpy(place->mac, mac, GN__MAC_LEN);
    gn__engine_enter(self->handle.engine);
    self->n_clients++;
    gn__engine_leave(self->handle.engine);
    return 0;
}

/* ---- operations of a place's NIC ---- */

static size_t place_output(void *self, const struct gn_frame *frames, size_t n)
{
    return gn__nic_socket_output(&((struct listen_place *)self)->socket, frames,
                                 n);
}

static void place_ready(void *self)
{
    gn__nic_socket_ready(&((struct listen_place *)self)->socket);
}

static void place_close(void *arg)
{
    struct listen_place *place = arg;
    struct gn_nic_listener *self = place->listener;

    gn__nic_socket_detach(&place->socket);
    gn__list_del(&place->link);
    gn__free(place->socket.io->mem, place, sizeof(*place));
    gn__handle_unref(&self->handle);
}

static const struct gn_nic_ops place_ops = {
    .output = place_output,
    .ready = place_ready,
    .close = place_close,
};

/* ---- the end ---- */

static void places_close(struct gn_nic_listener *self)
{
    struct gn__list *it;

    /* Each is taken off the list on a later turn, by place_close(). Those turns
     * are the host program's, as the listener's own is, which is queued behind
     * them: when its callback runs they are gone. */
    gn__list_foreach (it, &self->places) {
        struct gn__nic_socket *socket =
            &gn__container_of(it, struct listen_place, link)->socket;

        gn__nic_socket_detach(socket);
        gn_nic_close(socket->nic, NULL, NULL);
    }
}

static void listener_stop(struct gn__handle *handle)
{
    struct gn_nic_listener *self =
        gn__container_of(handle, struct gn_nic_listener, handle);

    gn__acceptor_close(&self->acceptor);
    gn__publish_unlink(&self->file);
    close(self->fd);
    self->fd = -1;
    gn__listen_clients_done(self);
    places_close(self);
}

static void listener_last(struct gn__handle *handle)
{
    (void)handle; /* Its NICs have told. */
}

static const struct gn__handle_ops listener_ops = {
    .name = "nic listener",
    .size = sizeof(struct gn_nic_listener),
    .stop = listener_stop,
    .last = listener_last,
};

void gn_nic_listener_close(struct gn_nic_listener *listener,
                           gn_close_cb callback, void *arg)
{
    if (listener)
        (void)gn__handle_public_close(&listener->handle, NULL, callback, arg);
}

/* ---- creating ---- */

/** One call of gn_nic_listen(), on the driving thread. */
struct listen_create {
    struct gn_network *net;
    struct gn_nic_config config;
    struct gn_nic_listen_options options;
    struct gn__publish_file file;
    int fd;
    struct gn_nic_listener *listener;
};

static int place_create(struct gn_nic_listener *self,
                        const struct listen_create *create)
{
    struct gn__io *io = self->handle.io;
    struct listen_place *place = gn__zalloc(io->mem, sizeof(*place));
    struct gn__nic_socket *socket;
    struct gn_nic_config config = create->config;
    char name[80];
    int err;

    if (!place)
        return -ENOMEM;
    socket = &place->socket;
    socket->io = io;
    socket->fd = -1;
    socket->type = SOCK_STREAM;
    (void)snprintf(name, sizeof(name), "%.64s%u",
                   config.name ? config.name : "vm", self->n_nics + 1);
    config.name = name;
    err = gn_nic_create(create->net, &config, &place_ops, place, &socket->nic);
    if (err) {
        gn__free(io->mem, place, sizeof(*place));
        return err;
    }
    gn_nic_set_carrier(socket->nic, false);
    socket->watch.account = gn__wire_account(&socket->nic->wire);
    place->listener = self;
    gn__handle_ref(&self->handle);
    gn__list_add_tail(&self->places, &place->link);
    self->nics[self->n_nics++] = socket->nic;
    return 0;
}

static int listener_start(struct gn_nic_listener *self,
                          const struct listen_create *create)
{
    const struct gn_nic_listen_options *options = &create->options;
    struct gn__acceptor_config acceptor = {.io = self->handle.io,
                                           .fd = create->fd,
                                           .accepted = gn__listen_accepted,
                                           .user = self};
    int err = 0;

    gn__list_init(&self->places);
    gn__list_init(&self->waiting);
    self->max_waiting = options->max_waiting;
    self->wait_ns = options->wait_ms * (GN__NS_PER_S / 1000);
    while (!err && self->n_nics < options->max_nics)
        err = place_create(self, create);
    if (!err)
        err = gn__acceptor_open(&self->acceptor, &acceptor);
    if (err)
        return err;
    self->fd = create->fd;
    self->file = create->file;
    return 0;
}

static int listen_create(void *arg)
{
    struct listen_create *create = arg;
    struct gn__handle *handle;
    struct gn_nic_listener *self;
    int err = gn__handle_create(&listener_ops, create->net, &handle);

    if (err)
        return err;
    self = gn__container_of(handle, struct gn_nic_listener, handle);
    err = listener_start(self, create);
    if (err) {
        places_close(self); /* They free themselves, and @self at last. */
        gn__handle_discard(handle);
        return err;
    }
    create->listener = self;
    return 0;
}

static uint32_t or_default(uint32_t given, uint32_t otherwise)
{
    return given ? given : otherwise;
}

static int check_options(const struct gn_nic_config *config,
                         struct gn_nic_listen_options *options)
{
    options->max_nics = or_default(options->max_nics, NICS_DEFAULT);
    options->max_waiting = or_default(options->max_waiting, WAITING_DEFAULT);
    options->wait_ms = or_default(options->wait_ms, WAIT_DEFAULT_MS);
    if (options->max_nics > GN_NIC_LISTEN_MAX)
        return gn__text_refuse(config->why, config->why_len,
                               "max_nics %u: %u at most", options->max_nics,
                               GN_NIC_LISTEN_MAX);
    if (options->max_waiting > WAITING_MAX)
        return gn__text_refuse(config->why, config->why_len,
                               "max_waiting %u: %u at most",
                               options->max_waiting, WAITING_MAX);
    if (!gn__mac_is_zero(config->mac))
        return gn__text_refuse(config->why, config->why_len,
                               "mac: those of the machines say which is "
                               "which; leave it zero");
    return 0;
}

static int open_socket(struct listen_create *create, const char *path)
{
    const struct gn_nic_listen_options *given = &create->options;
    struct gn_publish_options options = {.size = sizeof(options),
                                         .mode = given->mode,
                                         .use_fd = given->use_fd,
                                         .fd = given->fd,
                                         .backlog = BACKLOG,
                                         .why = create->config.why,
                                         .why_len = create->config.why_len};
    struct gn__publish_request request = {"unix", path, &options, SOCK_STREAM};

    return gn__publish_open(&request, &create->fd, &create->file);
}

int gn_nic_listen(struct gn_network *net, const struct gn_nic_config *config,
                  const char *path, const struct gn_nic_listen_options *options,
                  struct gn_nic_listener **out)
{
    struct listen_create create = {.net = net};
    int err;

    if (!net || !out || gn__nic_wire_config(config, &create.config) ||
        (options &&
         !gn__config_is_known(options, options->size, sizeof(*options))))
        return -EINVAL;
    if (options)
        create.options = *options;
    if ((path != NULL) == create.options.use_fd)
        return -EINVAL;
    if (gn_network_clock(net))
        return -ENOTSUP;
    err = check_options(&create.config, &create.options);
    if (!err)
        err = open_socket(&create, path);
    if (err)
        return err;
    err = gn__drive_call(net, listen_create, &create);
    if (!err) {
        *out = create.listener;
        return 0;
    }
    if (!create.options.use_fd) {
        gn__publish_unlink(&create.file);
        close(create.fd);
    }
    return err;
}

/* ---- calls ---- */

struct gn_nic *gn_nic_listener_nic(struct gn_nic_listener *listener, unsigned i)
{
    return listener && i < listener->n_nics ? listener->nics[i] : NULL;
}

void gn_nic_listener_stats(struct gn_nic_listener *listener,
                           struct gn_nic_listener_stats *out)
{
    if (!listener || !out)
        return;
    gn__engine_enter(listener->handle.engine);
    *out = (struct gn_nic_listener_stats){
        .clients = listener->n_clients,
        .full = listener->refused[GN__LISTEN_FULL],
        .crowded = listener->refused[GN__LISTEN_CROWDED],
        .silent = listener->refused[GN__LISTEN_SILENT],
        .malformed = listener->refused[GN__LISTEN_MALFORMED],
        .failed = listener->refused[GN__LISTEN_FAILED],
        .waiting = listener->n_waiting};
    gn__engine_leave(listener->handle.engine);
}
