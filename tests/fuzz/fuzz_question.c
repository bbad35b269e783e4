/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What guests ask the DNS server. The first byte says what is answered and how
 * much of it there is; the rest is the message. Whatever is read is answered
 * within its bounds, by a response with the number of the question, which is
 * then no question itself.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>

#include <guestnet/addr.h>

#include "resolver/message.h"
#include "tests/fuzz/check.h"

#define ADDRS_MAX 63u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fill(struct gn_answer *addrs, size_t n, bool v6)
{
    static const char *const texts[] = {"10.77.0.2", "fd77::2"};
    size_t i;

    memset(addrs, 0, n * sizeof(*addrs));
    for (i = 0; i < n; i++) {
        socklen_t len;

        CHECK(!gn_addr_parse(texts[v6], &addrs[i].addr, &len));
        addrs[i].ttl_s = (uint32_t)i;
    }
}

static void try_answer(const struct gn__dns_question *question,
                       const struct gn__dns_answer *answer, size_t cap)
{
    static uint8_t out[65535];
    struct gn__dns_question again;
    size_t len = gn__dns_write(question, answer, out, cap);

    CHECK(len == 0 || (len >= 12 && len <= cap));
    if (!len)
        return;
    CHECK((out[0] << 8 | out[1]) == question->id);
    CHECK(out[2] & 0x80);
    CHECK((out[3] & 15) == (int)answer->rcode);
    CHECK(gn__dns_parse(out, len, &again) == -1);
}

static void answer_all(const struct gn__dns_question *question, int rcode,
                       unsigned how)
{
    static struct gn_answer addrs[ADDRS_MAX];
    struct gn__dns_answer answer = {
        .rcode = (enum gn__dns_rcode)rcode,
        .authoritative = how & 1,
        .canonical = how & 64 ? "web.guest.internal" : NULL,
        .ttl_s = 60,
    };

    if (rcode == GN__RCODE_OK && question->type == GN__DNS_PTR && how & 2) {
        answer.host = "web.guest.internal";
    } else if (rcode == GN__RCODE_OK && (question->type == GN__DNS_A ||
                                         question->type == GN__DNS_AAAA)) {
        answer.n = how >> 2;
        answer.addrs = addrs;
        fill(addrs, answer.n, question->type == GN__DNS_AAAA);
    }
    if (!answer.n && !answer.host && how & 128)
        answer.zone = "guest.internal";
    try_answer(question, &answer, question->udp_size);
    try_answer(question, &answer, 65535);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gn__dns_question question;
    struct sockaddr_storage addr;
    int rcode;

    if (!size)
        return 0;
    memset(&question, 0, sizeof(question));
    rcode = gn__dns_parse(data + 1, size - 1, &question);
    CHECK(rcode == -1 || rcode == GN__RCODE_OK || rcode == GN__RCODE_FORMERR ||
          rcode == GN__RCODE_NOTIMP);
    if (rcode < 0)
        return 0;
    CHECK(question.udp_size >= GN__DNS_UDP_LEAST &&
          question.udp_size <= GN__DNS_UDP_MOST);
    CHECK(strlen(question.name) < sizeof(question.name));
    if (gn__dns_reverse(question.name, &addr))
        CHECK(addr.ss_family == AF_INET || addr.ss_family == AF_INET6);
    answer_all(&question, rcode, data[0]);
    return 0;
}
