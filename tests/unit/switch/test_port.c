/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Ports without a namespace: gates, and the end of a batch.
 */
#include "switch/switch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/fake.h"

struct counting {
    struct gn__port port;
    unsigned n;
};

static void counting_deliver(struct gn__port *port, struct gn__packet *packet)
{
    gn__container_of(port, struct counting, port)->n++;
    gn__packet_free(packet);
}

static const struct gn__port_ops counting_ops = {
    .name = "counting",
    .deliver = counting_deliver,
};

static void init_switch(struct gn__engine *engine, const uint64_t key[2])
{
    (void)key;
    gn__switch_init(engine);
}

static const struct gn__engine_user switch_user = {
    .name = "switch",
    .room = sizeof(struct gn__gates),
    .init = init_switch,
    .done = gn__switch_done,
    .arrived = gn__switch_arrived,
};

static int setup(void **state)
{
    return fake_setup(state, &switch_user);
}

static void counting_init(struct fake *fake, struct counting *counting)
{
    memset(counting, 0, sizeof(*counting));
    gn__port_init(&counting->port, &counting_ops, NULL, 1500);
    assert_int_equal(gn__gate_take(fake->engine, &counting->port), 0);
}

static struct gn__packet *packet_to(struct fake *fake,
                                    const struct counting *counting)
{
    struct gn__packet *packet = gn__packet_alloc(&fake->engine->net.packets);

    assert_non_null(packet);
    gn__packet_address(packet, NULL, &counting->port);
    return packet;
}

static void a_packet_arrives_at_its_gate(void **state)
{
    struct fake *fake = *state;
    struct counting to;

    counting_init(fake, &to);
    gn__engine_enter(fake->engine);
    gn__engine_post(fake->engine, packet_to(fake, &to));
    gn__engine_leave(fake->engine);
    assert_int_equal(to.n, 1);
    gn__gate_give(fake->engine, &to.port);
}

static void a_stale_gate_drops(void **state)
{
    struct fake *fake = *state;
    struct counting gone, next;

    counting_init(fake, &gone);
    gn__engine_enter(fake->engine);
    gn__engine_post_at(fake->engine, packet_to(fake, &gone), 2000);
    gn__gate_give(fake->engine, &gone.port);
    counting_init(fake, &next); /* The same gate again. */
    gn__engine_leave(fake->engine);
    fake->now = 2000;
    gn__engine_run(fake->engine);
    assert_int_equal(next.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, fake_teardown)
        T(a_packet_arrives_at_its_gate),
        T(a_stale_gate_drops),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
