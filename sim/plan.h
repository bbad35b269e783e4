/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_SIM_PLAN_H
#define GN_SIM_PLAN_H

/*
 * What a plan is inside. A fault is a verb, the machines it is for, and options
 * with a value each; which options a verb has, and in which unit, is one table
 * (verbs.c), by which plans are read, written and played.
 */
#include <guestnet/plan.h>

#include <stdbool.h>

#include "base/mem.h"
#include "base/units.h"

/** The longest time of a plan, ns: 10,000 days. */
#define GN__PLAN_TIME_MAX (864000 * GN__NS_PER_S * 1000)
/** Machines that one fault names. */
#define GN__PLAN_NAMES_MAX 1024u

enum gn__verb {
    GN__VERB_CRASH,
    GN__VERB_START,
    GN__VERB_PAUSE,
    GN__VERB_STOP,
    GN__VERB_PARTITION,
    GN__VERB_CLOCK,
    GN__VERB_LINK,
    GN__VERB_PATH,
    GN__VERB_DNS,
    GN__VERB_LIMIT,
    GN__N_VERBS
};

/** What a value is. */
enum gn__unit {
    GN__UNIT_FLAG,    /* none: the word says it */
    GN__UNIT_TIME,    /* ns */
    GN__UNIT_SHIFT,   /* ns, with a sign */
    GN__UNIT_DRIFT,   /* billionths, with a sign */
    GN__UNIT_PORTION, /* of a million */
    GN__UNIT_RATE,    /* bits a second */
    GN__UNIT_BYTES,
    GN__UNIT_NUMBER,
    GN__UNIT_WORD, /* fault->word */
    GN__N_UNITS
};

/* Options, by their place in the table of their verb. */
enum { GN__CLOCK_OFFSET, GN__CLOCK_DRIFT };
enum {
    GN__LINK_LATENCY,
    GN__LINK_JITTER,
    GN__LINK_RATE,
    GN__LINK_QUEUE,
    GN__LINK_LOSS,
    GN__LINK_REORDER,
    GN__LINK_DUPLICATE,
    GN__LINK_CORRUPT,
    GN__LINK_DOWN
};
enum { GN__PATH_LATENCY, GN__PATH_LOSS, GN__PATH_BLOCK, GN__PATH_HOLD };
enum {
    GN__DNS_SERVFAIL,
    GN__DNS_NXDOMAIN,
    GN__DNS_EMPTY,
    GN__DNS_HANG,
    GN__DNS_DELAY,
    GN__DNS_CHANCE,
    GN__DNS_NAME
};
enum {
    GN__LIMIT_SOCKETS,
    GN__LIMIT_CONNECTIONS,
    GN__LIMIT_LOOKUPS,
    GN__LIMIT_BUFFERED,
    GN__LIMIT_DISK
};

#define GN__OPTIONS_MAX 9u

struct gn__option {
    const char *word; /* NULL: the end */
    enum gn__unit unit;
    int64_t max;
};

/** What stands behind a verb. */
struct gn__verb_form {
    const char *word;
    const char *names; /* for errors: "a machine" */
    uint8_t n_names;   /* 1 or 2; 0: sides of a partition */
    bool may_be_many;  /* more than one, each of which it is for */
    bool may_be_all;   /* "*" */
    bool may_last;     /* "for" */
    struct gn__option options[GN__OPTIONS_MAX + 1];
};

extern const struct gn__verb_form gn__verbs[GN__N_VERBS];

struct gn__plan_name {
    char name[64];
    unsigned column;
    uint8_t side; /* of a partition, from 1 */
};

struct gn__fault {
    enum gn__verb verb;
    unsigned line;
    uint64_t at_ns;
    uint64_t for_ns; /* 0: for good */
    bool one_way;    /* a partition: from side 1 to side 2 */
    uint8_t n_sides;
    uint32_t n_names;
    struct gn__plan_name *names;
    uint32_t set; /* options that it has, a bit each */
    int64_t values[GN__OPTIONS_MAX];
    char word[256];
};

struct gn_plan {
    struct gn__mem mem;
    size_t n;
    size_t room;
    struct gn__fault *faults;
};

GN_WARN_UNUSED struct gn_plan *gn__plan_create(const struct gn__mem *mem);
/** Append a copy, its names included. -ENOMEM; -ENOSPC: there are
 *  GN_PLAN_FAULTS_MAX. */
GN_WARN_UNUSED int gn__plan_add(struct gn_plan *plan,
                                const struct gn__fault *fault);
/** A copy of a fault with names of its own; and the end of it. -ENOMEM. */
GN_WARN_UNUSED int gn__fault_copy(const struct gn__mem *mem,
                                  const struct gn__fault *from,
                                  struct gn__fault *out);
void gn__fault_done(const struct gn__mem *mem, struct gn__fault *fault);

/** "*"? */
bool gn__name_is_all(const struct gn__plan_name *name);
/** The side of a partition that a machine is on, 0: on none. For other verbs:
 *  is it for this machine? */
uint8_t gn__fault_side(const struct gn__fault *fault, const char *machine);

/** Write one fault, without the end of the line, as snprintf(3). */
size_t gn__fault_format(const struct gn__fault *fault, char *buf, size_t cap);

/* ---- values: values.c ---- */

/** Read @len bytes as a value of the unit; false: it is none, and *@hint says
 *  what one looks like. Words are not read by it. */
bool gn__value_parse(enum gn__unit unit, const char *text, size_t len,
                     int64_t *out, const char **hint);
/** As it is read; 32 bytes suffice. */
void gn__value_format(enum gn__unit unit, int64_t value, char *buf, size_t cap);

#endif /* GN_SIM_PLAN_H */
