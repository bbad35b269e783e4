/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Results of WASI 0.2 as the Canonical ABI stores them (shape.h says where),
 * and addresses both ways.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "guests/wasi/shape.h"

/* ---- addresses ---- */

static void groups_store(uint8_t *to, const struct in6_addr *addr)
{
    for (int i = 0; i < 16; i += 2) {
        to[i] = addr->s6_addr[i + 1];
        to[i + 1] = addr->s6_addr[i];
    }
}

static uint16_t load16(const uint8_t *from)
{
    uint16_t v;

    memcpy(&v, from, sizeof(v));
    return le16toh(v);
}

static uint32_t load32(const uint8_t *from)
{
    uint32_t v;

    memcpy(&v, from, sizeof(v));
    return le32toh(v);
}

void gn__wasi_store_addr(uint8_t *to, const struct sockaddr_storage *addr)
{
    const struct sockaddr_in *v4 = (const void *)addr;
    const struct sockaddr_in6 *v6 = (const void *)addr;

    memset(to, 0, 32);
    if (addr->ss_family == AF_INET) {
        gn__wasi_store16(to + 4, ntohs(v4->sin_port));
        memcpy(to + 6, &v4->sin_addr, 4);
        return;
    }
    to[0] = 1;
    gn__wasi_store16(to + 4, ntohs(v6->sin6_port));
    gn__wasi_store32(to + 8, ntohl(v6->sin6_flowinfo));
    groups_store(to + 12, &v6->sin6_addr);
    gn__wasi_store32(to + 28, v6->sin6_scope_id);
}

static void store_ip(uint8_t *to, const struct sockaddr_storage *addr)
{
    memset(to, 0, 18);
    to[0] = addr->ss_family != AF_INET;
    if (to[0])
        groups_store(to + 2, &((const struct sockaddr_in6 *)addr)->sin6_addr);
    else
        memcpy(to + 2, &((const struct sockaddr_in *)addr)->sin_addr, 4);
}

socklen_t gn__wasi_load_addr(const uint8_t *from, struct sockaddr_storage *out)
{
    uint64_t flat[12] = {from[0], load16(from + 4)};

    if (from[0] == 0)
        for (int i = 0; i < 4; i++)
            flat[2 + i] = from[6 + i];
    else {
        flat[2] = load32(from + 8);
        for (int i = 0; i < 8; i++)
            flat[3 + i] = load16(from + 12 + 2 * i);
        flat[11] = load32(from + 28);
    }
    return gn__wasi_lift_addr(flat, out);
}

socklen_t gn__wasi_lift_addr(const uint64_t *args, struct sockaddr_storage *out)
{
    struct sockaddr_in *v4 = (void *)out;
    struct sockaddr_in6 *v6 = (void *)out;

    memset(out, 0, sizeof(*out));
    if ((uint32_t)args[0] == 0) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)args[1]);
        for (int i = 0; i < 4; i++)
            ((uint8_t *)&v4->sin_addr)[i] = (uint8_t)args[2 + i];
        return sizeof(*v4);
    }
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons((uint16_t)args[1]);
    v6->sin6_flowinfo = htonl((uint32_t)args[2]);
    for (int i = 0; i < 8; i++) {
        v6->sin6_addr.s6_addr[2 * i] = (uint8_t)(args[3 + i] >> 8);
        v6->sin6_addr.s6_addr[2 * i + 1] = (uint8_t)args[3 + i];
    }
    v6->sin6_scope_id = (uint32_t)args[11];
    return sizeof(*v6);
}

/* ---- storing ---- */

static void store_word(uint8_t *to, uint64_t v, unsigned size)
{
    v = htole64(v);
    switch (size) {
    case 1:
        *to = (uint8_t)v;
        break;
    case 2:
        memcpy(to, &v, 2);
        break;
    case 4:
        memcpy(to, &v, 4);
        break;
    default:
        memcpy(to, &v, 8);
    }
}

static void store_part(uint8_t *to, const struct gn__wasi_part *part,
                       const uint64_t *value,
                       const struct sockaddr_storage *addr)
{
    switch (part->letter) {
    case 's':
    case 'L':
    case 'P': /* where, and how many */
        gn__wasi_store32(to, (uint32_t)value[0]);
        gn__wasi_store32(to + 4, (uint32_t)value[1]);
        break;
    case 'T':
        store_word(to, value[0], 8);
        gn__wasi_store32(to + 8, (uint32_t)value[1]);
        break;
    case 'A':
        gn__wasi_store_addr(to, addr);
        break;
    case 'I':
        store_ip(to, addr);
        break;
    default:
        store_word(to, value[0], part->size);
    }
}

static void store_ok(const struct gn__wasi_call *call, uint8_t *to)
{
    const struct gn__wasi_shape *shape = call->shape;
    const uint64_t *value = call->value;

    if (shape->is_option) {
        to[0] = value[0] != 0;
        if (*value++ == 0)
            return;
    }
    for (unsigned i = 0; i < shape->n_parts; i++)
        store_part(to + shape->part[i].at, &shape->part[i], value + i,
                   &call->addr);
}

/* stream-error: closed, or what has failed. */
static int store_stream_error(struct gn_wasi_guest *guest, uint8_t *to, int err)
{
    int number;

    to[0] = 1;
    if (err == -EPIPE)
        return 0;
    number = gn__wasi_handle_new(guest, GN__WASI_ERROR);
    if (number < 0)
        return number;
    guest->handles[number].err = err;
    to[0] = 0;
    gn__wasi_store32(to + 4, (uint32_t)number);
    return 0;
}

int gn__wasi_lower(struct gn__wasi_call *call, int err, uint64_t *result)
{
    const struct gn__wasi_shape *shape = call->shape;
    uint8_t *to;

    if (err < 0 && (err == -EFAULT || err == -EBADF || !shape->error))
        return err;
    *result = call->value[0];
    if (!shape->size)
        return 0;
    to = gn__wasi_at(call->guest, (uint32_t)call->args[shape->place],
                     shape->size);
    if (!to)
        return -EFAULT;
    if (shape->error)
        to[0] = err < 0;
    if (err >= 0)
        store_ok(call, to + shape->payload);
    else if (shape->error == 'E')
        return store_stream_error(call->guest, to + shape->payload, err);
    else
        to[shape->payload] = gn__wasi_code(err);
    return 0;
}
