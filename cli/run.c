/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * guestnet run:
 *
 *     guestnet --+-- keeper --- the command, in its namespaces
 *                +-- the network process, if there was none
 *
 * The namespaces and the network are made at the same time; they meet when the
 * TAP device is passed on.
 */
#include "cli/verbs.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/box.h"
#include "cli/front.h"
#include "cli/join.h"
#include "cli/keeper.h"
#include "cli/say.h"
#include "cli/tree.h"

/** As the other ways of rootless containers have it: fewer, larger frames. */
#define MTU 65520u

struct run {
    struct guest guest;
    struct keeper keeper;
    int device;
    int signals;
};

/* ---- while the command runs ---- */

static void signal_pass(const struct run *run)
{
    bool by_terminal = false;
    int sig = front_signal(run->signals, &by_terminal);

    if (sig && !by_terminal)
        keeper_signal(&run->keeper, sig);
}

/* Returns true when the command has ended. */
static bool keeper_look(struct run *run, int *status)
{
    struct keeper_word word;

    if (!keeper_hear(&run->keeper, &word)) {
        say("the command's keeper was killed, and the command with it");
        tree_kill(run->guest.place.pid);
        *status = STATUS_OURS << 8;
        return true;
    }
    *status = word.value;
    if (word.what == KEEPER_ENDED)
        return true;
    (void)kill(getpid(), SIGSTOP);
    return false;
}

static int run_wait(struct run *run)
{
    struct pollfd fds[3] = {{.fd = run->signals, .events = POLLIN},
                            {.fd = run->keeper.sock, .events = POLLIN},
                            {.fd = run->guest.place.fd, .events = POLLIN}};
    int status = 0;

    for (;;) {
        if (poll(fds, 3, -1) < 0)
            continue;
        if (fds[2].revents && !guest_hear(&run->guest))
            fds[2].fd = -1; /* The command goes on without a network. */
        if (fds[0].revents)
            signal_pass(run);
        if (fds[1].revents && keeper_look(run, &status))
            return status;
    }
}

/* ---- until it runs ---- */

static int run_start(struct run *run)
{
    char why[500] = "";
    int err = guest_join_device(&run->guest, run->device, why, sizeof(why));

    if (err)
        say("%s", why);
    close(run->device);
    if (!err)
        return 0;
    keeper_stop(&run->keeper);
    guest_leave(&run->guest);
    return err;
}

int verb_run(const struct options *options)
{
    struct run run;
    struct box box = {.options = options};
    int pair[2], err;

    guest_init(&run.guest, options, "run", MTU);
    run.signals = front_signals(&box.signals);
    tree_adopt();
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
        say("a socket pair: %s", strerror(errno));
        return STATUS_OURS;
    }
    box.mtu = run.guest.mtu;
    box.device = pair[1];
    err = keeper_start(&run.keeper, &box);
    close(pair[1]);
    run.device = pair[0];
    if (err) {
        say("fork: %s", strerror(-err));
        return STATUS_OURS;
    }
    err = run_start(&run);
    if (err)
        return err;
    err = run_wait(&run);
    keeper_stop(&run.keeper);
    if (!options->netns) /* Others may be in it. */
        guest_let_go(&run.guest);
    guest_leave(&run.guest);
    front_end(err);
}
