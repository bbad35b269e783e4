/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/net/request.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cli/link.h"
#include "cli/say.h"

#define MTU_DEFAULT 1500u
/** Up to here each whole number is a double of its own. */
#define WHOLE_MAX (UINT64_C(1) << 53)

static const char *const wires[] = {"tap", "qemu", "vsock"};
static_assert(sizeof(wires) / sizeof(*wires) == N_WIRES, "a name for each");

/** Where what is wrong is said. */
struct why {
    char *text;
    size_t cap;
};

/* ---- values ---- */

/* A whole number; @otherwise where none is given. */
static int number_read(const cJSON *json, const char *name, uint64_t least,
                       uint64_t most, uint64_t otherwise, uint64_t *out,
                       const struct why *why)
{
    const cJSON *item = cJSON_GetObjectItem(json, name);
    double given = cJSON_IsNumber(item) ? item->valuedouble : -1;

    *out = otherwise;
    if (!item)
        return 0;
    /* NaN is not above anything. */
    if (given >= (double)least && given <= (double)most) {
        *out = (uint64_t)given;
        if ((double)*out == given)
            return 0;
    }
    return why_set(why->text, why->cap,
                   "%s: a whole number from %llu to %llu is needed", name,
                   (unsigned long long)least, (unsigned long long)most);
}

static int number32_read(const cJSON *json, const char *name,
                         uint32_t otherwise, uint32_t *out,
                         const struct why *why)
{
    uint64_t n;
    int err = number_read(json, name, 0, UINT32_MAX, otherwise, &n, why);

    *out = (uint32_t)n;
    return err;
}

/* ---- fields ---- */

/* The network's own server answers for the gateway's names: a guest that had
 * one would be taken for it. */
static int name_read(const cJSON *json, struct join_request *out,
                     const struct why *why)
{
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(json, "name"));

    if (!name || !name[0] || strlen(name) >= sizeof(out->name))
        return why_set(why->text, why->cap,
                       "a name of up to 63 bytes is needed");
    (void)snprintf(out->name, sizeof(out->name), "%s", name);
    if (strcasecmp(name, "host") && strcasecmp(name, "gateway"))
        return 0;
    return why_set(why->text, why->cap,
                   "the name %s is the gateway's; choose another --name", name);
}

static int wire_read(const cJSON *json, struct join_request *out,
                     const struct why *why)
{
    const char *wire = cJSON_GetStringValue(cJSON_GetObjectItem(json, "wire"));

    uint64_t port, shared;

    for (unsigned i = 0; wire && i < N_WIRES; i++) {
        if (strcmp(wire, wires[i]) != 0)
            continue;
        out->wire = (enum wire)i;
        if (number_read(json, "port", 0, UINT32_MAX - 1, 0, &port, why) ||
            number_read(json, "shared", 0, out->wire == WIRE_QEMU ? VMS_MAX : 0,
                        0, &shared, why))
            return -1;
        out->port = (uint32_t)port;
        out->shared = (uint32_t)shared;
        return 0;
    }
    return why_set(why->text, why->cap,
                   "the wire is \"tap\", \"qemu\" or \"vsock\"");
}

static int rules_read(cJSON *json, struct join_request *out,
                      const struct why *why)
{
    const cJSON *text;
    bool good;

    out->rules = cJSON_DetachItemFromObject(json, "rules");
    good = !out->rules || (cJSON_IsArray(out->rules) &&
                           cJSON_GetArraySize(out->rules) <= (int)RULES_MAX);
    cJSON_ArrayForEach (text, out->rules)
        good = good && cJSON_IsString(text);
    return good ? 0
                : why_set(why->text, why->cap,
                          "rules: up to %u texts are needed", RULES_MAX);
}

static int publish_read(const cJSON *json, struct join_request *out,
                        const struct why *why)
{
    const cJSON *array = cJSON_GetObjectItem(json, "publish"), *port;
    uint64_t to;

    if (array &&
        (!cJSON_IsArray(array) || cJSON_GetArraySize(array) > (int)PUBLISH_MAX))
        return why_set(why->text, why->cap,
                       "publish: up to %u ports are needed", PUBLISH_MAX);
    cJSON_ArrayForEach (port, array) {
        if (!cJSON_GetObjectItem(port, "to"))
            return why_set(why->text, why->cap,
                           "publish: a port leads \"to\" one");
        if (number_read(port, "to", 1, UINT16_MAX, 0, &to, why))
            return -1;
        out->publish[out->n_publish].to = (uint16_t)to;
        out->publish[out->n_publish++].udp =
            cJSON_IsTrue(cJSON_GetObjectItem(port, "udp"));
    }
    return 0;
}

static int link_of(const cJSON *json, struct join_request *out,
                   const struct why *why)
{
    const cJSON *from = cJSON_GetObjectItem(json, "link");
    uint64_t n;

    for (size_t i = 0; i < LINK_N_SETTINGS; i++) {
        const struct link_setting *setting = &link_settings[i];

        if (number_read(from, setting->key, 0,
                        setting->wide ? WHOLE_MAX : UINT32_MAX, 0, &n, why))
            return -1;
        link_set(&out->link, setting, n);
    }
    return 0;
}

/* ---- all of it ---- */

int request_read(const char *text, size_t len, struct join_request *out,
                 char *why_text, size_t why_len)
{
    const struct why why = {why_text, why_len};
    cJSON *json = cJSON_ParseWithLength(text, len);
    int err = -1;

    memset(out, 0, sizeof(*out));
    if (!json)
        return why_set(why_text, why_len, "the line is no JSON");
    if (!name_read(json, out, &why) && !wire_read(json, out, &why) &&
        !number32_read(json, "mtu", MTU_DEFAULT, &out->mtu, &why) &&
        !rules_read(json, out, &why) && !publish_read(json, out, &why))
        err = link_of(json, out, &why);
    out->pcap = cJSON_IsTrue(cJSON_GetObjectItem(json, "pcap"));
    cJSON_Delete(json);
    return err;
}

void request_done(struct join_request *request)
{
    cJSON_Delete(request->rules);
    request->rules = NULL;
}

const char *request_wire(const struct join_request *request)
{
    return wires[request->wire];
}
