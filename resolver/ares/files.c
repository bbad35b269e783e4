/* SPDX-License-Identifier: BSD-3-Clause */
#include "resolver/ares/internal.h"

/*
 * The two files of a session: what resolv.conf(5) says of searching, which
 * c-ares reads for itself and keeps to itself, and hosts(5), for which there
 * is a reader already (resolver/static.c). Both are read again when they have
 * changed, which is looked at once a second at most.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

/** What of a file is read. The longest lists of hosts have some 10 MiB. */
#define FILE_MAX_BYTES (32u << 20)

/* What resolv.conf(5) allows. */
#define NDOTS_MAX     15u
#define TIMEOUT_MAX_S 30u
#define ATTEMPTS_MAX  5u

bool gn__ares_has_changed(const char *path, struct stat *seen)
{
    struct stat now;

    if (stat(path, &now))
        memset(&now, 0, sizeof(now));
    if (now.st_ino == seen->st_ino && now.st_dev == seen->st_dev &&
        now.st_size == seen->st_size &&
        now.st_mtim.tv_sec == seen->st_mtim.tv_sec &&
        now.st_mtim.tv_nsec == seen->st_mtim.tv_nsec)
        return false;
    *seen = now;
    return true;
}

/* A file as text; one that cannot be read is an empty one. NULL: no memory. */
static char *read_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat info = {.st_size = 0};
    size_t size, len = 0;
    ssize_t n = 1;
    char *text;

    if (fd >= 0 && (fstat(fd, &info) || !S_ISREG(info.st_mode)))
        info.st_size = 0;
    size = info.st_size < (off_t)FILE_MAX_BYTES ? (size_t)info.st_size
                                                : FILE_MAX_BYTES;
    text = malloc(size + 1);
    while (text && fd >= 0 && n > 0 && len < size) {
        n = read(fd, text + len, size - len);
        len += n > 0 ? (size_t)n : 0;
    }
    if (text)
        text[len] = '\0';
    if (fd >= 0)
        (void)close(fd);
    return text;
}

/* ---- resolv.conf(5) ---- */

static void drop_domains(struct gn__ares_system *system)
{
    while (system->n_search)
        free(system->search[--system->n_search]);
}

static int add_domain(struct gn__ares_system *system, const char *word)
{
    char name[GN__HOSTNAME_MAX + 1] = ""; /* the root stays empty */

    if (strcmp(word, ".") != 0) {
        if (!gn__hostname_is_valid(word))
            return 0;
        gn__hostname_copy(word, name);
    }
    if (system->n_search == (int)GN_ARES_SEARCH_MAX)
        return 0;
    system->search[system->n_search] = strdup(name);
    if (!system->search[system->n_search])
        return -ENOMEM;
    system->n_search++;
    return 0;
}

/* The last list counts. @rest is cut to pieces. */
static int read_domains(struct gn__ares_system *system, char *rest, int max)
{
    char *word, *save = NULL;
    int err = 0;

    drop_domains(system);
    for (word = strtok_r(rest, " \t\r", &save);
         word && !err && system->n_search < max;
         word = strtok_r(NULL, " \t\r", &save))
        err = add_domain(system, word);
    return err;
}

/* "ndots:3" */
static bool read_option(const char *word, const char *name, uint32_t max,
                        uint32_t *out)
{
    size_t len = strlen(name);

    if (strncmp(word, name, len) != 0 || word[len] < '0' || word[len] > '9')
        return false;
    if (!gn__text_number(word + len, max, out))
        *out = max;
    return true;
}

static void read_options(struct gn__ares_system *system, char *rest)
{
    char *word, *save = NULL;
    uint32_t n;

    for (word = strtok_r(rest, " \t\r", &save); word;
         word = strtok_r(NULL, " \t\r", &save)) {
        if (read_option(word, "ndots:", NDOTS_MAX, &n))
            system->ndots = (int)n;
        else if (read_option(word, "timeout:", TIMEOUT_MAX_S, &n) && n)
            system->timeout_ms = (int)n * 1000;
        else if (read_option(word, "attempts:", ATTEMPTS_MAX, &n) && n)
            system->tries = (int)n;
        else if (!strcmp(word, "no-tld-query"))
            system->no_tld_query = true;
    }
}

static int read_conf_line(struct gn__ares_system *system, char *line)
{
    size_t len = strcspn(line, " \t");
    char *rest = line + len + (line[len] != '\0');

    line[len] = '\0';
    if (!strcmp(line, "search"))
        return read_domains(system, rest, (int)GN_ARES_SEARCH_MAX);
    if (!strcmp(line, "domain"))
        return read_domains(system, rest, 1);
    if (!strcmp(line, "options"))
        read_options(system, rest);
    return 0;
}

/* The domain of the machine's own name stands in for a list. */
static int default_domain(struct gn__ares_system *system)
{
    char name[GN__HOSTNAME_MAX + 1] = "";
    const char *dot;

    if (gethostname(name, sizeof(name) - 1))
        return 0;
    dot = strchr(name, '.');
    return dot ? add_domain(system, dot + 1) : 0;
}

/* What programs are told by their environment goes before the file. */
static int read_environment(struct gn__ares_system *system)
{
    const char *domains = getenv("LOCALDOMAIN");
    const char *options = getenv("RES_OPTIONS");
    char *copy;
    int err = 0;

    if (domains) {
        copy = strdup(domains);
        err = copy ? read_domains(system, copy, (int)GN_ARES_SEARCH_MAX)
                   : -ENOMEM;
        free(copy);
    }
    if (!err && options) {
        copy = strdup(options);
        err = copy ? 0 : -ENOMEM;
        if (copy)
            read_options(system, copy);
        free(copy);
    }
    return err;
}

int gn__ares_system_read(const char *path, struct gn__ares_system *out)
{
    char *line, *save = NULL, *text = read_file(path);
    int err = text ? 0 : -ENOMEM;

    *out = (struct gn__ares_system){.ndots = 1};
    if (text) {
        for (line = strtok_r(text, "\n", &save); line && !err;
             line = strtok_r(NULL, "\n", &save))
            err = read_conf_line(out, line);
        free(text);
    }
    if (!err)
        err = read_environment(out);
    if (!err && !out->n_search)
        err = default_domain(out);
    if (err)
        drop_domains(out);
    return err;
}

void gn__ares_system_done(struct gn__ares_system *system)
{
    drop_domains(system);
}

/* ---- hosts(5) ---- */

int gn__ares_hosts(struct gn__ares_session *session, struct gn_resolver **out)
{
    struct gn__ares *ares = session->ares;
    struct gn__ares_hosts *hosts = &session->hosts;
    struct gn_resolver *resolver;
    char *text;
    int err;

    *out = hosts->resolver;
    if (!ares->settings.hosts_file ||
        (hosts->resolver &&
         gn__io_now(session->io) < hosts->checked + GN__ARES_RECHECK))
        return 0;
    hosts->checked = gn__io_now(session->io);
    if (!gn__ares_has_changed(ares->settings.hosts_file, &hosts->seen) &&
        hosts->resolver)
        return 0;
    text = read_file(ares->settings.hosts_file);
    err = text ? gn__resolver_hosts(&ares->mem, text, &resolver) : -ENOMEM;
    free(text);
    if (err)
        return err;
    gn_resolver_close(hosts->resolver);
    *out = hosts->resolver = resolver;
    return 0;
}
