/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A hostile peer, with the numbers of the connection at hand: each step of
 * the input is a segment near the windows, raw bytes, a fragment, a call of
 * the guest, or time that passes. Nothing of it may reach an assertion, and
 * what is held stays bounded.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/wire.h"
#include "netstack/lwip/glue.h"
#include "tests/lib/wire.h"
#include "tests/lib/units.h"

#define STEPS_MAX 400u

struct input {
    const uint8_t *data;
    size_t len;
};

struct hostile {
    struct wire wire;
    struct gn__conn *conn[2]; /* of stack 0; the peer is the input */
    struct gn__listener *listener;
};

static unsigned byte(struct input *in)
{
    if (!in->len)
        return 0;
    in->len--;
    return *in->data++;
}

static uint32_t word(struct input *in)
{
    unsigned high = byte(in);

    return high << 8 | byte(in);
}

static void inject(struct hostile *h, const uint8_t *bytes, size_t len)
{
    struct gn__packet *packet;
    enum gn__ip_flaw flaw;

    if (gn__packet_from_bytes(&h->wire.net.packets, bytes, len, true, &flaw,
                              &packet))
        return;
    if (packet->ip.proto != GN__PROTO_TCP && !gn__ip_is_fragment(&packet->ip)) {
        gn__packet_free(packet);
        return;
    }
    if (gn__ip_is_fragment(&packet->ip)) {
        packet = gn__stack_reassemble(&h->wire.end[0].stack, packet);
        if (packet && packet->ip.proto != GN__PROTO_TCP) {
            gn__packet_free(packet);
            return;
        }
    }
    if (packet)
        gn__tcp_input(&h->wire.end[0].stack, packet);
}

/* A segment to one of the connections, its numbers near what is expected. */
static void segment(struct hostile *h, struct input *in)
{
    uint8_t bytes[60 + 60 + 2048] = {0};
    unsigned which = byte(in);
    struct gn__conn *conn = h->conn[which & 1];
    bool v6 = which & 2;
    bool to_listener = which & 4;
    size_t options = (byte(in) % 11) * 4;
    size_t payload = word(in) % 1500;
    struct gn__ip_build ip = {
        .src = v6 ? h->wire.end[1].addr6 : h->wire.end[1].addr,
        .dst = v6 ? h->wire.end[0].addr6 : h->wire.end[0].addr,
        .proto = GN__PROTO_TCP,
        .ttl = 64,
        .payload_len = 20 + options + payload};
    struct gn__pcb_view view = {.rcv_nxt = 0};
    size_t l4, i;
    uint8_t *hdr;

    if (conn && conn->pcb)
        gn__netstack_ops.view(conn, &view);
    l4 = gn__ip_build(&ip, bytes);
    hdr = bytes + l4;
    gn__put16(hdr, to_listener ? 7000 + (which >> 3) : 80);
    gn__put16(hdr + 2, to_listener ? 80 : 4000 + (which & 1));
    gn__put32(hdr + 4, view.rcv_nxt + (uint32_t)((int)byte(in) - 128) *
                                          (uint32_t)(byte(in) + 1));
    gn__put32(hdr + 8,
              view.snd_nxt - view.in_flight +
                  (uint32_t)((int)byte(in) - 64) * (uint32_t)(byte(in) + 1));
    hdr[12] = (uint8_t)((5 + options / 4) << 4);
    hdr[13] = (uint8_t)byte(in);
    gn__put16(hdr + 14, word(in));
    for (i = 0; i < options; i++)
        hdr[20 + i] = (uint8_t)byte(in);
    inject(h, bytes, l4 + 20 + options + payload);
}

static void raw(struct hostile *h, struct input *in)
{
    size_t len = word(in) % 300;

    if (len > in->len)
        len = in->len;
    inject(h, in->data, len);
    in->data += len;
    in->len -= len;
}

static void act(struct hostile *h, struct input *in)
{
    unsigned what = byte(in);
    struct gn__conn **conn = &h->conn[what & 1];
    uint64_t pos = 0;
    struct gn__slice slices[8];
    size_t n;

    if (!*conn) {
        *conn = gn__tcp_accept(h->listener, h);
        return;
    }
    switch ((what >> 1) % 6) {
    case 0:
        wire_send(*conn, &pos, word(in));
        break;
    case 1:
        (void)gn__tcp_send_copy(*conn, "hello", 5, what & 16);
        break;
    case 2:
        n = gn__tcp_take(*conn, word(in), what & 16, 0, slices, 8);
        while (n)
            gn__chunk_unref(slices[--n].chunk);
        break;
    case 3:
        if (gn__tcp_shutdown(*conn) && gn__tcp_connected(*conn))
            __builtin_trap();
        break;
    case 4:
        gn__tcp_close(*conn);
        *conn = NULL;
        break;
    default:
        gn__tcp_abort(*conn);
        *conn = NULL;
        break;
    }
}

static void start(struct hostile *h)
{
    struct gn__tcp_params params;
    unsigned i;

    (void)wire_init_seeded(&h->wire, NULL, GN_S, 1);
    gn__tcp_params_default(&params);
    params.keepalive = true;
    if (gn__tcp_listen(&h->wire.end[0].stack, &params, 4, h, &h->listener))
        return;
    h->wire.end[0].listener = h->listener;
    for (i = 0; i < 2; i++) {
        struct gn__endpoint local = {.addr = h->wire.end[0].addr,
                                     .port = (uint16_t)(4000 + i)};
        struct gn__endpoint remote = {.addr = h->wire.end[1].addr, .port = 80};

        if (gn__tcp_connect(&h->wire.end[0].stack, &local, &remote, &params, h,
                            &h->conn[i]))
            h->conn[i] = NULL;
    }
}

static bool swallow(struct wire *wire, const struct gn__packet *packet)
{
    (void)wire;
    (void)packet;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct hostile h = {.listener = NULL};
    unsigned step;

    start(&h);
    h.wire.filter = swallow;
    for (step = 0; in.len && step < STEPS_MAX; step++) {
        switch (byte(&in) % 8) {
        case 0:
            raw(&h, &in);
            break;
        case 1:
            wire_pass(&h.wire, word(&in) * 10000000ull);
            break;
        case 2:
        case 3:
            act(&h, &in);
            break;
        default:
            segment(&h, &in);
            break;
        }
        if (h.wire.end[0].stack.budget.held > 64u << 20)
            __builtin_trap();
    }
    for (step = 0; step < 2; step++)
        if (h.conn[step])
            gn__tcp_close(h.conn[step]);
    wire_pass(&h.wire, 3600 * GN_S);
    wire_done(&h.wire);
    return 0;
}
