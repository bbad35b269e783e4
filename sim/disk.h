/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_SIM_DISK_H
#define GN_SIM_DISK_H

/*
 * The files of a machine. Each has two images: what a read sees, and what a
 * crash leaves for sure; between them lies a list of the changes since the last
 * sync, each of which a crash may lose, keep, or tear.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/rng.h"

/** A write is torn between sectors, bytes. */
#define GN__DISK_SECTOR 512u
/** What a file or a change costs of the disk beside its bytes. */
#define GN__DISK_OVERHEAD  64u
#define GN__FILE_NAME_ROOM 64u

/** Bytes; zero is an empty one. */
struct gn__image {
    uint8_t *data;
    size_t len;
    size_t room;
};

struct gn__file {
    struct gn__list link;
    char name[GN__FILE_NAME_ROOM];
    struct gn__image seen;
    struct gn__image synced;
    struct gn__list changes; /* since the last sync, in order */
    size_t longest;          /* it was since then */
};

struct gn__disk {
    const struct gn__mem *mem;
    struct gn__list files;
    uint64_t used;
    uint64_t limit;
};

void gn__disk_init(struct gn__disk *disk, const struct gn__mem *mem,
                   uint64_t limit);
void gn__disk_done(struct gn__disk *disk);

/** The results are those of gn_disk_read() and its like. */
ssize_t gn__disk_read(struct gn__disk *disk, const char *name, uint64_t at,
                      void *data, size_t len);
ssize_t gn__disk_write(struct gn__disk *disk, const char *name, uint64_t at,
                       const void *data, size_t len);
int gn__disk_truncate(struct gn__disk *disk, const char *name, uint64_t size);
int gn__disk_sync(struct gn__disk *disk, const char *name);
ssize_t gn__disk_size(struct gn__disk *disk, const char *name);

/** The power is cut. Changes that there is no memory for are lost. */
void gn__disk_crash(struct gn__disk *disk, struct gn__rng *rng);

#endif /* GN_SIM_DISK_H */
