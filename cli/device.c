/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <netinet/icmp6.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include <guestnet/addr.h>

#include "cli/net/descriptors.h"
#include "cli/netlink.h"
#include "cli/say.h"

#define DEVICE     TAP_NAME
#define ANSWER_MAX 8192u

/* ---- words ---- */

int device_fail(int sock, int status, const char *format, ...)
{
    struct device_word word = {.status = status};
    va_list args;

    va_start(args, format);
    (void)vsnprintf(word.text, sizeof(word.text), format, args);
    va_end(args);
    (void)descriptors_send(sock, &word, sizeof(word), NULL, 0);
    return -1;
}

static int word_of_the_end(struct device_word *word)
{
    word->status = STATUS_OURS;
    (void)snprintf(word->text, sizeof(word->text), "the container has ended");
    return -1;
}

static int word_receive(int sock, struct device_word *word, int *fd)
{
    size_t n = 1;
    ssize_t got = descriptors_receive(sock, word, sizeof(*word), fd, &n, 0);

    if (got == (ssize_t)sizeof(*word))
        return n ? 1 : 0;
    (void)word_of_the_end(word);
    return got == 0 ? -2 : -1;
}

int device_take(int sock, struct device_word *word)
{
    int fd = -1;

    if (word_receive(sock, word, &fd) == 1)
        return fd;
    /* It meant well, and there was no room for the descriptor. */
    return word->status ? -1 : word_of_the_end(word);
}

int device_answer(int sock, const char *line, struct device_word *word)
{
    size_t len = strlen(line);

    return send(sock, line, len, MSG_NOSIGNAL) == (ssize_t)len
               ? 0
               : word_of_the_end(word);
}

int device_done(int sock, struct device_word *word)
{
    int fd = -1;

    return word_receive(sock, word, &fd) == -2 ? 0 : -1;
}

/* ---- making it ---- */

void device_sysctl(const char *name, const char *value)
{
    char path[128];
    int fd;

    (void)snprintf(path, sizeof(path), "/proc/sys/%s", name);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)!write(fd, value, strlen(value));
    close(fd);
}

/* ---- configuring it ---- */

static int device_step(int sock, const char *what, int err)
{
    if (!err || err == -EAFNOSUPPORT || err == -EOPNOTSUPP)
        return 0; /* A kernel without IPv6 does without. */
    return device_fail(sock, STATUS_OURS, "%s: %s", what, strerror(-err));
}

/* An echo request to the IPv6 gateway: names lead to IPv6 addresses that were
 * heard, and a server may be silent. */
static void device_greet(const char *gateway)
{
    const struct icmp6_hdr echo = {.icmp6_type = ICMP6_ECHO_REQUEST};
    struct sockaddr_storage to;
    socklen_t len;
    int fd;

    if (gn_addr_parse(gateway, &to, &len) || to.ss_family != AF_INET6)
        return;
    fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6);
    if (fd < 0)
        return;
    (void)!sendto(fd, &echo, sizeof(echo), 0, (struct sockaddr *)&to, len);
    close(fd);
}

static int device_configure(int sock, const cJSON *answer, uint32_t mtu)
{
    const cJSON *text;

    /* The addresses are given here; router advertisements would add others. */
    device_sysctl("net/ipv6/conf/" DEVICE "/disable_ipv6", "0");
    device_sysctl("net/ipv6/conf/" DEVICE "/accept_ra", "0");
    (void)netlink_up("lo", 0);
    if (device_step(sock, DEVICE, netlink_up(DEVICE, mtu)))
        return -1;
    cJSON_ArrayForEach (text, cJSON_GetObjectItem(answer, "addresses")) {
        if (device_step(sock, text->valuestring,
                        netlink_address(DEVICE, text->valuestring)))
            return -1;
    }
    cJSON_ArrayForEach (text, cJSON_GetObjectItem(answer, "gateways")) {
        if (device_step(sock, text->valuestring,
                        netlink_gateway(DEVICE, text->valuestring)))
            return -1;
        device_greet(text->valuestring);
    }
    return 0;
}

static void names_take(const cJSON *answer, char *domain, size_t domain_len,
                       char gateways[2][64])
{
    const cJSON *text, *array = cJSON_GetObjectItem(answer, "gateways");
    const char *given =
        cJSON_GetStringValue(cJSON_GetObjectItem(answer, "domain"));
    size_t n = 0;

    gateways[0][0] = gateways[1][0] = '\0';
    (void)snprintf(domain, domain_len, "%s", given ? given : "");
    cJSON_ArrayForEach (text, array) {
        if (n < 2)
            (void)snprintf(gateways[n++], 64, "%s", text->valuestring);
    }
}

int device_offer(int sock, uint32_t mtu, char *domain, size_t domain_len,
                 char gateways[2][64])
{
    static const struct device_word word;
    char line[ANSWER_MAX];
    cJSON *answer;
    ssize_t n;
    char why[300];
    int fd = tap_open(DEVICE, IFF_VNET_HDR, why, sizeof(why)), err;

    if (fd < 0)
        return device_fail(sock, STATUS_OURS, "%s", why);
    err = descriptors_send(sock, &word, sizeof(word), &fd, 1);
    close(fd);
    n = err ? -1 : recv(sock, line, sizeof(line), 0);
    if (n <= 0)
        return -1; /* It could not be joined; that was said outside. */
    answer = cJSON_ParseWithLength(line, (size_t)n);
    err = device_configure(sock, answer, mtu);
    names_take(answer, domain, domain_len, gateways);
    cJSON_Delete(answer);
    return err;
}
