/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The groups that the guest is in, by what it reports (IGMP of all versions,
 * RFC 2236 and 3376; MLD, RFC 2710 and 3810): what is sent to others does not
 * go to it. The source lists of the newer versions are not kept; a group that
 * is heard from some sources is heard from all, and the guest's stack sorts it.
 */
#include "guests/nic/nic.h"

#define IGMP1_REPORT 0x12
#define IGMP2_REPORT 0x16
#define IGMP_LEAVE   0x17
#define IGMP3_REPORT 0x22
#define MLD_REPORT   131
#define MLD_DONE     132
#define MLD2_REPORT  143

/** Types of a record in the newer versions' reports. */
enum group_record {
    RECORD_IS_INCLUDE = 1,
    RECORD_IS_EXCLUDE,
    RECORD_TO_INCLUDE,
    RECORD_TO_EXCLUDE,
    RECORD_ALLOW,
    RECORD_BLOCK
};

struct nic_group {
    struct gn__list link;
    struct gn__addr addr;
};

static struct nic_group *group_find(struct gn_nic *nic,
                                    const struct gn__addr *addr)
{
    struct gn__list *it;

    gn__list_foreach (it, &nic->groups) {
        struct nic_group *group = gn__container_of(it, struct nic_group, link);

        if (gn__addr_equal(&group->addr, addr))
            return group;
    }
    return NULL;
}

static void group_join(struct gn_nic *nic, const struct gn__addr *addr)
{
    const struct gn__mem *mem = &nic->handle.engine->net.mem;
    struct nic_group *group;

    if (!gn__addr_is_multicast(addr) || group_find(nic, addr))
        return;
    group = gn__zalloc(mem, sizeof(*group));
    if (!group)
        return;
    group->addr = *addr;
    if (gn__wire_join(&nic->wire, addr))
        gn__free(mem, group, sizeof(*group));
    else
        gn__list_add_tail(&nic->groups, &group->link);
}

static void group_free(struct gn_nic *nic, struct nic_group *group)
{
    gn__wire_leave(&nic->wire, &group->addr);
    gn__list_del(&group->link);
    gn__free(&nic->handle.engine->net.mem, group, sizeof(*group));
}

static void group_leave(struct gn_nic *nic, const struct gn__addr *addr)
{
    struct nic_group *group = group_find(nic, addr);

    if (group)
        group_free(nic, group);
}

void gn__nic_groups_done(struct gn_nic *nic)
{
    struct gn__list *node;

    while ((node = gn__list_first(&nic->groups)))
        group_free(nic, gn__container_of(node, struct nic_group, link));
}

/* ---- the newer reports: records of a type, a group and sources ---- */

static struct gn__addr addr_at(const uint8_t *at, size_t addr_len)
{
    return addr_len == 4 ? gn__addr_from_v4_bytes(at)
                         : gn__addr_from_v6_bytes(at);
}

static void record_take(struct gn_nic *nic, const uint8_t *record,
                        size_t addr_len)
{
    struct gn__addr group = addr_at(record + 4, addr_len);
    unsigned n_sources = gn__get16(record + 2);

    switch (record[0]) {
    case RECORD_IS_EXCLUDE:
    case RECORD_TO_EXCLUDE:
    case RECORD_ALLOW:
        group_join(nic, &group);
        break;
    case RECORD_IS_INCLUDE:
    case RECORD_TO_INCLUDE:
        if (n_sources)
            group_join(nic, &group);
        else
            group_leave(nic, &group);
        break;
    default: /* RECORD_BLOCK */
        break;
    }
}

static void records_take(struct gn_nic *nic, const uint8_t *msg, size_t len,
                         size_t addr_len)
{
    unsigned n = len >= 8 ? gn__get16(msg + 6) : 0;
    size_t at = 8;

    while (n-- && len - at >= 4 + addr_len) {
        size_t size = 4 + addr_len + gn__get16(msg + at + 2) * addr_len +
                      msg[at + 1] * 4u;

        if (len - at < size)
            break;
        record_take(nic, msg + at, addr_len);
        at += size;
    }
}

/* ---- messages ---- */

void gn__nic_igmp_input(struct gn_nic *nic, const struct gn__packet *packet)
{
    uint8_t msg[1500];
    size_t len = gn__packet_read(packet, packet->ip.l4, msg, sizeof(msg));
    struct gn__addr group;

    if (len < 8 || gn__ip_is_fragment(&packet->ip))
        return;
    group = gn__addr_from_v4_bytes(msg + 4);
    if (msg[0] == IGMP1_REPORT || msg[0] == IGMP2_REPORT)
        group_join(nic, &group);
    else if (msg[0] == IGMP_LEAVE)
        group_leave(nic, &group);
    else if (msg[0] == IGMP3_REPORT)
        records_take(nic, msg, len, 4);
}

void gn__nic_mld_input(struct gn_nic *nic, const struct gn__packet *packet)
{
    uint8_t msg[1500];
    size_t len = gn__packet_read(packet, packet->ip.l4, msg, sizeof(msg));
    struct gn__addr group;

    if (len >= 24 && (msg[0] == MLD_REPORT || msg[0] == MLD_DONE)) {
        group = gn__addr_from_v6_bytes(msg + 8);
        if (msg[0] == MLD_REPORT)
            group_join(nic, &group);
        else
            group_leave(nic, &group);
    } else if (len >= 8 && msg[0] == MLD2_REPORT) {
        records_take(nic, msg, len, 16);
    }
}
