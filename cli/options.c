/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <guestnet/egress.h>

#include "cli/link.h"
#include "cli/say.h"

enum { MTU_LEAST = 1280, MTU_MOST = 65520 };

/* Long options have numbers beyond those of letters. */
enum {
    OPT_NAME = 256,
    OPT_NETWORK,
    OPT_PUBLISH,
    OPT_ALLOW,
    OPT_DENY,
    OPT_ALLOW_ALL,
    OPT_MTU,
    OPT_PCAP,
    OPT_LINK,
    OPT_NETNS,
    OPT_PID,
    OPT_ROOT,
    OPT_SOCKET,
    OPT_SERIAL,
    OPT_VSOCK,
    OPT_VMS,
    OPT_SHARED,
    OPT_JSON,
    OPT_HELP
};

static const struct option longs[] = {
    {"name", required_argument, NULL, OPT_NAME},
    {"network", required_argument, NULL, OPT_NETWORK},
    {"publish", required_argument, NULL, OPT_PUBLISH},
    {"allow", required_argument, NULL, OPT_ALLOW},
    {"deny", required_argument, NULL, OPT_DENY},
    {"allow-all", no_argument, NULL, OPT_ALLOW_ALL},
    {"mtu", required_argument, NULL, OPT_MTU},
    {"pcap", required_argument, NULL, OPT_PCAP},
    {"link", required_argument, NULL, OPT_LINK},
    {"netns", required_argument, NULL, OPT_NETNS},
    {"pid", required_argument, NULL, OPT_PID},
    {"root", no_argument, NULL, OPT_ROOT},
    {"socket", required_argument, NULL, OPT_SOCKET},
    {"serial", no_argument, NULL, OPT_SERIAL},
    {"vsock", required_argument, NULL, OPT_VSOCK},
    {"vms", required_argument, NULL, OPT_VMS},
    {"shared", required_argument, NULL, OPT_SHARED},
    {"json", no_argument, NULL, OPT_JSON},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

static unsigned takes_of(int opt)
{
    switch (opt) {
    case OPT_NETWORK:
        return TAKES_NETWORK;
    case OPT_NETNS:
        return TAKES_NETNS;
    case OPT_PID:
        return TAKES_PID;
    case OPT_ROOT:
        return TAKES_ROOT;
    case OPT_SOCKET:
    case OPT_SERIAL:
    case OPT_VSOCK:
    case OPT_VMS:
    case OPT_SHARED:
        return TAKES_SOCKET;
    case OPT_JSON:
        return TAKES_JSON;
    default:
        return TAKES_GUEST;
    }
}

static int option_refuse(const char *why)
{
    say("%s", why);
    return -1;
}

/* ---- values ---- */

/* A whole number from @least to @most; -1: it is none. */
static long number_read(const char *text, long least, long most)
{
    char *end;
    long n;

    if (!isdigit((unsigned char)*text))
        return -1;
    errno = 0;
    n = strtol(text, &end, 10);
    return errno || *end || n < least || n > most ? -1 : n;
}

/* One DNS label: guests' names are, and so are networks', which become names of
 * files. */
static int label_read(const char *option, const char *text, const char **out)
{
    size_t len = strlen(text);
    bool good = len >= 1 && len <= 63 && text[0] != '-' && text[len - 1] != '-';

    for (size_t i = 0; i < len && good; i++)
        good = isalnum((unsigned char)text[i]) || text[i] == '-';
    if (!good || strcasecmp(text, "localhost") == 0) {
        say("%s \"%.80s\": a name has letters, digits and inner hyphens, up to "
            "63, and is not localhost",
            option, text);
        return -1;
    }
    *out = text;
    return 0;
}

static int publish_refuse(const char *text)
{
    say("--publish \"%.80s\": [ADDR:]PORT:PORT is needed, with /udp behind it "
        "for UDP, as in 8080:80, 0.0.0.0:8080:80 or [::1]:5353:53/udp",
        text);
    return -1;
}

/* Where it listens: "8080" is the loopback's. */
static bool publish_where(const char *text, struct publish *out)
{
    struct sockaddr_storage addr;
    bool bare = number_read(text, 0, 65535) >= 0;

    if (snprintf(out->at, sizeof(out->at), "%s%s", bare ? "127.0.0.1:" : "",
                 text) >= (int)sizeof(out->at))
        return false;
    /* An IPv6 address needs its brackets here: all else would be guessed. */
    if (text[0] != '[' && strchr(out->at, ':') != strrchr(out->at, ':'))
        return false;
    return strchr(text, '%') == NULL &&
           gn_addr_parse(out->at, &addr, NULL) == 0 &&
           out->at[strlen(out->at) - 1] != ']';
}

static int publish_read(struct options *options, const char *text)
{
    struct publish *out = &options->publish[options->n_publish];
    char copy[128], *slash, *colon;
    long to;

    if (options->n_publish == PUBLISH_MAX) {
        say("--publish: there are more than %u", PUBLISH_MAX);
        return -1;
    }
    if (strlen(text) >= sizeof(copy))
        return publish_refuse(text);
    memcpy(copy, text, strlen(text) + 1);
    slash = strchr(copy, '/');
    if (slash)
        *slash++ = '\0';
    colon = strrchr(copy, ':');
    if (!colon || (slash && strcmp(slash, "udp") && strcmp(slash, "tcp")))
        return publish_refuse(text);
    *colon = '\0';
    to = number_read(colon + 1, 1, 65535);
    if (to < 0 || !publish_where(copy, out))
        return publish_refuse(text);
    out->to = (uint16_t)to;
    out->udp = slash && slash[0] == 'u';
    options->n_publish++;
    return 0;
}

static int rule_add(struct options *options, const char *verb, const char *text)
{
    char *rule;

    if (options->n_rules == RULES_MAX) {
        say("--%s: there are more than %u rules", verb, RULES_MAX);
        return -1;
    }
    if (asprintf(&rule, "%s %s", verb, text) < 0)
        return option_refuse("no memory");
    options->rules[options->n_rules++] = rule;
    return 0;
}

/* Rules are the library's: it says what is wrong with one. */
static int rules_check(const struct options *options)
{
    char why[400] = "no memory";
    const struct gn_policy policy = {.size = sizeof(policy),
                                     .rules =
                                         (const char *const *)options->rules,
                                     .why = why,
                                     .why_len = sizeof(why)};
    struct gn_egress *egress;

    if (gn_egress_system(&policy, &egress))
        return option_refuse(why);
    gn_egress_close(egress);
    return 0;
}

/* "PATH:PORT", or a path alone. */
static int vsock_read(struct options *options, const char *text)
{
    const char *colon = strrchr(text, ':');
    long port = colon ? number_read(colon + 1, 0, UINT32_MAX - 1) : -1;
    size_t len = port < 0 ? strlen(text) : (size_t)(colon - text);

    options->vsock_port = port < 0 ? AGENT_PORT : (uint32_t)port;
    free(options->vsock);
    options->vsock = strndup(text, len);
    if (options->vsock && len)
        return 0;
    say("--vsock \"%.80s\": PATH[:PORT] is needed, the VMM's socket and the "
        "machine's port, as in /run/vm.vsock:%u",
        text, AGENT_PORT);
    return -1;
}

static int number_option(const char *name, const char *text, long least,
                         long most, long *out)
{
    *out = number_read(text, least, most);
    if (*out >= 0)
        return 0;
    say("--%s \"%.40s\": a number from %ld to %ld is needed", name, text, least,
        most);
    return -1;
}

/* ---- options ---- */

static int guest_option(struct options *options, int opt, const char *value)
{
    char why[300];
    long n = 0;
    int err;

    switch (opt) {
    case OPT_NAME:
        return label_read("--name", value, &options->name);
    case OPT_PUBLISH:
        return publish_read(options, value);
    case OPT_ALLOW:
        return rule_add(options, "allow", value);
    case OPT_DENY:
        return rule_add(options, "deny", value);
    case OPT_ALLOW_ALL:
        return rule_add(options, "allow", "any");
    case OPT_MTU:
        err = number_option("mtu", value, MTU_LEAST, MTU_MOST, &n);
        options->mtu = (uint32_t)n;
        return err;
    case OPT_LINK:
        return link_read(value, &options->link, why, sizeof(why))
                   ? option_refuse(why)
                   : 0;
    default:
        options->pcap = value;
        return 0;
    }
}

static int other_option(struct options *options, int opt, const char *value)
{
    long n = 0;
    int err = 0;

    switch (opt) {
    case OPT_NETWORK:
        return label_read("--network", value, &options->network);
    case OPT_NETNS:
        options->netns = value;
        return 0;
    case OPT_PID:
        err = number_option("pid", value, 1, 1 << 22, &n);
        options->pid = (pid_t)n;
        return err;
    case OPT_ROOT:
        options->root = true;
        return 0;
    case OPT_SOCKET:
        options->socket = value;
        return 0;
    case OPT_SERIAL:
        options->serial = true;
        return 0;
    case OPT_VSOCK:
        return vsock_read(options, value);
    case OPT_VMS:
        err = number_option("vms", value, 1, VMS_MAX, &n);
        options->vms = (unsigned)n;
        return err;
    case OPT_SHARED:
        err = number_option("shared", value, 1, VMS_MAX, &n);
        options->shared = (unsigned)n;
        return err;
    default:
        options->json = true;
        return 0;
    }
}

static int unknown_option(const char *verb, int opt, const char *word)
{
    say(opt == ':' ? "%s: %s needs a value; see guestnet %s --help"
                   : "%s: there is no option %s here; see guestnet %s --help",
        verb, word, verb);
    return -1;
}

static int one_option(struct options *options, unsigned takes, char **argv,
                      int opt)
{
    const char *word = argv[optind - 1];

    if (opt == '?' || opt == ':')
        return unknown_option(argv[0], opt, word);
    if (!(takes & takes_of(opt))) {
        char name[64];

        for (size_t i = 0; longs[i].name; i++) {
            if (longs[i].val == opt)
                (void)snprintf(name, sizeof(name), "--%s", longs[i].name);
        }
        return unknown_option(argv[0], '?', name);
    }
    return takes_of(opt) == TAKES_GUEST ? guest_option(options, opt, optarg)
                                        : other_option(options, opt, optarg);
}

/* What stands behind the options. */
static int rest_read(struct options *options, unsigned takes, int argc,
                     char **argv)
{
    int left = argc - optind;

    if (takes & TAKES_COMMAND) {
        options->command = argv + optind;
        if (left > 0)
            return 0;
        return option_refuse(
            "run: a command is needed, as in: guestnet run -- curl "
            "http://example.org/");
    }
    if (takes & TAKES_TARGET) {
        options->target = argv[optind];
        if (left == 1)
            return 0;
        return option_refuse(
            "dial: one NAME:PORT is needed, as in: guestnet dial "
            "web:22");
    }
    if (left > 0) {
        say("%s: \"%.80s\" is too much; see guestnet %s --help", argv[0],
            argv[optind], argv[0]);
        return -1;
    }
    return 0;
}

int options_read(struct options *options, unsigned takes, int argc, char **argv)
{
    int opt;

    memset(options, 0, sizeof(*options));
    opterr = 0;
    optind = 1;
    while ((opt = getopt_long(argc, argv, "+:", longs, NULL)) != -1) {
        if (opt == OPT_HELP)
            return 1;
        if (one_option(options, takes, argv, opt))
            return -1;
    }
    return rest_read(options, takes, argc, argv) || rules_check(options) ? -1
                                                                         : 0;
}

void options_done(struct options *options)
{
    while (options->n_rules)
        free(options->rules[--options->n_rules]);
    free(options->vsock);
}
