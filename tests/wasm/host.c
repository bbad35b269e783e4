/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Runs WebAssembly guests on one network, each a shared object that wasm2c and
 * guestnet-wasm have made:
 *
 *     host GUEST... [-- GUEST...]...
 *     GUEST: [&][NAMESPACE]@[PORT] FILE.so NAME [ARGUMENT...]
 *
 * The guests, apart by "--", start one after the other, each when the one before
 * it listens at its PORT, if it has one, and else at once. Guests with the same
 * NAMESPACE share it. When all without '&' have ended, the others are killed. What
 * guests have printed is shown at the end, guest by guest in the order of the
 * command, because in time any order is right. The result is the first status
 * that is not 0. PORT "+80" is a listening socket
 * that the guest is given as descriptor 3; "=80" one of the host's, whose first
 * connection is the guest's standard input and output.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <guestnet/guestnet.h>
#include <guestnet/wasi.h>

#define GUESTS_MAX  32
#define PATIENCE_MS 60000

typedef int (*run_fn)(struct gn_namespace *ns, struct gn_wasi_config config,
                      int (*prepare)(struct gn_wasi_guest *, void *), void *arg,
                      uint64_t *status, char why[160]);

struct guest {
    bool background;
    char name[64];
    const char *port; /* "" if it has none */
    run_fn run;
    const char **args; /* NULL-ended */
    struct gn_namespace *ns;
    pthread_t thread;
    FILE *printed;
    int result;
    uint64_t status;
    char why[160];
};

static struct gn_network *net;
static struct guest guests[GUESTS_MAX];
static int n_guests;

static void die(const char *what, const char *why)
{
    fprintf(stderr, "host: %s: %s\n", what, why);
    exit(2);
}

/* ---- what is to be run ---- */

static run_fn run_find(const char *file, const char *name)
{
    void *object = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    char symbol[128];
    void *found;
    run_fn run;

    if (!object)
        die(file, dlerror());
    snprintf(symbol, sizeof(symbol), "%s_run", name);
    found = dlsym(object, symbol);
    if (!found)
        die(file, dlerror());
    memcpy(&run, &found, sizeof(run));
    return run;
}

static void guest_parse(struct guest *guest, char **words, int n)
{
    char *where = words[0], *at;

    if (n < 3)
        die(where, "wants [&][NAMESPACE]@[PORT] FILE.so NAME");
    guest->background = *where == '&';
    where += guest->background;
    at = strchr(where, '@');
    if (!at)
        die(where, "has no @");
    *at = '\0';
    snprintf(guest->name, sizeof(guest->name), "%s", where);
    guest->port = at + 1;
    guest->run = run_find(words[1], words[2]);
    words[n] = NULL; /* Where "--" is, or the end. */
    guest->args = (const char **)words + 2;
}

static void all_parse(int argc, char **argv)
{
    for (int i = 1, k; i < argc; i = k + 1) {
        for (k = i; k < argc && strcmp(argv[k], "--") != 0; k++)
            continue;
        if (n_guests == GUESTS_MAX)
            die(argv[i], "too many guests");
        guest_parse(&guests[n_guests++], argv + i, k - i);
    }
}

/* ---- running it ---- */

static bool has_listener(const struct guest *guest)
{
    return guest->port[0] == '+' || guest->port[0] == '=';
}

static int connection_give(struct gn_wasi_guest *wasi, struct gn_sock *listener)
{
    struct gn_sock *sock;
    int err = gn_sock_accept(listener, NULL, NULL, 0, &sock);

    gn_sock_close(listener);
    gn_sock_unref(listener);
    return err ? err : gn_wasi_stdio(wasi, sock);
}

static int listener_give(struct gn_wasi_guest *wasi, void *arg)
{
    const struct guest *guest = arg;
    struct gn_sock *sock;
    char address[16], why[160];
    int err;

    if (!has_listener(guest))
        return 0;
    snprintf(address, sizeof(address), ":%s", guest->port + 1);
    err = gn_sock_listen_at(guest->ns, "tcp", address, 0, why, sizeof(why),
                            &sock);
    if (err)
        die(address, why);
    if (guest->port[0] == '=')
        return connection_give(wasi, sock);
    err = gn_wasi_preopen(wasi, sock);
    return err < 0 ? err : 0;
}

static void *guest_main(void *arg)
{
    struct guest *guest = arg;
    struct gn_wasi_config config = {.args = guest->args,
                                    .stdio = {0, fileno(guest->printed), 0}};

    guest->result = guest->run(guest->ns, config, listener_give, guest,
                               &guest->status, guest->why);
    return NULL;
}

static struct gn_namespace *namespace_of(struct guest *guest)
{
    struct gn_namespace_config config = {.size = sizeof(config)};
    struct gn_namespace *ns = NULL;

    if (guest->name[0])
        ns = gn_namespace_find(net, guest->name);
    config.name = guest->name[0] ? guest->name : NULL;
    if (!ns && gn_namespace_create(net, &config, &ns))
        die(guest->name, "no namespace");
    return ns;
}

static void guest_start(struct guest *guest)
{
    char address[16], why[160];

    guest->ns = namespace_of(guest);
    guest->printed = tmpfile();
    if (!guest->printed)
        die(guest->args[0], "no file for what it prints");
    if (pthread_create(&guest->thread, NULL, guest_main, guest))
        die(guest->name, "no thread");
    if (!guest->port[0])
        return;
    snprintf(address, sizeof(address), ":%s",
             guest->port + has_listener(guest));
    if (gn_wait_listening(guest->ns, "tcp", address, PATIENCE_MS, why,
                          sizeof(why)))
        die(address, why);
}

/* The guest wrote by the descriptor; the stream has read nothing yet. */
static void guest_show(struct guest *guest)
{
    int c;

    rewind(guest->printed);
    while ((c = getc(guest->printed)) != EOF)
        putchar(c);
    fclose(guest->printed);
}

static int guest_end(struct guest *guest)
{
    if (guest->background)
        gn_namespace_kill(guest->ns);
    pthread_join(guest->thread, NULL);
    if (guest->background)
        return 0;
    if (guest->result == GN_WASI_EXIT)
        return (int)guest->status;
    fprintf(stderr, "host: %s: %s\n", guest->args[0],
            guest->result < 0 ? gn_strerror(guest->result) : guest->why);
    return 134;
}

int main(int argc, char **argv)
{
    static const char *const prefixes[] = {"10.77.0.0/24", "fd77::/64", NULL};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes};
    int status = 0, one;

    if (gn_network_create(&config, &net))
        die("network", "cannot be created");
    all_parse(argc, argv);
    for (int i = 0; i < n_guests; i++)
        guest_start(&guests[i]);
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < n_guests; i++)
            if (guests[i].background == (pass == 1)) {
                one = guest_end(&guests[i]);
                status = status ? status : one;
            }
    for (int i = 0; i < n_guests; i++)
        guest_show(&guests[i]);
    gn_network_close(net, NULL, NULL);
    return status;
}
