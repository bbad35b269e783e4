/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Lists of addresses. Each entry is a block of its own, which knows where it
 * came from: POSIX lets a list be freed in parts, and it may outlive its
 * namespace.
 */
#include "host/names/addrinfo.h"

#include <errno.h>
#include <string.h>

#include "base/list.h"

struct entry {
    struct gn__mem mem;
    size_t size;
    struct addrinfo info;
    struct sockaddr_storage addr;
    char canonical[];
};

int gn__addrinfo_add(const struct gn__mem *mem, struct addrinfo ***tail,
                     const struct addrinfo *info, const char *canonical)
{
    size_t room = canonical ? strlen(canonical) + 1 : 0;
    size_t size = sizeof(struct entry) + room;
    struct entry *entry = gn__zalloc(mem, size);

    if (!entry)
        return -ENOMEM;
    entry->mem = *mem;
    entry->size = size;
    entry->info = *info;
    memcpy(&entry->addr, info->ai_addr, info->ai_addrlen);
    entry->info.ai_addr = (struct sockaddr *)&entry->addr;
    entry->info.ai_canonname = NULL;
    if (canonical) {
        memcpy(entry->canonical, canonical, room);
        entry->info.ai_canonname = entry->canonical;
    }
    entry->info.ai_next = NULL;
    **tail = &entry->info;
    *tail = &entry->info.ai_next;
    return 0;
}

void gn_freeaddrinfo(struct addrinfo *list)
{
    struct addrinfo *next;

    for (; list; list = next) {
        struct entry *entry = gn__container_of(list, struct entry, info);
        struct gn__mem mem = entry->mem;

        next = list->ai_next;
        gn__free(&mem, entry, entry->size);
    }
}

int gn__gai_error(int status)
{
    if (status <= GN_EAI_ADDRFAMILY)
        return status;
    switch (status) {
    case 0:
    case -ECANCELED:
    case -EDEADLK:
        return status;
    case -EAGAIN:
    case -ETIMEDOUT:
        return GN_EAI_AGAIN;
    case -ENOMEM:
        return GN_EAI_MEMORY;
    default:
        return GN_EAI_FAIL;
    }
}
