/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * When a connection ends by itself: a SYN that is not answered, keepalive,
 * TCP_USER_TIMEOUT, and what of them holds when several are set. That takes
 * seconds each, so many rows run side by side: all of them do what comes
 * before, the link is cut, they do what comes then and, a pause later, the
 * rest; and then they are watched to their end, the kernel's and the guest's.
 *
 * Some rows are written by hand, the others come from a seed. In each, socket
 * 1 is the one that is watched.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/seed.h"
#include "tests/parity/run.h"

#define STEPS_MAX 12
#define ROWS_MAX  96
#define PAUSE_MS  1200
/* Beyond this nothing is waited for. */
#define WATCH_MS 8000
/* What the sides may be apart: guests count in ticks of 50 ms. */
#define APART_MS 300
/* After which Linux repeats what it has sent, in these rows. */
#define REPEAT_MS 1000

enum phase { BEFORE = 0, CUT_OFF, LATER, N_PHASES };

struct row {
    const char *name;
    struct step steps[N_PHASES][STEPS_MAX + 1];
};

/* One row on one side. */
struct run {
    struct side side;
    int64_t over_ms; /* since the link was cut; 0: not yet */
    int error;
};

/* ---- rows by hand ---- */

#define END              \
    {                    \
        .call = CALL_END \
    }
#define CONNECTED                                                       \
    STEP(.call = CALL_OPEN, .sock = 0, .kind = TCP4, .blocking = true,  \
         .place = 1),                                                   \
        BIND(0, THERE4, NO_PORT), LISTEN(0, 5), OPEN_BLOCKING(1, TCP4), \
        CONNECT(1, THERE4, PORT_OF(0)), ACCEPT_FLAGS(0, 2, SOCK_NONBLOCK)
#define DIAL        CONNECT(1, THERE4, 5000)
#define KEEPALIVE   SET(1, SOL_SOCKET, SO_KEEPALIVE, 1)
#define IDLE(s)     SET(1, IPPROTO_TCP, TCP_KEEPIDLE, s)
#define INTERVAL(s) SET(1, IPPROTO_TCP, TCP_KEEPINTVL, s)
#define COUNT(n)    SET(1, IPPROTO_TCP, TCP_KEEPCNT, n)
#define TIMEOUT(ms) SET(1, IPPROTO_TCP, TCP_USER_TIMEOUT, ms)

static const struct row by_hand[] = {
    {"keepalive",
     {{CONNECTED, IDLE(1), INTERVAL(1), COUNT(2), KEEPALIVE, END},
      {END},
      {END}}},
    {"TCP_USER_TIMEOUT overrides keepalive",
     {{CONNECTED, TIMEOUT(5000), IDLE(2), INTERVAL(1), KEEPALIVE, END},
      {END},
      {END}}},
    {"... and is no shorter than a probe",
     {{CONNECTED, TIMEOUT(500), IDLE(2), INTERVAL(2), KEEPALIVE, END},
      {END},
      {END}}},
    {"... between two probes",
     {{CONNECTED, IDLE(1), INTERVAL(2), COUNT(1), KEEPALIVE, TIMEOUT(3500),
       END},
      {END},
      {END}}},
    {"keepalive that is switched on late",
     {{CONNECTED, IDLE(2), INTERVAL(1), COUNT(1), END},
      {END},
      {KEEPALIVE, END}}},
    {"... with TCP_USER_TIMEOUT",
     {{CONNECTED, IDLE(2), INTERVAL(1), TIMEOUT(5000), END},
      {END},
      {KEEPALIVE, END}}},
    {"TCP_KEEPIDLE that is set late",
     {{CONNECTED, INTERVAL(1), COUNT(1), KEEPALIVE, END},
      {END},
      {IDLE(2), END}}},
    {"... of the value it has, after a probe",
     {{CONNECTED, IDLE(1), KEEPALIVE, TIMEOUT(400), END},
      {END},
      {IDLE(1), END}}},
    {"... and keepalive before it",
     {{CONNECTED, INTERVAL(1), COUNT(1), END},
      {END},
      {KEEPALIVE, IDLE(2), END}}},
    {"keepalive while something is under way",
     {{CONNECTED, IDLE(1), INTERVAL(1), COUNT(1), KEEPALIVE, END},
      {SEND(1, 10), END},
      {END}}},
    {"TCP_USER_TIMEOUT while something is under way",
     {{CONNECTED, TIMEOUT(2500), END}, {SEND(1, 10), END}, {END}}},
    {"... with keepalive",
     {{CONNECTED, TIMEOUT(2500), IDLE(1), INTERVAL(1), COUNT(1), KEEPALIVE,
       END},
      {SEND(1, 10), END},
      {END}}},
    {"TCP_USER_TIMEOUT of a FIN",
     {{CONNECTED, TIMEOUT(2500), END}, {SHUT(1, SHUT_WR), END}, {END}}},
    {"a SYN that is not answered",
     {{OPEN(1, TCP4), SET(1, IPPROTO_TCP, TCP_SYNCNT, 1), END},
      {DIAL, END},
      {END}}},
    {"TCP_USER_TIMEOUT of a SYN",
     {{OPEN(1, TCP4), TIMEOUT(3000), END}, {DIAL, END}, {END}}},
    {"... shorter than a second",
     {{OPEN(1, TCP4), TIMEOUT(300), END}, {DIAL, END}, {END}}},
    {"... set while it is under way",
     {{OPEN(1, TCP4), END}, {DIAL, END}, {TIMEOUT(4500), END}}},
    {"TCP_USER_TIMEOUT of nothing",
     {{CONNECTED, TIMEOUT(1000), END}, {END}, {END}}},
};
#define N_BY_HAND (sizeof(by_hand) / sizeof(by_hand[0]))

/* ---- rows from a seed ---- */

static unsigned pick(struct gn_test_seed *seed, unsigned n)
{
    return (unsigned)gn_test_random_below(seed, n);
}

static void add_step(struct row *row, enum phase phase, struct step step)
{
    struct step *at = row->steps[phase];
    size_t n = 0;

    while (at[n].call != CALL_END)
        n++;
    if (n == STEPS_MAX)
        return;
    at[n] = step;
    at[n + 1] = (struct step)END;
}

/* TCP_USER_TIMEOUT once in a row: guests end what is over at once, and another
 * one may come too late. */
static struct step make_option(struct gn_test_seed *seed, bool *timed)
{
    static const int timeouts[] = {0, 400, 1500, 2500, 3500, 5500};
    unsigned which = pick(seed, 6);

    if (which == 3 && *timed)
        which = 4;
    *timed |= which == 3;
    switch (which) {
    case 0:
        return (struct step)IDLE(1 + (int)pick(seed, 2));
    case 1:
        return (struct step)INTERVAL(1 + (int)pick(seed, 2));
    case 2:
        return (struct step)COUNT(1 + (int)pick(seed, 2));
    case 3:
        return (struct step)TIMEOUT(timeouts[pick(seed, 6)]);
    default:
        return (struct step)SET(1, SOL_SOCKET, SO_KEEPALIVE, pick(seed, 4) > 0);
    }
}

static void make_row(struct gn_test_seed *seed, struct row *row)
{
    static const struct step connected[] = {CONNECTED};
    bool dials = pick(seed, 4) == 0, timed = false;
    unsigned i, n = 3 + pick(seed, 4);
    enum phase phase;

    row->name = "from the seed";
    for (phase = BEFORE; phase < N_PHASES; phase++)
        row->steps[phase][0] = (struct step)END;
    if (dials)
        add_step(row, BEFORE, (struct step)OPEN(1, TCP4));
    else
        for (i = 0; i < sizeof(connected) / sizeof(connected[0]); i++)
            add_step(row, BEFORE, connected[i]);
    for (i = 0; i < n; i++)
        add_step(row, pick(seed, 3) == 0 ? LATER : BEFORE,
                 make_option(seed, &timed));
    if (dials)
        add_step(row, CUT_OFF, (struct step)DIAL);
    else if (pick(seed, 4) == 0)
        add_step(row, CUT_OFF, (struct step)SEND(1, 10));
    else if (pick(seed, 6) == 0)
        add_step(row, CUT_OFF, (struct step)SHUT(1, SHUT_WR));
}

/* ---- running ---- */

static bool phase_do(const struct row *row, enum phase phase, struct run run[2])
{
    const struct step *step;
    struct outcome out[2];
    char text[160];
    unsigned i;

    for (step = row->steps[phase]; step->call != CALL_END; step++) {
        for (i = 0; i < 2; i++) {
            side_do(&run[i].side, step, &out[i]);
            side_note(&run[i].side, step);
        }
        if (strcmp(out[0].text, out[1].text) == 0)
            continue;
        step_format(step, text, sizeof(text));
        print_error("%s: %s\n    kernel: %s\n    guest:  %s\n", row->name, text,
                    out[0].text, out[1].text);
        return false;
    }
    return true;
}

static void end_note(struct run *run, int64_t began)
{
    struct gn_sock *sock = run->side.slots[1].sock;
    socklen_t len = sizeof(run->error);

    run->over_ms = side_now_ms() - began;
    (void)gn_sock_getopt(sock, SOL_SOCKET, SO_ERROR, &run->error, &len);
}

/* Until all have ended, or @until. */
static void watch(struct run (*runs)[2], size_t n, int64_t began)
{
    static struct gn_pollfd fds[2 * ROWS_MAX];
    int64_t left;
    size_t i;

    for (i = 0; i < 2 * n; i++)
        fds[i] = (struct gn_pollfd){
            .sock = runs[i / 2][i % 2].side.slots[1].sock, .fd = -1};
    while ((left = began + WATCH_MS - side_now_ms()) > 0 &&
           gn_sock_poll(fds, 2 * n, (int)left) > 0) {
        for (i = 0; i < 2 * n; i++) {
            if (!fds[i].revents)
                continue;
            end_note(&runs[i / 2][i % 2], began);
            fds[i] = (struct gn_pollfd){.fd = -1};
        }
    }
}

static void print_row(const struct row *row, const struct run run[2])
{
    static const char *const names[N_PHASES] = {"before", "cut off", "later"};
    const struct step *step;
    char text[160];
    enum phase phase;
    unsigned i;

    print_error("%s:\n", row->name);
    for (phase = BEFORE; phase < N_PHASES; phase++) {
        for (step = row->steps[phase]; step->call != CALL_END; step++) {
            step_format(step, text, sizeof(text));
            print_error("    %-8s %s\n", names[phase], text);
        }
    }
    for (i = 0; i < 2; i++)
        print_error("    %s: over after %lld ms (0: never), error %d\n",
                    run[i].side.name, (long long)run[i].over_ms, run[i].error);
}

/* docs/differences.md: what is under way Linux looks after when it repeats it,
 * and so is late. */
static bool is_same(const struct row *row, const struct run run[2])
{
    bool sends = row->steps[CUT_OFF][0].call != CALL_END;
    int64_t late = run[0].over_ms - run[1].over_ms;

    return (run[0].over_ms == 0) == (run[1].over_ms == 0) &&
           run[0].error == run[1].error && late >= -APART_MS &&
           late <= APART_MS + (sends ? REPEAT_MS : 0);
}

/* @guests are on @net. Returns how many rows differ; those go to the front. */
static size_t rows_run(struct row *rows, size_t n, struct gn_namespace **guests)
{
    static struct run runs[ROWS_MAX][2];
    struct place kernel = {.ns = {world.system, world.system},
                           .net_fds = world.hosts.net_fds,
                           .hosts = &world.hosts};
    struct place guest = {.ns = {guests[0], guests[1]}, .hosts = &world.hosts};
    static const struct step cut = CUT, mend = MEND;
    struct outcome out;
    int64_t began;
    size_t i, different = 0;

    for (i = 0; i < n; i++) {
        runs[i][0] = (struct run){.over_ms = 0};
        runs[i][1] = (struct run){.over_ms = 0};
        side_init(&runs[i][0].side, "kernel", &kernel, V4);
        side_init(&runs[i][1].side, "guest", &guest, V4);
        assert_true(phase_do(&rows[i], BEFORE, runs[i]));
    }
    side_do(&runs[0][0].side, &cut, &out);
    side_do(&runs[0][1].side, &cut, &out);
    began = side_now_ms();
    for (i = 0; i < n; i++)
        assert_true(phase_do(&rows[i], CUT_OFF, runs[i]));
    (void)poll(NULL, 0, PAUSE_MS); /* It is what the rows are about. */
    for (i = 0; i < n; i++)
        assert_true(phase_do(&rows[i], LATER, runs[i]));
    watch(runs, n, began);
    side_do(&runs[0][0].side, &mend, &out);
    side_do(&runs[0][1].side, &mend, &out);
    for (i = 0; i < n; i++) {
        if (!is_same(&rows[i], runs[i])) {
            print_row(&rows[i], runs[i]);
            rows[different++] = rows[i];
        }
        side_done(&runs[i][0].side);
        side_done(&runs[i][1].side);
    }
    return different;
}

static size_t rows_wanted(void)
{
    const char *text = getenv("GN_TEST_ROWS");
    size_t n = text ? strtoul(text, NULL, 10) : ROWS_MAX / 2;

    return n < ROWS_MAX ? n : ROWS_MAX;
}

/* A difference counts if it is there again: the machine may have slept. */
static void rows_compare(struct row *rows, size_t n)
{
    struct gn_namespace *guests[PARITY_PLACES];
    struct gn_network *net;

    parity_begin();
    world_refresh(&world, true);
    if (!world.joined) {
        parity_skip("connections", "needs two hosts on a link");
        skip();
    }
    assert_int_equal(hosts_guests(&net, guests), 0);
    n = rows_run(rows, n, guests);
    if (n > 0)
        n = rows_run(rows, n, guests);
    gn_network_close(net, NULL, NULL);
    assert_int_equal(n, 0);
}

static void connections_end_when_the_kernels_do(void **state)
{
    static struct row rows[N_BY_HAND];

    (void)state;
    memcpy(rows, by_hand, sizeof(rows));
    rows_compare(rows, N_BY_HAND);
}

static void so_do_those_with_random_options(void **state)
{
    static struct row rows[ROWS_MAX];
    size_t i, n = rows_wanted();
    struct gn_test_seed seed;

    (void)state;
    gn_test_seed_init(&seed);
    for (i = 0; i < n; i++)
        make_row(&seed, &rows[i]);
    rows_compare(rows, n);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_end_when_the_kernels_do),
        cmocka_unit_test(so_do_those_with_random_options),
    };

    return parity_run("time", tests, sizeof(tests) / sizeof(*tests));
}
