/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

/*
 * The command line of a verb. Everything that can be judged without touching
 * the machine is judged here.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <guestnet/addr.h>
#include <guestnet/link.h>

/** A guest's options: so many of each fit into one join (net/member.h). */
#define RULES_MAX   128u
#define PUBLISH_MAX 32u
#define VMS_MAX     64u

/** Where guestnet-agent listens unless told otherwise, and its serial port. */
#define AGENT_PORT   1077u
#define AGENT_SERIAL "guestnet.0"

/** A port of this machine that leads to a guest's. */
struct publish {
    char at[GN_ADDR_TEXT_MAX]; /* "127.0.0.1:8080" */
    uint16_t to;
    bool udp;
};

struct options {
    const char *name; /* NULL: one is made up */
    const char *network;
    const char *pcap;
    const char *netns;
    const char *socket;
    char *vsock;         /* a path; NULL: none */
    uint32_t vsock_port; /* the machine's */
    const char *target;  /* dial's */
    char *rules[RULES_MAX + 1];
    size_t n_rules;
    struct publish publish[PUBLISH_MAX];
    size_t n_publish;
    struct gn_link_config link;
    uint32_t mtu; /* 0: the verb's own */
    unsigned vms;
    unsigned shared; /* machines at one path; 0: a path for each */
    pid_t pid;       /* 0: none */
    bool serial;     /* machines have a serial port and no card */
    bool root;
    bool json;
    char **command; /* NULL-ended; run's */
};

/** What a verb takes. */
enum {
    TAKES_GUEST = 1u << 0, /* --name, --publish, --allow, --deny, --allow-all,
                              --mtu, --pcap, --link */
    TAKES_NETWORK = 1u << 1,
    TAKES_NETNS = 1u << 2,
    TAKES_PID = 1u << 3,
    TAKES_ROOT = 1u << 4,
    TAKES_SOCKET = 1u << 5, /* --socket, --serial, --vsock, --vms,
                              --shared */
    TAKES_JSON = 1u << 6,
    TAKES_COMMAND = 1u << 7,
    TAKES_TARGET = 1u << 8
};

/**
 * Read what stands behind the verb, argv[0] being the verb.
 *
 * Returns 0; 1 if help was asked for; or -1, and one line was said.
 */
int options_read(struct options *options, unsigned takes, int argc,
                 char **argv);
/** Free what was read. */
void options_done(struct options *options);

#endif /* CLI_OPTIONS_H */
