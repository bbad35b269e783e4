/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * guestnet: networks for containers and virtual machines, as an ordinary user.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <guestnet/version.h>

#include "cli/say.h"
#include "cli/verbs.h"

struct verb {
    const char *name;
    int (*run)(const struct options *options);
    unsigned takes;
    const char *summary;
    const char *usage; /* what --help of the verb says first */
};

#define OPTIONS_GUEST                                                           \
    "  --network NAME   join this network, or start it; without it one that\n"  \
    "                   is this guest's alone\n"                                \
    "  --name NAME      what others find it by: NAME, NAME.guest.internal\n"    \
    "  --allow RULE     let it reach something outside; the first rule that\n"  \
    "                   matches decides, and without any nothing is reached:\n" \
    "                     'tcp 203.0.113.0/24 port 443'  'any port 53,123'\n"   \
    "                     'name *.example.org'           'icmp any'\n"          \
    "                     '127.0.0.1 port 8080'\n"                              \
    "                   (the last is this machine's own loopback, which the\n"  \
    "                   guest finds at host.guest.internal)\n"                  \
    "  --deny RULE      the opposite, of the same form\n"                       \
    "  --allow-all      --allow any: all but this machine's own addresses\n"    \
    "  --publish [ADDR:]PORT:PORT[/udp]\n"                                      \
    "                   a port of this machine (127.0.0.1's without ADDR),\n"   \
    "                   and the guest's that it leads to\n"                     \
    "  --mtu N          bytes of its packets, 1280 to 65520\n"                  \
    "  --pcap FILE      what it sends and receives, in a regular file\n"        \
    "  --link LIST      latency=20ms,jitter=5ms,loss=1%,rate=10mbit,\n"         \
    "                   reorder=1%,duplicate=1%,corrupt=1%,queue=64KiB\n"

static const struct verb verbs[] = {
    {"run", verb_run,
     TAKES_GUEST | TAKES_NETWORK | TAKES_ROOT | TAKES_NETNS | TAKES_COMMAND,
     "a command in a container with eth0",
     "usage: guestnet run [OPTION]... [--] COMMAND [ARGUMENT]...\n\n"
     "Runs COMMAND in a new user, mount and network namespace. Its exit status\n"
     "is the command's; 125 says that guestnet itself failed, 126 that COMMAND\n"
     "cannot be run, 127 that there is none.\n\n" OPTIONS_GUEST
     "  --root           the command is user 0 in there\n"
     "  --netns PATH     name the network namespace, for nsenter --net=PATH\n"},
    {"attach", verb_attach,
     TAKES_GUEST | TAKES_NETWORK | TAKES_NETNS | TAKES_PID,
     "eth0 for a network namespace that is there",
     "usage: guestnet attach (--netns PATH | --pid PID) [OPTION]...\n\n"
     "Gives eth0 to a network namespace of podman, docker, ip-netns(8) or a\n"
     "process, until it is ended or the namespace is gone.\n\n"
     "  --netns PATH     the namespace's file\n"
     "  --pid PID        a process in it\n" OPTIONS_GUEST},
    {"vm", verb_vm, TAKES_GUEST | TAKES_NETWORK | TAKES_SOCKET,
     "a network for virtual machines",
     "usage: guestnet vm --socket PATH [--serial] [--vms N] [OPTION]...\n"
     "       guestnet vm --socket PATH --shared N [OPTION]...\n"
     "       guestnet vm --vsock PATH[:PORT] [--vms N] [OPTION]...\n\n"
     "Waits for virtual machines at PATH (PATH.1, PATH.2, ... with --vms) and\n"
     "prints the options of the VMM for each. A machine that is started again\n"
     "finds its address as it was.\n\n"
     "  --socket PATH    a Unix socket, which is made, for QEMU\n"
     "  --serial         the machine has a serial port in the place of a card,\n"
     "                   and guestnet-agent serial:" AGENT_SERIAL
     " runs in it\n"
     "  --vsock PATH[:PORT]\n"
     "                   the Unix socket that Firecracker or cloud-hypervisor\n"
     "                   has for AF_VSOCK; guestnet-agent vsock:PORT runs in the\n"
     "                   machine, PORT being 1077 without one\n"
     "  --vms N          so many machines, 1 to 64, each at a path of its own\n"
     "  --shared N       so many machines, 1 to 64, at the one PATH, told apart\n"
     "                   by their MAC addresses\n" OPTIONS_GUEST},
    {"dial", verb_dial, TAKES_NETWORK | TAKES_TARGET,
     "standard input and output as a connection to a guest",
     "usage: guestnet dial [--network NAME] NAME:PORT\n\n"
     "Connects to a guest's TCP port; an ssh ProxyCommand.\n"},
    {"ps", verb_ps, TAKES_NETWORK | TAKES_JSON,
     "the networks here, and their guests",
     "usage: guestnet ps [--network NAME] [--json]\n\n"
     "Networks are found by their control sockets, which speak HTTP:\n"
     "  curl --unix-socket $XDG_RUNTIME_DIR/guestnet/NAME.sock "
     "http://guestnet/v1/network\n"},
};

static void verb_help(FILE *out)
{
    fputs("usage: guestnet VERB [OPTION]... [ARGUMENT]...\n\n", out);
    for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
        fprintf(out, "  %-8s %s\n", verbs[i].name, verbs[i].summary);
    fputs("\nguestnet VERB --help says more of each; guestnet --version.\n",
          out);
}

static int verb_main(const struct verb *verb, int argc, char **argv)
{
    struct options options;
    int status = options_read(&options, verb->takes, argc, argv);

    if (status == 0) {
        status = verb->run(&options);
    } else if (status > 0) {
        fputs(verb->usage, stdout);
        status = fflush(stdout) ? 1 : 0;
    } else {
        status = STATUS_OURS;
    }
    options_done(&options);
    return status;
}

/* Descriptors 0 to 2 are those of the command's; if one is closed, what is
 * opened here must not become it. */
static void descriptors_hold(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (fd >= 0 && fd <= 2);
    if (fd > 2)
        close(fd);
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";

    descriptors_hold();
    for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
        if (strcmp(word, verbs[i].name) == 0)
            return verb_main(&verbs[i], argc - 1, argv + 1);
    if (strcmp(word, "--help") == 0 || strcmp(word, "help") == 0) {
        verb_help(stdout);
        return fflush(stdout) ? 1 : 0;
    }
    if (strcmp(word, "--version") == 0) {
        puts(gn_version_string());
        return fflush(stdout) ? 1 : 0;
    }
    if (argc > 1)
        say("\"%.80s\" is no verb; guestnet --help lists them", word);
    else
        verb_help(stderr);
    return STATUS_OURS;
}
