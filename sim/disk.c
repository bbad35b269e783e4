/* SPDX-License-Identifier: BSD-3-Clause */

/* The files of a machine; see disk.h. */
#include "sim/disk.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

/** Since the last sync: bytes that were written, or another length. */
struct change {
    struct gn__list link;
    uint64_t at;
    size_t len;
    bool truncates; /* to `at` bytes */
    uint8_t data[];
};

/** What becomes of a change at a crash; equally likely. */
enum fate { FATE_LOST, FATE_KEPT, FATE_TORN, N_FATES };

/* ---- images ---- */

static int image_reserve(const struct gn__mem *mem, struct gn__image *image,
                         size_t room)
{
    uint8_t *data;

    if (room <= image->room)
        return 0;
    if (room < 2 * image->room)
        room = 2 * image->room;
    data = gn__alloc(mem, room);
    if (!data)
        return -ENOMEM;
    if (image->len)
        memcpy(data, image->data, image->len);
    gn__free(mem, image->data, image->room);
    image->data = data;
    image->room = room;
    return 0;
}

static void image_done(const struct gn__mem *mem, struct gn__image *image)
{
    gn__free(mem, image->data, image->room);
    memset(image, 0, sizeof(*image));
}

static void image_resize(struct gn__image *image, size_t len)
{
    if (len > image->len)
        memset(image->data + image->len, 0, len - image->len);
    image->len = len;
}

/* The first @len bytes of a change; room is there. */
static void image_apply(struct gn__image *image, const struct change *change,
                        size_t len)
{
    if (change->truncates) {
        image_resize(image, (size_t)change->at);
        return;
    }
    if (change->at + len > image->len)
        image_resize(image, (size_t)change->at + len);
    memcpy(image->data + change->at, change->data, len);
}

/* ---- files ---- */

static void drop_changes(struct gn__disk *disk, struct gn__file *file)
{
    struct gn__list *it;

    while ((it = gn__list_pop(&file->changes))) {
        struct change *change = gn__container_of(it, struct change, link);

        disk->used -= change->len + GN__DISK_OVERHEAD;
        gn__free(disk->mem, change, sizeof(*change) + change->len);
    }
}

void gn__disk_init(struct gn__disk *disk, const struct gn__mem *mem,
                   uint64_t limit)
{
    disk->mem = mem;
    gn__list_init(&disk->files);
    disk->used = 0;
    disk->limit = limit;
}

static void file_free(struct gn__disk *disk, struct gn__file *file)
{
    gn__list_del(&file->link);
    drop_changes(disk, file);
    image_done(disk->mem, &file->seen);
    image_done(disk->mem, &file->synced);
    gn__free(disk->mem, file, sizeof(*file));
}

void gn__disk_done(struct gn__disk *disk)
{
    struct gn__list *it;

    while ((it = gn__list_first(&disk->files)))
        file_free(disk, gn__container_of(it, struct gn__file, link));
}

static bool name_is_valid(const char *name)
{
    return name && *name &&
           strnlen(name, GN__FILE_NAME_ROOM) < GN__FILE_NAME_ROOM;
}

static int file_find(struct gn__disk *disk, const char *name,
                     struct gn__file **out)
{
    struct gn__list *it;

    if (!name_is_valid(name))
        return -EINVAL;
    gn__list_foreach (it, &disk->files) {
        *out = gn__container_of(it, struct gn__file, link);
        if (!strcmp((*out)->name, name))
            return 0;
    }
    return -ENOENT;
}

static int file_create(struct gn__disk *disk, const char *name,
                       struct gn__file **out)
{
    struct gn__file *file;

    if (disk->used + GN__DISK_OVERHEAD > disk->limit)
        return -ENOSPC;
    file = gn__zalloc(disk->mem, sizeof(*file));
    if (!file)
        return -ENOMEM;
    memcpy(file->name, name, strlen(name) + 1);
    gn__list_init(&file->changes);
    gn__list_add_tail(&disk->files, &file->link);
    disk->used += GN__DISK_OVERHEAD;
    *out = file;
    return 0;
}

/* ---- changes ---- */

static struct change *change_create(struct gn__disk *disk, uint64_t at,
                                    const void *data, size_t len)
{
    struct change *change = gn__alloc(disk->mem, sizeof(*change) + len);

    if (!change)
        return NULL;
    gn__list_init(&change->link);
    change->at = at;
    change->len = len;
    change->truncates = data == NULL;
    if (len)
        memcpy(change->data, data, len);
    return change;
}

/* @end  How long the file is then, at least. */
static int file_change(struct gn__disk *disk, struct gn__file *file,
                       uint64_t end, uint64_t at, const void *data, size_t len)
{
    uint64_t grows = end > file->seen.len ? end - file->seen.len : 0;
    uint64_t left = disk->limit > disk->used ? disk->limit - disk->used : 0;
    uint64_t cost = len + GN__DISK_OVERHEAD;
    struct change *change;

    if (cost > left || grows > left - cost)
        return -ENOSPC;
    cost += grows;
    change = change_create(disk, at, data, len);
    if (!change)
        return -ENOMEM;
    if (image_reserve(disk->mem, &file->seen, (size_t)end)) {
        gn__free(disk->mem, change, sizeof(*change) + len);
        return -ENOMEM;
    }
    disk->used += cost;
    if (change->truncates && at < file->seen.len)
        disk->used -= file->seen.len - at;
    image_apply(&file->seen, change, len);
    if (file->seen.len > file->longest)
        file->longest = file->seen.len;
    gn__list_add_tail(&file->changes, &change->link);
    return 0;
}

static int disk_change(struct gn__disk *disk, const char *name, uint64_t end,
                       uint64_t at, const void *data, size_t len)
{
    struct gn__file *file;
    bool is_new;
    int err = file_find(disk, name, &file);

    is_new = err == -ENOENT;
    if (is_new)
        err = file_create(disk, name, &file);
    if (err)
        return err;
    err = file_change(disk, file, end, at, data, len);
    if (err && is_new) {
        file_free(disk, file);
        disk->used -= GN__DISK_OVERHEAD;
    }
    return err;
}

/* ---- the calls ---- */

ssize_t gn__disk_read(struct gn__disk *disk, const char *name, uint64_t at,
                      void *data, size_t len)
{
    struct gn__file *file;
    int err = file_find(disk, name, &file);

    if (err)
        return err;
    if (!data && len)
        return -EINVAL;
    if (!len || at >= file->seen.len)
        return 0;
    if (len > file->seen.len - at)
        len = file->seen.len - (size_t)at;
    memcpy(data, file->seen.data + at, len);
    return (ssize_t)len;
}

ssize_t gn__disk_write(struct gn__disk *disk, const char *name, uint64_t at,
                       const void *data, size_t len)
{
    int err;

    if ((!data && len) || len > SSIZE_MAX)
        return -EINVAL;
    if (at > disk->limit || len > disk->limit - at)
        return -ENOSPC;
    if (!len)
        return name_is_valid(name) ? 0 : -EINVAL;
    err = disk_change(disk, name, at + len, at, data, len);
    return err ? err : (ssize_t)len;
}

int gn__disk_truncate(struct gn__disk *disk, const char *name, uint64_t size)
{
    return size > disk->limit ? -ENOSPC
                              : disk_change(disk, name, size, size, NULL, 0);
}

int gn__disk_sync(struct gn__disk *disk, const char *name)
{
    struct gn__file *file;
    struct gn__list *it;
    int err = file_find(disk, name, &file);

    if (err)
        return err;
    if (image_reserve(disk->mem, &file->synced, file->longest))
        return -ENOMEM;
    gn__list_foreach (it, &file->changes) {
        const struct change *done = gn__container_of(it, struct change, link);

        image_apply(&file->synced, done, done->len);
    }
    drop_changes(disk, file);
    file->longest = file->seen.len;
    return 0;
}

ssize_t gn__disk_size(struct gn__disk *disk, const char *name)
{
    struct gn__file *file;
    int err = file_find(disk, name, &file);

    return err ? err : (ssize_t)file->seen.len;
}

/* ---- the power is cut ---- */

static size_t kept_of(const struct change *change, struct gn__rng *rng)
{
    size_t n_sectors = change->len / GN__DISK_SECTOR;

    switch ((enum fate)gn__rng_below(rng, N_FATES)) {
    case FATE_KEPT:
        return change->len;
    case FATE_TORN:
        return (size_t)gn__rng_below(rng, n_sectors + 1) * GN__DISK_SECTOR;
    default:
        return 0;
    }
}

/* Both images are what is there now; without memory, as much of it as fits. */
static void show_synced(struct gn__disk *disk, struct gn__file *file)
{
    if (image_reserve(disk->mem, &file->seen, file->synced.len))
        file->synced.len = file->seen.room;
    if (file->synced.len)
        memcpy(file->seen.data, file->synced.data, file->synced.len);
    file->seen.len = file->longest = file->synced.len;
}

static void file_crash(struct gn__disk *disk, struct gn__file *file,
                       struct gn__rng *rng)
{
    size_t before = file->seen.len;
    struct gn__list *it;
    uint64_t end;

    gn__list_foreach (it, &file->changes) {
        const struct change *change = gn__container_of(it, struct change, link);
        bool is_kept = change->truncates && gn__rng_below(rng, 2);
        size_t len = change->truncates ? 0 : kept_of(change, rng);

        end = change->at + len;
        if ((!len && !is_kept) ||
            image_reserve(disk->mem, &file->synced, (size_t)end))
            continue;
        image_apply(&file->synced, change, len);
    }
    drop_changes(disk, file);
    show_synced(disk, file);
    disk->used = disk->used - before + file->seen.len;
}

void gn__disk_crash(struct gn__disk *disk, struct gn__rng *rng)
{
    struct gn__list *it;

    gn__list_foreach (it, &disk->files)
        file_crash(disk, gn__container_of(it, struct gn__file, link), rng);
}
