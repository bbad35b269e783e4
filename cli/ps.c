/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * guestnet ps: what runs here, a line for each guest, or the networks' own
 * JSON.
 */
#include "cli/verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "cli/http.h"
#include "cli/say.h"
#include "cli/where.h"

static const char *text_of(const cJSON *json, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(json, name));

    return text ? text : "-";
}

static double number_of(const cJSON *json, const char *object, const char *name)
{
    const cJSON *item =
        cJSON_GetObjectItem(cJSON_GetObjectItem(json, object), name);

    return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

static double dropped_of(const cJSON *guest)
{
    const cJSON *count;
    double sum = 0;

    cJSON_ArrayForEach (count, cJSON_GetObjectItem(guest, "dropped"))
        sum += count->valuedouble;
    return sum;
}

static void list_append(char *out, size_t cap, const char *text)
{
    size_t len = strlen(out);

    (void)snprintf(out + len, cap - len, "%s%s", len ? "," : "", text);
}

static void guest_print(const char *network, const cJSON *guest)
{
    char addresses[512] = "", ports[512] = "";
    const cJSON *item, *denied = cJSON_GetObjectItem(guest, "denied");

    cJSON_ArrayForEach (item, cJSON_GetObjectItem(guest, "addresses"))
        list_append(addresses, sizeof(addresses), item->valuestring);
    cJSON_ArrayForEach (item, cJSON_GetObjectItem(guest, "ports")) {
        char port[128];

        (void)snprintf(port, sizeof(port), "%s:%d/%s", text_of(item, "at"),
                       cJSON_GetObjectItem(item, "to")->valueint,
                       text_of(item, "protocol"));
        list_append(ports, sizeof(ports), port);
    }
    printf("%-12s %-12s %-28s %-28s %12.0f %12.0f %7.0f %7.0f\n", network,
           text_of(guest, "name"), addresses[0] ? addresses : "-",
           ports[0] ? ports : "-", number_of(guest, "sent", "bytes"),
           number_of(guest, "received", "bytes"), dropped_of(guest),
           denied ? denied->valuedouble : 0);
}

static void networks_print(const cJSON *networks)
{
    const cJSON *network, *guest;

    printf("%-12s %-12s %-28s %-28s %12s %12s %7s %7s\n", "NETWORK", "GUEST",
           "ADDRESSES", "PORTS", "SENT", "RECEIVED", "DROPPED", "DENIED");
    cJSON_ArrayForEach (network, networks) {
        cJSON_ArrayForEach (guest, cJSON_GetObjectItem(network, "guests"))
            guest_print(text_of(network, "network"), guest);
    }
}

/* A network that has died leaves its socket. */
static int network_is_missing(const char *folder, const char *network)
{
    char path[WHERE_MAX], name[64], others[400] = "", why[300];

    for (size_t i = 0; where_list(folder, i, name, sizeof(name)) == 0; i++) {
        cJSON *other =
            where_socket(folder, name, path, sizeof(path), why, sizeof(why))
                ? NULL
                : http_network(path);

        if (other)
            list_append(others, sizeof(others), name);
        cJSON_Delete(other);
    }
    say("--network %s: %s%s", network,
        others[0] ? "no network of that name runs, only " : "no network runs",
        others);
    return 1;
}

int verb_ps(const struct options *options)
{
    char folder[WHERE_MAX], path[WHERE_MAX], name[64], why[300];
    cJSON *networks;

    if (where_folder(folder, sizeof(folder), why, sizeof(why))) {
        say("%s", why);
        return STATUS_OURS;
    }
    networks = cJSON_CreateArray();
    for (size_t i = 0; where_list(folder, i, name, sizeof(name)) == 0; i++) {
        if (options->network && strcmp(options->network, name) != 0)
            continue;
        if (where_socket(folder, name, path, sizeof(path), why, sizeof(why)))
            continue;
        (void)cJSON_AddItemToArray(networks, http_network(path));
    }
    if (options->network && !cJSON_GetArraySize(networks)) {
        cJSON_Delete(networks);
        return network_is_missing(folder, options->network);
    }
    if (options->json) {
        char *text = cJSON_Print(networks);

        puts(text ? text : "[]");
        free(text);
    } else {
        networks_print(networks);
    }
    cJSON_Delete(networks);
    return fflush(stdout) ? 1 : 0;
}
