/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Results of WASI 0.2 as the Canonical ABI stores them: sizes, alignments and
 * places follow from the type's letters (table.c).
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "guests/wasi/wasi.h"

struct layout {
    uint32_t size;
    uint32_t align;
};

static struct layout layout_of_letter(char letter)
{
    switch (letter) {
    case '_':
        return (struct layout){0, 1};
    case 'h':
        return (struct layout){2, 2};
    case 'o':
    case 'w':
        return (struct layout){4, 4};
    case 'q':
        return (struct layout){8, 8};
    case 's':
    case 'L':
    case 'P':
    case 'E': /* a tag, and the handle of the error that is meant */
        return (struct layout){8, 4};
    case 'T': /* seconds, nanoseconds */
        return (struct layout){16, 8};
    case 'A':
        return (struct layout){32, 4};
    case 'I':
        return (struct layout){18, 2};
    default: /* b, y, e */
        return (struct layout){1, 1};
    }
}

static uint32_t align_up(uint32_t at, uint32_t align)
{
    return (at + align - 1) & ~(align - 1);
}

/* Of the letters up to @end, a tuple or an option. */
static struct layout layout_of(const char *type, const char *end)
{
    struct layout whole = {0, 1}, part;

    if (*type == 'O') {
        part = layout_of(type + 1, end);
        whole.align = part.align;
        whole.size = align_up(1, part.align) + part.size;
    } else
        for (; type < end; type++) {
            part = layout_of_letter(*type);
            whole.size = align_up(whole.size, part.align) + part.size;
            if (part.align > whole.align)
                whole.align = part.align;
        }
    whole.size = align_up(whole.size, whole.align);
    return whole;
}

/** A result type in its parts. */
struct result {
    const char *ok, *ok_end;
    char error; /* 0: it is no result<> */
    struct layout whole;
    uint32_t payload; /* where the ok or the error lies */
};

static void result_parse(const char *type, struct result *out)
{
    const char *end = type + strlen(type);
    struct layout ok, error;

    out->ok = type;
    out->ok_end = end;
    out->error = 0;
    out->payload = 0;
    if (*type != 'R') {
        out->whole = layout_of(type, end);
        return;
    }
    out->error = end[-1];
    out->ok = type + 1;
    out->ok_end = end - 2;
    ok = layout_of(out->ok, out->ok_end);
    error = layout_of_letter(out->error);
    out->whole.align = ok.align > error.align ? ok.align : error.align;
    out->payload = align_up(1, out->whole.align);
    out->whole.size =
        align_up(out->payload + (ok.size > error.size ? ok.size : error.size),
                 out->whole.align);
}

/* The last parameter of the core function. */
static uint32_t result_at(const struct gn__wasi_call *call)
{
    return (uint32_t)call->args[gn__wasi_row_n_params(call->row) - 1];
}

int gn__wasi_lower_check(struct gn__wasi_call *call)
{
    const char *type = strchr(call->row->type, '>') + 1;
    struct result result;
    uint32_t at;

    if (!*type || gn__wasi_is_scalar(type))
        return 0;
    result_parse(type, &result);
    at = result_at(call);
    if (at % result.whole.align ||
        !gn__wasi_at(call->guest, at, result.whole.size))
        return gn__wasi_trap(call->guest, "%s: its result does not go to %u",
                             call->row->name, at);
    return 0;
}

/* ---- addresses ---- */

static void groups_store(uint8_t *to, const struct in6_addr *addr)
{
    for (int i = 0; i < 16; i += 2) {
        to[i] = addr->s6_addr[i + 1];
        to[i + 1] = addr->s6_addr[i];
    }
}

static void store16(uint8_t *to, uint16_t v)
{
    v = htole16(v);
    memcpy(to, &v, sizeof(v));
}

static void store32(uint8_t *to, uint32_t v)
{
    v = htole32(v);
    memcpy(to, &v, sizeof(v));
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
        store16(to + 4, ntohs(v4->sin_port));
        memcpy(to + 6, &v4->sin_addr, 4);
        return;
    }
    to[0] = 1;
    store16(to + 4, ntohs(v6->sin6_port));
    store32(to + 8, ntohl(v6->sin6_flowinfo));
    groups_store(to + 12, &v6->sin6_addr);
    store32(to + 28, v6->sin6_scope_id);
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

static void store_part(uint8_t *to, char letter, const uint64_t *value,
                       const struct sockaddr_storage *addr)
{
    uint64_t v;

    switch (letter) {
    case '_':
        break;
    case 's':
    case 'L':
    case 'P': /* where, and how many */
        store32(to, (uint32_t)value[0]);
        store32(to + 4, (uint32_t)value[1]);
        break;
    case 'T':
        v = htole64(value[0]);
        memcpy(to, &v, 8);
        store32(to + 8, (uint32_t)value[1]);
        break;
    case 'A':
        gn__wasi_store_addr(to, addr);
        break;
    case 'I':
        store_ip(to, addr);
        break;
    default:
        v = htole64(value[0]);
        memcpy(to, &v, layout_of_letter(letter).size);
    }
}

static void store_ok(const struct gn__wasi_call *call,
                     const struct result *result, uint8_t *to)
{
    const char *type = result->ok;
    const uint64_t *value = call->value;
    uint32_t at = 0;

    if (*type == 'O') { /* value[0]: is it there? */
        to[0] = value[0] != 0;
        value++;
        type++;
        at = align_up(1, layout_of(type, result->ok_end).align);
        if (!to[0])
            return;
    }
    for (; type < result->ok_end; type++) {
        struct layout part = layout_of_letter(*type);

        at = align_up(at, part.align);
        store_part(to + at, *type, value++, &call->addr);
        at += part.size;
    }
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
    store32(to + 4, (uint32_t)number);
    return 0;
}

int gn__wasi_lower(struct gn__wasi_call *call, int err, uint64_t *result)
{
    const char *type = strchr(call->row->type, '>') + 1;
    struct result parts;
    uint8_t *to;

    if (err == -EFAULT || err == -EBADF || (err < 0 && *type != 'R'))
        return err;
    *result = call->value[0];
    if (!*type || gn__wasi_is_scalar(type))
        return 0;
    result_parse(type, &parts);
    to = gn__wasi_at(call->guest, result_at(call), parts.whole.size);
    if (!to)
        return -EFAULT;
    if (!parts.error) {
        store_ok(call, &parts, to);
        return 0;
    }
    to[0] = err < 0;
    if (err >= 0)
        store_ok(call, &parts, to + parts.payload);
    else if (parts.error == 'E')
        return store_stream_error(call->guest, to + parts.payload, err);
    else
        to[parts.payload] = gn__wasi_code(err);
    return 0;
}
