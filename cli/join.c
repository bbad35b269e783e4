/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/join.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "cli/device.h"
#include "cli/link.h"
#include "cli/net/descriptors.h"
#include "cli/say.h"

void guest_init(struct guest *guest, const struct options *options,
                const char *kind, uint32_t mtu)
{
    memset(guest, 0, sizeof(*guest));
    guest->options = options;
    guest->place.fd = -1;
    guest->tap = -1;
    guest->mtu = options->mtu ? options->mtu : mtu;
    (void)snprintf(guest->network, sizeof(guest->network), "%s-%d", kind,
                   (int)getpid());
    (void)snprintf(guest->name, sizeof(guest->name), "%s",
                   options->name ? options->name : guest->network);
    if (options->network)
        (void)snprintf(guest->network, sizeof(guest->network), "%s",
                       options->network);
}

/* ---- what is opened for it ---- */

static int port_open(const struct publish *publish, char *why, size_t why_len)
{
    struct sockaddr_storage addr;
    int type = publish->udp ? SOCK_DGRAM : SOCK_STREAM, on = 1, fd;
    socklen_t len;

    if (gn_addr_parse(publish->at, &addr, &len))
        return why_set(why, why_len, "--publish %s: no address", publish->at);
    fd = socket(addr.ss_family, type | SOCK_CLOEXEC, 0);
    if (fd >= 0 && !publish->udp)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (fd >= 0 && bind(fd, (const struct sockaddr *)&addr, len) == 0 &&
        (publish->udp || listen(fd, SOMAXCONN) == 0))
        return fd;
    (void)why_set(why, why_len, "--publish %s: %s%s", publish->at,
                  strerror(errno),
                  errno == EADDRINUSE ? "; choose another port" : "");
    if (fd >= 0)
        close(fd);
    return -1;
}

static int files_open(struct guest *guest, char *why, size_t why_len)
{
    const struct options *options = guest->options;
    int fd;

    for (size_t i = 0; i < options->n_publish; i++) {
        fd = port_open(&options->publish[i], why, why_len);
        if (fd < 0)
            return -1;
        guest->files[guest->n_files++] = fd;
    }
    if (!options->pcap)
        return 0;
    /* Not to wait for the reader of a FIFO: the network will refuse it. */
    fd = open(options->pcap,
              O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_CLOEXEC, 0600);
    if (fd < 0)
        return why_set(why, why_len, "--pcap %s: %s", options->pcap,
                       strerror(errno));
    guest->files[guest->n_files++] = fd;
    return 0;
}

static void files_close(struct guest *guest)
{
    while (guest->n_files)
        close(guest->files[--guest->n_files]);
}

/* ---- joining ---- */

static void add_link(cJSON *line, const struct gn_link_config *link)
{
    cJSON *json = cJSON_AddObjectToObject(line, "link");

    for (size_t i = 0; i < LINK_N_SETTINGS; i++)
        (void)cJSON_AddNumberToObject(
            json, link_settings[i].key,
            (double)link_get(link, &link_settings[i]));
}

static char *join_line(const struct guest *guest, const char *wire)
{
    const struct options *options = guest->options;
    cJSON *line = cJSON_CreateObject(), *array;
    char *text;

    (void)cJSON_AddStringToObject(line, "name", guest->name);
    (void)cJSON_AddStringToObject(line, "wire", wire);
    (void)cJSON_AddNumberToObject(line, "port", options->vsock_port);
    (void)cJSON_AddNumberToObject(line, "shared", options->shared);
    (void)cJSON_AddNumberToObject(line, "mtu", guest->mtu);
    (void)cJSON_AddBoolToObject(line, "pcap", options->pcap != NULL);
    array = cJSON_AddArrayToObject(line, "rules");
    for (size_t i = 0; i < options->n_rules; i++)
        (void)cJSON_AddItemToArray(array,
                                   cJSON_CreateString(options->rules[i]));
    array = cJSON_AddArrayToObject(line, "publish");
    for (size_t i = 0; i < options->n_publish; i++) {
        cJSON *port = cJSON_CreateObject();

        (void)cJSON_AddBoolToObject(port, "udp", options->publish[i].udp);
        (void)cJSON_AddNumberToObject(port, "to", options->publish[i].to);
        (void)cJSON_AddItemToArray(array, port);
    }
    add_link(line, &options->link);
    text = cJSON_PrintUnformatted(line);
    cJSON_Delete(line);
    return text;
}

static int join_send(struct guest *guest, const char *wire, int fd)
{
    int fds[PUBLISH_MAX + 2] = {fd};
    char *line = join_line(guest, wire);
    int err;

    if (!line)
        return -1;
    memcpy(fds + 1, guest->files, guest->n_files * sizeof(int));
    line[strlen(line)] = '\n'; /* In the place of the NUL: */
    err = descriptors_send(guest->place.fd, line,
                           (size_t)(strchr(line, '\n') - line) + 1, fds,
                           guest->n_files + 1);
    free(line);
    return err;
}

/* The answer's line, or its error. */
static int join_hear(struct guest *guest, char *answer, size_t answer_len,
                     char *why, size_t why_len)
{
    const char *error;
    cJSON *json;
    int n;

    while ((n = lines_take(&guest->lines, answer, answer_len)) == -1) {
        if (lines_fill(&guest->lines, guest->place.fd) <= 0)
            break;
    }
    if (n < 0)
        return why_set(why, why_len, "the network process has ended");
    json = cJSON_Parse(answer);
    error = cJSON_GetStringValue(cJSON_GetObjectItem(json, "error"));
    if (error)
        (void)why_set(why, why_len, "%s", error);
    cJSON_Delete(json);
    return error ? -1 : 0;
}

int guest_enter(struct guest *guest, char *why, size_t why_len)
{
    if (files_open(guest, why, why_len))
        return -1;
    return place_enter(&guest->place, guest->network,
                       guest->options->network == NULL, why, why_len);
}

int guest_join(struct guest *guest, const char *wire, int fd, char *answer,
               size_t answer_len, char *why, size_t why_len)
{
    int err = 0;

    if (join_send(guest, wire, fd))
        err = why_set(why, why_len, "the network process has ended");
    close(fd);
    files_close(guest); /* They are the network's now. */
    return err ? err : join_hear(guest, answer, answer_len, why, why_len);
}

int guest_join_device(struct guest *guest, int device, char *why,
                      size_t why_len)
{
    struct device_word word;
    char answer[8192];
    int tap;

    if (guest_enter(guest, why, why_len))
        return STATUS_OURS;
    tap = device_take(device, &word);
    if (tap >= 0)
        guest->tap = fcntl(tap, F_DUPFD_CLOEXEC, 0);
    if (tap >= 0 &&
        guest_join(guest, "tap", tap, answer, sizeof(answer), why, why_len))
        return STATUS_OURS;
    if (tap >= 0 && !device_answer(device, answer, &word) &&
        !device_done(device, &word))
        return 0;
    (void)why_set(why, why_len, "%s", word.text);
    return word.status;
}

/* ---- being there ---- */

/* Returns false if the guest is off the network. */
static bool line_hear(const char *line)
{
    cJSON *json = cJSON_Parse(line);
    const char *denied =
        cJSON_GetStringValue(cJSON_GetObjectItem(json, "denied"));
    const char *rule = cJSON_GetStringValue(cJSON_GetObjectItem(json, "rule"));
    bool gone = cJSON_IsTrue(cJSON_GetObjectItem(json, "gone"));

    if (denied && rule)
        say("%s is denied; to allow it: --allow '%s'", denied, rule);
    else if (denied)
        say("%s is denied", denied);
    cJSON_Delete(json);
    return !gone;
}

bool guest_hear(struct guest *guest)
{
    char line[sizeof(guest->lines.buf)];
    bool there = true;

    if (lines_fill(&guest->lines, guest->place.fd) <= 0) {
        say("the network process has ended");
        return false;
    }
    while (lines_take(&guest->lines, line, sizeof(line)) >= 0)
        there = line_hear(line) && there;
    return there;
}

void guest_let_go(struct guest *guest)
{
    if (guest->tap >= 0)
        (void)ioctl(guest->tap, TUNSETPERSIST, 1);
}

void guest_leave(struct guest *guest)
{
    files_close(guest);
    if (guest->tap >= 0)
        close(guest->tap);
    place_leave(&guest->place);
}
