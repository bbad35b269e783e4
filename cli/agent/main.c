/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * guestnet-agent: a network card for a machine that has none. It is one static
 * program without libraries, so that it runs in any machine of its
 * architecture.
 *
 *     waiting --(the wire is there)--> carrying --(it is lost)--> waiting
 *
 * The device has its carrier while frames are carried, so that the program that
 * configures it asks again when the host has come back.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/agent/carry.h"
#include "cli/agent/wire.h"
#include "cli/netlink.h"
#include "cli/say.h"

#define GIVEN_MAX   8u
#define WAIT_MIN_MS 100
#define WAIT_MAX_MS 2000
#define CONNECT_MS  5000
/** The host's CID, vsock(7). */
#define CID_HOST 2u

struct agent {
    const char *name;
    uint32_t mtu;  /* 0: the kernel's */
    uint32_t peer; /* that a vsock that listens is for */
    const char *addresses[GIVEN_MAX], *gateways[GIVEN_MAX];
    size_t n_addresses, n_gateways;
    struct wire wire;
    int tap, signals;
    int wait_ms; /* before the next try */
    int said;    /* an errno that has been said since frames came */
};

static struct carry carry;

static const char usage[] =
    "usage: guestnet-agent [OPTION]... WIRE\n\n"
    "Makes eth0 in a machine without a network card, and carries its frames to\n"
    "the host, where guestnet vm gives them a network. Addresses come as on any\n"
    "network, by DHCP and router advertisements. WIRE is one of\n\n"
    "  vsock:PORT         AF_VSOCK: the host connects (guestnet vm --vsock)\n"
    "  vsock:CID:PORT     AF_VSOCK: connect; the host is CID 2\n"
    "  serial:NAME        a virtio-serial port, by name or by path (guestnet vm\n"
    "                     --serial)\n"
    "  unix:PATH          connect to a Unix socket (guestnet vm --socket)\n\n"
    "  --name NAME        of the interface, if not eth0\n"
    "  --mtu N            bytes of its packets, 1280 to 65520\n"
    "  --address A/LEN    an address to give it itself; up to 8\n"
    "  --gateway A        a default route, the same\n"
    "  --peer CID         who may connect with vsock:PORT, if not the host\n\n"
    "It runs until SIGTERM, and waits for a host that is not there. Its exit\n"
    "status is 0 then, and 125 if it cannot do what it was asked to.\n";

/* ---- the command line ---- */

enum { OPT_NAME = 256, OPT_MTU, OPT_ADDRESS, OPT_GATEWAY, OPT_PEER, OPT_HELP };

static const struct option longs[] = {
    {"name", required_argument, NULL, OPT_NAME},
    {"mtu", required_argument, NULL, OPT_MTU},
    {"address", required_argument, NULL, OPT_ADDRESS},
    {"gateway", required_argument, NULL, OPT_GATEWAY},
    {"peer", required_argument, NULL, OPT_PEER},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

static int word_refuse(const char *format, const char *text)
{
    say(format, text);
    return -1;
}

static int number_option(const char *text, unsigned long least,
                         unsigned long most, uint32_t *out)
{
    char *end;
    unsigned long n;

    errno = 0;
    n = strtoul(text, &end, 10);
    if (errno || *end || end == text || text[0] == '-' || n < least || n > most)
        return -1;
    *out = (uint32_t)n;
    return 0;
}

static int given_add(const char **list, size_t *n, const char *text)
{
    if (*n == GIVEN_MAX)
        return word_refuse("\"%.80s\": that are more than 8", text);
    list[(*n)++] = text;
    return 0;
}

static int one_option(struct agent *agent, int opt, const char *value,
                      const char *word)
{
    switch (opt) {
    case OPT_NAME:
        agent->name = value;
        return value[0] && strlen(value) < IFNAMSIZ && !strpbrk(value, "/ %:")
                   ? 0
                   : word_refuse("--name \"%.40s\": an interface's has 1 to 15 "
                                 "bytes, as eth0 has",
                                 value);
    case OPT_MTU:
        return number_option(value, 1280, 65520, &agent->mtu)
                   ? word_refuse(
                         "--mtu \"%.40s\": a number from 1280 to 65520 is "
                         "needed",
                         value)
                   : 0;
    case OPT_ADDRESS:
        return given_add(agent->addresses, &agent->n_addresses, value);
    case OPT_GATEWAY:
        return given_add(agent->gateways, &agent->n_gateways, value);
    case OPT_PEER:
        return number_option(value, 0, UINT32_MAX - 1, &agent->peer)
                   ? word_refuse("--peer \"%.40s\": a CID is needed, as 2, the "
                                 "host's",
                                 value)
                   : 0;
    case ':':
        return word_refuse("%.80s needs a value; see guestnet-agent --help",
                           word);
    default:
        return word_refuse(
            "there is no option %.80s; see guestnet-agent --help", word);
    }
}

/* 0; 1: help was asked for; -1: it has been said what is wrong. */
static int options_read(struct agent *agent, int argc, char **argv)
{
    char why[400];
    int opt;

    opterr = 0;
    while ((opt = getopt_long(argc, argv, "+:", longs, NULL)) != -1) {
        if (opt == OPT_HELP)
            return 1;
        if (one_option(agent, opt, optarg, argv[optind - 1]))
            return -1;
    }
    if (argc - optind != 1)
        return word_refuse(
            "%s WIRE is needed, as in: guestnet-agent vsock:1077",
            argc == optind ? "a" : "one");
    return wire_read(argv[optind], agent->peer, &agent->wire, why, sizeof(why))
               ? word_refuse("%s", why)
               : 0;
}

/* ---- the device ---- */

static int device_refuse(const char *what, int err, const char *hint)
{
    say("%.80s: %s%s", what, strerror(-err), hint);
    return -1;
}

static int device_configure(const struct agent *agent)
{
    int err = netlink_up(agent->name, agent->mtu);

    if (err)
        return device_refuse(agent->name, err, "");
    for (size_t i = 0; i < agent->n_addresses; i++) {
        err = netlink_address(agent->name, agent->addresses[i]);
        if (err)
            return device_refuse(agent->addresses[i], err,
                                 "; as in --address 10.77.0.2/24");
    }
    for (size_t i = 0; i < agent->n_gateways; i++) {
        err = netlink_gateway(agent->name, agent->gateways[i]);
        if (err)
            return device_refuse(agent->gateways[i], err,
                                 "; as in --gateway 10.77.0.1, with an "
                                 "--address of its prefix");
    }
    return 0;
}

/* Kernels before 5.0 know no such carrier; then it is always there. */
static void carrier_set(const struct agent *agent, int on)
{
    (void)ioctl(agent->tap, TUNSETCARRIER, &on);
}

static int device_make(struct agent *agent)
{
    char why[300];

    agent->tap = tap_open(agent->name, 0, why, sizeof(why));
    if (agent->tap < 0) {
        say("%s%s", why,
            if_nametoindex(agent->name) ? "; --name takes another" : "");
        return -1;
    }
    if (fcntl(agent->tap, F_SETFL, O_NONBLOCK))
        return device_refuse(agent->name, -errno, "");
    carrier_set(agent, 0);
    return device_configure(agent);
}

/* ---- the wire ---- */

/* Said once for as long as it goes on. */
static void trouble_say(struct agent *agent, int error)
{
    if (agent->said == error)
        return;
    agent->said = error;
    say("%s: %s; waiting for it", agent->wire.text,
        error == ENOTCONN ? "no host is connected" : strerror(error));
}

/* Until the next try, or a host that connects. Returns false: a signal. */
static bool agent_wait(struct agent *agent, bool for_listener)
{
    struct pollfd fds[] = {
        {.fd = agent->signals, .events = POLLIN},
        {.fd = for_listener ? agent->wire.listener : -1, .events = POLLIN}};

    (void)poll(fds, 2, for_listener ? -1 : agent->wait_ms);
    agent->wait_ms *= 2;
    if (agent->wait_ms > WAIT_MAX_MS)
        agent->wait_ms = WAIT_MAX_MS;
    return !fds[0].revents;
}

/* Whether a connection under way comes to something: 0, or an errno. */
static int connect_wait(const struct agent *agent, int fd)
{
    struct pollfd fds[] = {{.fd = fd, .events = POLLOUT},
                           {.fd = agent->signals, .events = POLLIN}};
    socklen_t len = sizeof(int);
    int error = 0;

    if (poll(fds, 2, CONNECT_MS) <= 0 || !fds[0].revents)
        return ETIMEDOUT;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) ? errno : error;
}

/* One stream, as long as there is one. */
static enum carry_end agent_carry(struct agent *agent, int fd)
{
    enum carry_end end;
    int error;

    carry_init(&carry, agent->tap, fd);
    carrier_set(agent, 1);
    end = carry_run(&carry, agent->signals);
    error = errno;
    carrier_set(agent, 0);
    if (carry.heard) {
        agent->wait_ms = WAIT_MIN_MS;
        agent->said = 0;
    }
    wire_close(&agent->wire, fd, end == CARRY_LENGTH);
    if (end == CARRY_LENGTH)
        say("%s: a length of %u bytes came, and frames have %u to %u; is there "
            "a guestnet behind it? beginning anew",
            agent->wire.text, carry_length(&carry), CARRY_LEAST, CARRY_MOST);
    else if (end == CARRY_LOST)
        trouble_say(agent, error ? error : ENOTCONN);
    else if (end == CARRY_TAP)
        say("%s: the device is gone", agent->name);
    return end;
}

/* A stream, or a negative errno. */
static int agent_open(struct agent *agent)
{
    bool connecting;
    int fd = wire_open(&agent->wire, &connecting), error;

    error = fd >= 0 && connecting ? connect_wait(agent, fd) : 0;
    if (!error)
        return fd;
    close(fd);
    return -error;
}

/* Returns the exit status. */
static int agent_run(struct agent *agent)
{
    enum carry_end end = CARRY_LOST;
    char why[300];
    int fd;

    do {
        fd = agent_open(agent);
        if (fd < 0 && wire_is_hopeless(&agent->wire, -fd, why, sizeof(why))) {
            say("%s", why);
            return STATUS_OURS;
        }
        if (fd < 0 && fd != -EAGAIN)
            trouble_say(agent, -fd);
        if (fd >= 0)
            end = agent_carry(agent, fd);
        if (end == CARRY_TAP)
            return STATUS_OURS;
    } while (end != CARRY_SIGNAL &&
             agent_wait(agent, fd == -EAGAIN && agent->wire.listener >= 0));
    return 0;
}

/* ---- all of it ---- */

static int signals_open(void)
{
    sigset_t set;

    (void)signal(SIGPIPE, SIG_IGN);
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

int main(int argc, char **argv)
{
    struct agent agent = {
        .name = TAP_NAME, .peer = CID_HOST, .wait_ms = WAIT_MIN_MS};
    int err = options_read(&agent, argc, argv);

    if (err > 0) {
        fputs(usage, stdout);
        return fflush(stdout) ? 1 : 0;
    }
    if (err)
        return STATUS_OURS;
    agent.signals = signals_open();
    if (agent.signals < 0 || device_make(&agent))
        return STATUS_OURS;
    return agent_run(&agent);
}
