/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * setsockopt(2) and getsockopt(2): finding an option and moving its value. An
 * option that is in no table is -ENOPROTOOPT, whatever its level.
 */
#include "namespace/sock/opt/opt.h"

#include <errno.h>
#include <string.h>

#include "namespace/internal.h"
#include "namespace/sock/bind.h"
#include "namespace/sock/system.h"

static bool option_fits(const struct gn_sock *sock,
                        const struct gn__option *option)
{
    unsigned kinds = option->on & (GN__OPT_STREAM | GN__OPT_DGRAM);
    unsigned own = sock->type == SOCK_STREAM ? GN__OPT_STREAM : GN__OPT_DGRAM;

    if (option->on & GN__OPT_V6 && sock->family != AF_INET6)
        return false;
    return kinds == 0 || kinds & own;
}

static const struct gn__option *find_in(const struct gn__options *table,
                                        const struct gn_sock *sock, int level,
                                        int name)
{
    size_t i;

    for (i = 0; i < table->n; i++) {
        const struct gn__option *option = &table->at[i];

        if (option->name == name && option->level == level &&
            option_fits(sock, option))
            return option;
    }
    return NULL;
}

static const struct gn__option *option_find(const struct gn_sock *sock,
                                            int level, int name)
{
    switch (level) {
    case SOL_SOCKET:
        return find_in(&gn__options_socket, sock, level, name);
    case IPPROTO_IP:
        return find_in(&gn__options_ip, sock, level, name);
    case IPPROTO_IPV6:
        return find_in(&gn__options_ip6, sock, level, name);
    case IPPROTO_TCP:
        return find_in(&gn__options_tcp, sock, level, name);
    case GN_SOL_GUESTNET:
        return find_in(&gn__options_guestnet, sock, level, name);
    default:
        return NULL;
    }
}

void gn__option_put(const void *from, size_t size, void *value, socklen_t *len)
{
    if (*len > size)
        *len = (socklen_t)size;
    memcpy(value, from, *len);
}

int gn__option_mtu(struct gn_sock *sock, int *value)
{
    struct gn__way way;

    /* An address that bind(2) has given it since may lead nowhere. */
    if (!sock->routed || (gn__sock_route(sock, &sock->remote, &way) &&
                          gn__ns_route(sock->ns, &sock->remote.addr, NULL,
                                       sock->remote.scope, &way)))
        return -ENOTCONN;
    *value = (int)way.mtu;
    return 0;
}

/* ---- set ---- */

/* An int; at the level of IP a byte will do, and nothing is 0. */
static int read_int(const struct gn__option *option, const void *value,
                    socklen_t len, int *out)
{
    uint8_t byte;

    if (len >= sizeof(*out)) {
        memcpy(out, value, sizeof(*out));
        return 0;
    }
    if (!(option->on & GN__OPT_SHORT) ||
        (len == 0 && option->on & GN__OPT_FULL))
        return -EINVAL;
    *out = 0;
    if (len > 0) {
        memcpy(&byte, value, 1);
        *out = byte;
    }
    return 0;
}

static int set_flag(struct gn_sock *sock, const struct gn__option *option,
                    int value)
{
    bool *flag = (bool *)(void *)((char *)&sock->opt + option->flag - 1);

    *flag = value != 0;
    return 0;
}

/* Every value of these levels is an int at least, whatever the option. */
static bool is_too_short(const struct gn_sock *sock, int level,
                         const struct gn__option *option, socklen_t len)
{
    if (len >= sizeof(int) || (option && option->set))
        return false;
    return level == SOL_SOCKET ||
           (level == IPPROTO_TCP && sock->type == SOCK_STREAM);
}

static int option_set(struct gn_sock *sock, const struct gn__option *option,
                      const void *value, socklen_t len)
{
    int number, err;

    if (!option ||
        (option->on & GN__OPT_SET_DGRAM && sock->type == SOCK_STREAM))
        return -ENOPROTOOPT;
    if (option->set)
        return option->set(sock, value, len);
    if (!option->set_int && !option->flag)
        return -ENOPROTOOPT; /* It can only be read. */
    err = read_int(option, value, len, &number);
    if (err)
        return err;
    return option->set_int ? option->set_int(sock, number)
                           : set_flag(sock, option, number);
}

int gn_sock_setopt(struct gn_sock *sock, int level, int name, const void *value,
                   socklen_t len)
{
    const struct gn__option *option;
    int err;

    if (!value && len > 0)
        return -EFAULT;
    if ((int)len < 0)
        return -EINVAL;
    if (gn__sock_is_system(sock))
        return gn__system_setopt(sock, level, name, value, len);
    err = gn__sock_enter(sock);
    if (err)
        return err;
    option = option_find(sock, level, name);
    err = is_too_short(sock, level, option, len)
              ? -EINVAL
              : option_set(sock, option, value, len);
    if (!err)
        sock->ops->options(sock);
    gn__sock_touch(sock);
    gn__sock_leave(sock);
    return err;
}

/* ---- get ---- */

static int get_number(struct gn_sock *sock, const struct gn__option *option,
                      int *out)
{
    if (option->get_int)
        return option->get_int(sock, out);
    if (!option->flag)
        return -ENOPROTOOPT; /* It can only be set. */
    *out = *(bool *)(void *)((char *)&sock->opt + option->flag - 1);
    return 0;
}

/* An IPv4 socket says of a level that it does not have something else than of
 * an option, when it is read: do_ip_getsockopt(). */
static int option_unknown(const struct gn_sock *sock, int level)
{
    int own = sock->type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;

    if (sock->family == AF_INET && level != SOL_SOCKET && level != IPPROTO_IP &&
        level != own)
        return -EOPNOTSUPP;
    return -ENOPROTOOPT;
}

static int option_get(struct gn_sock *sock, const struct gn__option *option,
                      void *value, socklen_t *len)
{
    uint8_t byte;
    int number, err;

    if (option->get)
        return option->get(sock, value, len);
    err = get_number(sock, option, &number);
    if (err)
        return err;
    if (option->on & GN__OPT_SHORT && *len > 0 && *len < sizeof(number) &&
        number >= 0 && number <= 255) {
        byte = (uint8_t)number;
        gn__option_put(&byte, sizeof(byte), value, len);
        return 0;
    }
    gn__option_put(&number, sizeof(number), value, len);
    return 0;
}

int gn_sock_getopt(struct gn_sock *sock, int level, int name, void *value,
                   socklen_t *len)
{
    const struct gn__option *option;
    int err;

    if (!len || (!value && *len > 0))
        return -EFAULT;
    if ((int)*len < 0)
        return -EINVAL;
    if (gn__sock_is_system(sock))
        return gn__system_getopt(sock, level, name, value, len);
    err = gn__sock_enter(sock);
    if (err)
        return err;
    option = option_find(sock, level, name);
    err = option ? option_get(sock, option, value, len)
                 : option_unknown(sock, level);
    gn__sock_touch(sock); /* SO_ERROR is taken by reading it. */
    gn__sock_leave(sock);
    return err;
}
