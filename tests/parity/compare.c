/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/parity/compare.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/parity/differences.h"

struct pair {
    struct world *world;
    struct side kernel;
    struct side guest;
    int patience_ms;
    struct difference *out;
};

/* ---- waiting ---- */

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Let a moment pass, or less if @sock becomes ready for @events meanwhile. */
static void wait_for(const struct side *side, unsigned sock, short events)
{
    struct gn_pollfd fd = {.sock = side->slots[sock].sock, .events = events};

    if (events && fd.sock && gn_sock_poll(&fd, 1, 5) == 1)
        return;
    (void)poll(NULL, 0, 1);
}

/* ---- differences ---- */

/* Returns whether to go on: it is a wanted difference that leaves both sides
 * in the same state. */
static bool differ(struct pair *pair, size_t at, const char *what,
                   const char *kernel, const char *guest, bool *ended)
{
    struct difference *out = pair->out;

    switch (difference_wanted(what, kernel, guest)) {
    case WANTED_GO_ON:
        return true;
    case WANTED_STOP:
    case WANTED_NEWER:
        *ended = true;
        return true;
    case NOT_WANTED:
    default:
        break;
    }
    out->step = at;
    (void)snprintf(out->what, sizeof(out->what), "%s", what);
    (void)snprintf(out->kernel, sizeof(out->kernel), "%s", kernel);
    (void)snprintf(out->guest, sizeof(out->guest), "%s", guest);
    return false;
}

/* ---- outcomes ---- */

static bool only_looks(const struct step *step)
{
    switch (step->call) {
    case CALL_NAME:
    case CALL_PEER:
    case CALL_AVAILABLE:
    case CALL_UNSENT:
    case CALL_POLL:
        return true;
    case CALL_GET:
        return step->level == IPPROTO_TCP && step->name == TCP_INFO;
    default:
        return false;
    }
}

static bool takes(const struct step *step)
{
    return step->call == CALL_RECV || step->call == CALL_RECVFROM ||
           step->call == CALL_RECVMSG || step->call == CALL_ACCEPT;
}

/* One side was not as far as the other: make the call again. */
static void try_again(struct pair *pair, const struct step *step,
                      struct outcome *kernel, struct outcome *guest)
{
    int64_t until = now_ms() + pair->patience_ms;

    while (strcmp(kernel->text, guest->text) != 0 && now_ms() < until) {
        if (only_looks(step)) {
            wait_for(&pair->guest, step->sock, 0);
            side_do(&pair->kernel, step, kernel);
            side_do(&pair->guest, step, guest);
        } else if (takes(step) && kernel->result == -EAGAIN) {
            wait_for(&pair->kernel, step->sock, POLLIN);
            side_do(&pair->kernel, step, kernel);
        } else if (takes(step) && guest->result == -EAGAIN) {
            wait_for(&pair->guest, step->sock, POLLIN);
            side_do(&pair->guest, step, guest);
        } else {
            return;
        }
    }
}

/* A step as the table of wanted differences sees it: with what has been done
 * before that makes a difference. */
static void describe(const struct side *side, const char *text, unsigned sock,
                     char *out, size_t cap)
{
    const struct slot *slot = &side->slots[sock];

    (void)snprintf(
        out, cap, "%s%s%s%s%s%s%s", text,
        slot->free_again && slot->connected ? " [it has connected]" : "",
        slot->free_again && slot->listened ? " [it has listened]" : "",
        side->crossed ? " [one was of IPv4]" : "",
        slot->recv_err ? " [IP_RECVERR]" : "",
        slot->late_option || side->late_ended
            ? " [an option since it was there]"
            : "",
        side->shut_early ? " [one was shut early]" : "");
}

static bool same_outcome(struct pair *pair, size_t at, const struct step *step,
                         const struct outcome *kernel,
                         const struct outcome *guest, bool *ended)
{
    char text[80], what[sizeof(pair->out->what)];

    pair->world->compared++;
    pair->world->calls++;
    if (strcmp(kernel->text, guest->text) == 0)
        return true;
    step_format(step, text, sizeof(text));
    describe(&pair->kernel, text, step->sock, what, sizeof(what));
    return differ(pair, at, what, kernel->text, guest->text, ended);
}

static bool do_one(struct pair *pair, size_t at, const struct step *step,
                   bool *ended)
{
    struct outcome kernel, guest;

    side_do(&pair->kernel, step, &kernel);
    side_do(&pair->guest, step, &guest);
    try_again(pair, step, &kernel, &guest);
    side_note(&pair->kernel, step);
    side_note(&pair->guest, step);
    return same_outcome(pair, at, step, &kernel, &guest, ended);
}

/* ---- two steps at once ---- */

struct errand {
    struct side *side;
    const struct step *step;
    struct outcome outcome;
};

static void *run_errand(void *arg)
{
    struct errand *errand = arg;

    side_do(errand->side, errand->step, &errand->outcome);
    return NULL;
}

static int do_both(struct side *side, const struct step *two,
                   struct outcome *first, struct outcome *second)
{
    struct errand errand = {.side = side, .step = &two[0]};
    pthread_t thread;
    int err = pthread_create(&thread, NULL, run_errand, &errand);

    if (err)
        return -err;
    side_do(side, &two[1], second);
    (void)pthread_join(thread, NULL);
    *first = errand.outcome;
    side_note(side, &two[0]);
    side_note(side, &two[1]);
    return 0;
}

static bool do_two(struct pair *pair, size_t at, const struct step *two,
                   bool *ended)
{
    struct outcome kernel[2], guest[2];

    if (do_both(&pair->kernel, two, &kernel[0], &kernel[1]) ||
        do_both(&pair->guest, two, &guest[0], &guest[1]))
        return differ(pair, at, "a thread", "none", "none", ended);
    return same_outcome(pair, at, &two[0], &kernel[0], &guest[0], ended) &&
           same_outcome(pair, at + 1, &two[1], &kernel[1], &guest[1], ended);
}

/* ---- readiness ---- */

/* What can be read of it. */
static bool same_readable(struct pair *pair, size_t at,
                          const struct step *after, unsigned sock, bool *ended)
{
    int64_t until = now_ms() + pair->patience_ms;
    char step[80], long_text[120], what[sizeof(pair->out->what)], text[2][32];
    ssize_t kernel, guest;

    for (;;) {
        kernel = side_readable(&pair->kernel, sock);
        guest = side_readable(&pair->guest, sock);
        if (kernel == guest)
            return true;
        if (now_ms() >= until)
            break;
        wait_for(&pair->guest, sock, 0);
    }
    step_format(after, step, sizeof(step));
    (void)snprintf(long_text, sizeof(long_text), "bytes to read of %u after %s",
                   sock, step);
    describe(&pair->kernel, long_text, sock, what, sizeof(what));
    (void)snprintf(text[0], sizeof(text[0]), "%zd", kernel);
    (void)snprintf(text[1], sizeof(text[1]), "%zd", guest);
    return differ(pair, at, what, text[0], text[1], ended);
}

static bool same_readiness(struct pair *pair, size_t at,
                           const struct step *after, unsigned sock, bool *ended)
{
    int64_t until = now_ms() + pair->patience_ms;
    struct outcome text[2] = {{.result = 0}, {.result = 0}};
    char step[80], long_text[120], what[sizeof(pair->out->what)];
    short kernel, guest;

    pair->world->compared++;
    for (;;) {
        kernel = side_ready(&pair->kernel, sock);
        guest = side_ready(&pair->guest, sock);
        if (kernel == guest)
            return true;
        if (now_ms() >= until)
            break;
        wait_for(&pair->kernel, sock, guest & ~kernel);
        wait_for(&pair->guest, sock, kernel & ~guest);
    }
    step_format(after, step, sizeof(step));
    (void)snprintf(long_text, sizeof(long_text), "%s %u is ready after %s",
                   pair->kernel.slots[sock].stream ? "stream" : "datagram",
                   sock, step);
    describe(&pair->kernel, long_text, sock, what, sizeof(what));
    side_add_events(&text[0], kernel);
    side_add_events(&text[1], guest);
    return differ(pair, at, what, text[0].text, text[1].text, ended);
}

static bool all_ready(struct pair *pair, size_t at, const struct step *after,
                      bool *ended)
{
    unsigned i;

    for (i = 0; i < PARITY_SOCKETS && !*ended; i++) {
        if (pair->kernel.slots[i].sock && pair->guest.slots[i].sock &&
            (!same_readiness(pair, at, after, i, ended) ||
             (!*ended && !same_readable(pair, at, after, i, ended))))
            return false;
    }
    return true;
}

/* ---- a case ---- */

static bool run(struct pair *pair, const struct step *steps)
{
    bool ended = false, same;
    size_t at;

    for (at = 0; steps[at].call != CALL_END && !ended; at++) {
        const struct step *step = &steps[at];

        if (step->call == CALL_MEANWHILE) {
            same = do_two(pair, at + 1, step + 1, &ended);
            at += 2;
        } else {
            same = do_one(pair, at, step, &ended);
        }
        if (!same || (!ended && !all_ready(pair, at, &steps[at], &ended)))
            return false;
    }
    return true;
}

/* The sides' places, and whether they can be had. @net: to be closed. */
static int places_make(struct world *world, struct place *kernel,
                       struct place *guest, struct gn_network **net)
{
    *kernel = (struct place){.ns = {world->system, world->system}};
    *guest = (struct place){.ns = {NULL}};
    *net = NULL;
    if (!world->joined)
        return gn_namespace_create(world->net, NULL, &guest->ns[0]);
    kernel->net_fds = world->hosts.net_fds;
    kernel->hosts = &world->hosts;
    guest->hosts = &world->hosts;
    return hosts_guests(net, guest->ns);
}

/* What steps have done to the link is undone for the next ones. */
static void link_restore(struct world *world, const struct step *steps)
{
    bool cut = false, gone = false;

    for (; steps->call != CALL_END; steps++) {
        cut |= steps->call == CALL_CUT;
        gone |= steps->call == CALL_DETACH;
    }
    if (gone || (cut && hosts_cut(&world->hosts, false)))
        world_refresh(world, true);
}

bool world_compare(struct world *world, const struct step *steps,
                   enum variant variant, int patience_ms,
                   struct difference *out)
{
    struct pair pair = {.world = world, .patience_ms = patience_ms, .out = out};
    struct place kernel, guest;
    struct gn_network *net;
    bool same;

    if (places_make(world, &kernel, &guest, &net)) {
        *out = (struct difference){.what = "no guest"};
        return false;
    }
    side_init(&pair.kernel, "kernel", &kernel, variant);
    side_init(&pair.guest, "guest", &guest, variant);
    same = run(&pair, steps);
    side_done(&pair.kernel);
    side_done(&pair.guest);
    if (net)
        gn_network_close(net, NULL, NULL);
    else
        gn_namespace_close(guest.ns[0], 0, NULL, NULL);
    link_restore(world, steps);
    return same;
}
