/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Runs WebAssembly guests on one network, each a shared object that wasm2c and
 * guestnet-wasm have made. Its arguments are steps, apart by "--":
 *
 *     [&][^][NAMESPACE]@[PORT] FILE.so NAME [ARGUMENT...]
 *         Starts a guest. The next step is taken when it listens at its PORT,
 *         if it has one. Those with the same NAMESPACE share it. PORT "+80" is
 *         a listening socket that it is given as descriptor 3, non-blocking
 *         with "*80"; "=80" one of the host's, whose first connection is the
 *         guest's standard input and output. "^": its PORT is published. An
 *         ARGUMENT "%" is the first line that the first guest of this NAMESPACE
 *         prints, which is waited for.
 *     ! COMMAND [ARGUMENT...]
 *         Runs it on this machine, with $PORT the last port published.
 *     ? NAMESPACE TEXT
 *         Waits until a guest of this namespace has printed TEXT.
 *     - NAMESPACE
 *         Kills it.
 *
 * When all guests without '&' have ended, the others are killed. What guests
 * have printed is shown at the end, guest by guest in the order of the steps,
 * because in time any order is right. The result is the first status that is
 * not 0; that of guests that are killed does not count.
 */
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <guestnet/guestnet.h>
#include <guestnet/wasi.h>

#define GUESTS_MAX  64
#define PATIENCE_MS 60000

/* With it linked in (examples/wasmedge), of FILE.so it runs FILE.wasm. */
extern int wasmedge_run(const char *path, struct gn_namespace *ns,
                        struct gn_wasi_config config,
                        int (*prepare)(struct gn_wasi_guest *, void *),
                        void *arg, uint64_t *status, char why[160])
    __attribute__((weak));

typedef int (*run_fn)(struct gn_namespace *ns, struct gn_wasi_config config,
                      int (*prepare)(struct gn_wasi_guest *, void *), void *arg,
                      uint64_t *status, char why[160]);

struct guest {
    bool background;
    bool published;
    char name[64];
    const char *port; /* "" if it has none */
    run_fn run;
    char *path;        /* What wasmedge_run() runs. */
    const char **args; /* NULL-ended */
    struct gn_namespace *ns;
    pthread_t thread;
    int result;
    uint64_t status;
    char why[160];

    int fds[2]; /* The pipe that it prints into. */
    pthread_t reader;
    char *printed; /* Under lock, as the rest. */
    size_t len;
};

static struct gn_network *net;
static struct guest guests[GUESTS_MAX];
static int n_guests;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER;

static void die(const char *what, const char *why)
{
    fprintf(stderr, "host: %s: %s\n", what, why);
    exit(2);
}

/* ---- what guests print ---- */

static void printed_add(struct guest *guest, const char *bytes, size_t n)
{
    pthread_mutex_lock(&lock);
    guest->printed = realloc(guest->printed, guest->len + n + 1);
    if (!guest->printed)
        die(guest->name, "out of memory");
    memcpy(guest->printed + guest->len, bytes, n);
    guest->len += n;
    guest->printed[guest->len] = '\0';
    pthread_cond_broadcast(&more);
    pthread_mutex_unlock(&lock);
}

static void *reader_main(void *arg)
{
    struct guest *guest = arg;
    char bytes[4096];
    ssize_t n;

    while ((n = read(guest->fds[0], bytes, sizeof(bytes))) > 0)
        printed_add(guest, bytes, (size_t)n);
    printed_add(guest, "", 0);
    return NULL;
}

/* Waits until one of the guests of @name (NULL: @guest alone) has printed
 * @text; returns what it has printed, under the lock. */
static const char *printed_wait(const char *name, struct guest *guest,
                                const char *text)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_MS / 1000;
    for (;;) {
        for (struct guest *one = name ? guests : guest; one <= guest; one++)
            if ((!name || !strcmp(one->name, name)) && one->printed &&
                strstr(one->printed, text))
                return one->printed;
        if (pthread_cond_timedwait(&more, &lock, &until))
            die(text, "was not printed");
    }
}

/* The first line that it prints, for ever. */
static const char *first_line(struct guest *guest)
{
    const char *all;
    char *line;

    pthread_mutex_lock(&lock);
    all = printed_wait(NULL, guest, "\n");
    line = strndup(all, strcspn(all, "\n"));
    pthread_mutex_unlock(&lock);
    if (!line)
        die(guest->name, "out of memory");
    return line;
}

/* ---- a guest ---- */

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

static char *path_of(const char *object)
{
    size_t stem = strlen(object) - strlen(".so");
    char *path = calloc(1, stem + sizeof(".wasm"));

    if (!path)
        die(object, "out of memory");
    memcpy(path, object, stem);
    strcpy(path + stem, ".wasm");
    return path;
}

static struct guest *first_of(const char *name)
{
    for (int i = 0; i < n_guests; i++)
        if (!strcmp(guests[i].name, name))
            return &guests[i];
    die(name, "nothing has run there");
    return NULL;
}

static void guest_parse(struct guest *guest, char **words, int n)
{
    char *where = words[0], *at;

    if (n < 3)
        die(where, "wants [&][^][NAMESPACE]@[PORT] FILE.so NAME");
    guest->background = *where == '&';
    where += guest->background;
    guest->published = *where == '^';
    where += guest->published;
    at = strchr(where, '@');
    if (!at)
        die(where, "has no @");
    *at = '\0';
    snprintf(guest->name, sizeof(guest->name), "%s", where);
    guest->port = at + 1;
    if (wasmedge_run)
        guest->path = path_of(words[1]);
    else
        guest->run = run_find(words[1], words[2]);
    guest->args = (const char **)words + 2; /* NULL-ended by steps_take(). */
    for (const char **arg = guest->args; *arg; arg++)
        if (!strcmp(*arg, "%"))
            *arg = first_line(first_of(guest->name));
}

static bool has_listener(const struct guest *guest)
{
    return guest->port[0] && strchr("+*=", guest->port[0]);
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
    if (guest->port[0] == '*')
        (void)gn_sock_set_nonblock(sock, true);
    err = gn_wasi_preopen(wasi, sock);
    return err < 0 ? err : 0;
}

static void *guest_main(void *arg)
{
    struct guest *guest = arg;
    struct gn_wasi_config config = {.args = guest->args,
                                    .stdio = {0, guest->fds[1], 0}};

    guest->result =
        wasmedge_run
            ? wasmedge_run(guest->path, guest->ns, config, listener_give, guest,
                           &guest->status, guest->why)
            : guest->run(guest->ns, config, listener_give, guest,
                         &guest->status, guest->why);
    close(guest->fds[1]);
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

static void guest_publish(const struct guest *guest)
{
    char inside[96], port[8];
    struct gn_publication *publication;
    struct sockaddr_in addr;
    socklen_t len = sizeof(addr);

    snprintf(inside, sizeof(inside), "%s:%s", guest->name,
             guest->port + has_listener(guest));
    if (gn_publish(net, "tcp", "127.0.0.1:0", inside, NULL, &publication))
        die(inside, "cannot be published");
    gn_publication_addr(publication, (struct sockaddr *)&addr, &len);
    snprintf(port, sizeof(port), "%u", ntohs(addr.sin_port));
    setenv("PORT", port, 1);
}

static void guest_start(struct guest *guest)
{
    char address[16], why[160];

    guest->ns = namespace_of(guest);
    if (pipe(guest->fds) ||
        pthread_create(&guest->reader, NULL, reader_main, guest) ||
        pthread_create(&guest->thread, NULL, guest_main, guest))
        die(guest->name, "no thread, or no pipe");
    if (!guest->port[0])
        return;
    snprintf(address, sizeof(address), ":%s",
             guest->port + has_listener(guest));
    if (gn_wait_listening(guest->ns, "tcp", address, PATIENCE_MS, why,
                          sizeof(why)))
        die(address, why);
    if (guest->published)
        guest_publish(guest);
}

static int guest_end(struct guest *guest)
{
    if (guest->background)
        gn_namespace_kill(guest->ns);
    pthread_join(guest->thread, NULL);
    pthread_join(guest->reader, NULL);
    close(guest->fds[0]);
    if (guest->background)
        return 0;
    if (guest->result == GN_WASI_EXIT)
        return (int)guest->status;
    fprintf(stderr, "host: %s: %s\n", guest->args[0],
            guest->result < 0 && !guest->why[0] ? gn_strerror(guest->result)
                                                : guest->why);
    return 134;
}

/* ---- the steps ---- */

static int command_run(char **words)
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        (void)execvp(words[0], words);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        die(words[0], strerror(errno));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static void namespace_kill(const char *name)
{
    for (struct guest *one = guests; one < guests + n_guests; one++)
        if (!strcmp(one->name, name)) {
            one->background = true;
            gn_namespace_kill(one->ns);
        }
}

static int step_take(char **words, int n)
{
    if (n > 1 && !strcmp(words[0], "!"))
        return command_run(words + 1);
    if (n == 3 && !strcmp(words[0], "?")) {
        pthread_mutex_lock(&lock);
        (void)printed_wait(words[1], &guests[n_guests - 1], words[2]);
        pthread_mutex_unlock(&lock);
        return 0;
    }
    if (n == 2 && !strcmp(words[0], "-")) {
        namespace_kill(words[1]);
        return 0;
    }
    if (n_guests == GUESTS_MAX)
        die(words[0], "too many guests");
    guest_parse(&guests[n_guests], words, n);
    guest_start(&guests[n_guests++]);
    return 0;
}

static int steps_take(int argc, char **argv)
{
    int status = 0, one;

    for (int i = 1, k; i < argc; i = k + 1) {
        for (k = i; k < argc && strcmp(argv[k], "--") != 0; k++)
            continue;
        argv[k] = NULL; /* Where "--" is, or the end. */
        one = step_take(argv + i, k - i);
        status = status ? status : one;
    }
    return status;
}

static int guests_end(bool background)
{
    int status = 0, one;

    for (int i = 0; i < n_guests; i++)
        if (guests[i].background == background) {
            one = guest_end(&guests[i]);
            status = status ? status : one;
        }
    return status;
}

int main(int argc, char **argv)
{
    static const char *const prefixes[] = {"10.77.0.0/24", "fd77::/64", NULL};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes};
    int status, one;

    if (gn_network_create(&config, &net))
        die("network", "cannot be created");
    status = steps_take(argc, argv);
    one = guests_end(false);
    status = status ? status : one;
    (void)guests_end(true);
    for (int i = 0; i < n_guests; i++) {
        fputs(guests[i].printed, stdout);
        free(guests[i].printed);
        free(guests[i].path);
    }
    gn_network_close(net, NULL, NULL);
    return status;
}
