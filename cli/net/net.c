/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/net/net.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <guestnet/error.h>

#include "cli/net/control.h"
#include "cli/net/member.h"
#include "cli/net/sandbox.h"
#include "cli/say.h"
#include "cli/where.h"

/** The largest that a TAP takes; guests have their own below it. */
#define NET_MTU 65520u

static const char *const prefixes[] = {"10.77.0.0/24", "fd77::/64", NULL};

/* ---- the end ---- */

void net_hide(struct net *net)
{
    if (net->path_is_there)
        (void)unlink(net->path);
    net->path_is_there = false;
    net->ending = true;
}

static void network_gone(void *arg)
{
    struct net *net = arg;

    gn_resolver_close(net->dns);
}

void net_connection_gone(struct net *net)
{
    if (--net->connections > 0 || !net->network)
        return;
    net_hide(net);
    control_close(net);
    gn_network_close(net->network, network_gone, net);
    net->network = NULL;
}

/* ---- the beginning ---- */

static int network_open(struct net *net, char *why, size_t why_len)
{
    struct gn_ares_config ares = {.size = sizeof(ares),
                                  .hosts_file = "/etc/hosts",
                                  .flags = GN_ARES_SYSTEM_SEARCH,
                                  .why = why,
                                  .why_len = why_len};
    struct gn_network_config config = {.size = sizeof(config),
                                       .name = net->name,
                                       .prefixes = prefixes,
                                       .drive = GN_DRIVE_LOOP,
                                       .loop = &net->loop,
                                       .mtu = NET_MTU,
                                       .query_log = member_query,
                                       .query_log_arg = net,
                                       .why = why,
                                       .why_len = why_len};
    int err = gn_resolver_ares(&ares, &net->dns);

    if (!err)
        err = gn_network_create(&config, &net->network);
    if (err && !why[0])
        (void)why_set(why, why_len, "a network: %s", gn_strerror(err));
    return err ? -1 : 0;
}

static int control_socket(struct net *net, const struct net_setup *setup,
                          char *why, size_t why_len)
{
    int fd;

    net->path = setup->folder ? setup->path : "";
    if (!setup->folder)
        return -1;
    fd = where_listen(setup->path);
    net->path_is_there = fd >= 0;
    if (fd < 0)
        (void)why_set(why, why_len, "%s: %s", setup->path, gn_strerror(fd));
    return fd;
}

static int net_open(struct net *net, const struct net_setup *setup, char *why,
                    size_t why_len)
{
    int listener = control_socket(net, setup, why, why_len);

    if ((setup->folder && listener < 0) || network_open(net, why, why_len) ||
        control_open(net, listener, setup->client, why, why_len))
        return -1;
    return sandbox_enter(setup->folder, why, why_len);
}

/* Only these two are kept of the descriptors: as 3 and 4. */
static void descriptors_keep(struct net_setup *setup)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int client = fcntl(setup->client, F_DUPFD_CLOEXEC, 5);
    int ready = fcntl(setup->ready, F_DUPFD_CLOEXEC, 5);

    for (int fd = 0; fd <= 2; fd++)
        (void)dup2(null, fd);
    setup->client = dup2(client, 3);
    setup->ready = dup2(ready, 4);
    if (close_range(5, ~0u, 0) == 0)
        return;
    for (int fd = 5; fd < getdtablesize(); fd++) /* Before Linux 5.9. */
        close(fd);
}

/* Keep nothing of the terminal, the folder or the files of the user that
 * started it: a network goes on when others have joined. */
static void net_detach(struct net_setup *setup)
{
    sigset_t none;

    (void)setsid();
    (void)!chdir("/");
    descriptors_keep(setup);
    for (int sig = 1; sig < NSIG; sig++)
        (void)signal(sig, SIG_DFL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

int net_main(struct net_setup *setup)
{
    struct net net = {.name = setup->name};
    char why[400] = "";

    net_detach(setup);
    if (sandbox_begin(why, sizeof(why)) || uv_loop_init(&net.loop) ||
        net_open(&net, setup, why, sizeof(why))) {
        net_hide(&net);
        (void)!write(setup->ready, why[0] ? why : "no memory",
                     why[0] ? strlen(why) : strlen("no memory"));
        return STATUS_OURS;
    }
    close(setup->ready);
    (void)uv_run(&net.loop, UV_RUN_DEFAULT);
    return 0;
}
