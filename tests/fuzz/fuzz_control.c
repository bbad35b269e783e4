/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The line that joins a network by the control socket. What is taken is within
 * what the rest of the command may believe, and what is refused is said in one
 * line. What stands behind the line changes nothing of it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/net/request.h"
#include "tests/fuzz/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_refusal(const char *why)
{
    CHECK(why[0]);
    for (; *why; why++)
        CHECK(*why >= ' ' && *why <= '~');
}

static void check_request(const struct join_request *request)
{
    const cJSON *rule;

    CHECK(request->name[0] && memchr(request->name, 0, sizeof(request->name)));
    CHECK(request->wire < N_WIRES && request->port < UINT32_MAX);
    CHECK(request->shared <= (request->wire == WIRE_QEMU ? VMS_MAX : 0));
    CHECK(request->n_publish <= PUBLISH_MAX);
    for (size_t i = 0; i < request->n_publish; i++)
        CHECK(request->publish[i].to > 0);
    CHECK(cJSON_GetArraySize(request->rules) <= (int)RULES_MAX);
    cJSON_ArrayForEach (rule, request->rules)
        CHECK(cJSON_IsString(rule) && rule->valuestring);
}

static void check_same(const struct join_request *a,
                       const struct join_request *b)
{
    CHECK(!strcmp(a->name, b->name) && a->wire == b->wire &&
          a->port == b->port && a->shared == b->shared && a->mtu == b->mtu &&
          a->pcap == b->pcap);
    CHECK(cJSON_Compare(a->rules, b->rules, true) == (a->rules && b->rules));
    CHECK(a->n_publish == b->n_publish);
    for (size_t i = 0; i < a->n_publish; i++)
        CHECK(a->publish[i].to == b->publish[i].to &&
              a->publish[i].udp == b->publish[i].udp);
    CHECK(a->link.rate_bps == b->link.rate_bps &&
          a->link.latency_us == b->link.latency_us);
}

/* As it came, and with more behind the line. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char behind[] = "\n{\"name\": \"other\"}";
    char why[400] = "", why_longer[400] = "";
    struct join_request request, longer;
    char *copy = malloc(size + sizeof(behind));
    int err, err_longer;

    CHECK(copy);
    if (size)
        memcpy(copy, data, size);
    memcpy(copy + size, behind, sizeof(behind));
    err = request_read(copy, size, &request, why, sizeof(why));
    if (err)
        check_refusal(why);
    else
        check_request(&request);
    err_longer = request_read(copy, size + sizeof(behind) - 1, &longer,
                              why_longer, sizeof(why_longer));
    if (err == 0) {
        CHECK(err_longer == 0);
        check_same(&request, &longer);
    }
    request_done(&request);
    request_done(&longer);
    free(copy);
    return 0;
}
