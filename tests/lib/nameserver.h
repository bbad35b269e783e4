/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_LIB_NAMESERVER_H
#define TESTS_LIB_NAMESERVER_H

/*
 * A real DNS server, dnsmasq or unbound, on a loopback port, with a
 * configuration and a log in a folder of its own. It ends with the test, also
 * when that crashes.
 */
#include <stdbool.h>
#include <sys/types.h>

struct gn_test_nameserver {
    char folder[32];
    char log[64];
    char address[32]; /* "127.0.0.1:5353" */
    pid_t pid;
};

/**
 * @program  "dnsmasq" or "unbound".
 * @config   printf(3) format of its configuration: "%u" stands for the port,
 *           "%s" for the log.
 *
 * False: it is not installed, or does not start; the reason has been printed.
 */
bool gn_test_nameserver_start(struct gn_test_nameserver *server,
                              const char *program, const char *config);
void gn_test_nameserver_stop(struct gn_test_nameserver *server);

/** How many lines of the log have @text in them. */
unsigned gn_test_nameserver_logged(const struct gn_test_nameserver *server,
                                   const char *text);

#endif /* TESTS_LIB_NAMESERVER_H */
