/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_SWITCH_LOG_H
#define GN_SWITCH_LOG_H

/*
 * Lines for gn_network_config.log: what was turned away, limited or failed
 * without a call that could report it. The object comes first, then what
 * happened and why.
 *
 * The cause of such lines may be a hostile guest, so each kind has ten lines in
 * a second and those beyond are counted: the next line of the kind says how
 * many. Lines wait in a short ring for the driving thread, which calls the hook
 * without the lock.
 */
#include <guestnet/network.h>
#include <guestnet/stats.h>
#include <stdarg.h>

struct gn__guest;

enum gn__log_kind {
    GN__LOG_TURNED_AWAY = 0, /* a client from outside */
    GN__LOG_PAUSED,          /* clients wait */
    GN__LOG_LIMITED,         /* a limit of a guest's */
    GN__LOG_EVICTED,         /* something made room for another */
    GN__LOG_FAILED,          /* something that was asked for is not there */
    GN__LOG_DENIED,          /* a guest, of the outside */
    GN__LOG_ENDED,           /* rules no longer allow what was open */
    GN__LOG_N_KINDS
};

struct gn__logger;

/** A line; under the engine's lock. @net NULL: nothing happens. */
__attribute__((format(printf, 4, 5))) void gn__log(struct gn_network *net,
                                                   enum gn_log_level level,
                                                   enum gn__log_kind kind,
                                                   const char *format, ...);
/** The same without the lock. */
__attribute__((format(printf, 4, 5))) void gn__network_log(
    struct gn_network *net, enum gn_log_level level, enum gn__log_kind kind,
    const char *format, ...);
/** The same of a guest, which the line begins with. */
__attribute__((format(printf, 4, 5))) void gn__guest_log(
    struct gn__guest *guest, enum gn_log_level level, enum gn__log_kind kind,
    const char *format, ...);
/** A guest lost something for this reason: a line if it is a limit's doing.
 *  Under the lock. */
void gn__log_drop(struct gn_network *net, const struct gn__guest *guest,
                  enum gn_drop why);
/** What a guest is called in a line: its name, or its first address. */
const char *gn__log_name(const struct gn__guest *guest);

/** For network.c: begin, and at the end say what waits. NULL: no hook. */
GN_WARN_UNUSED int gn__logger_create(struct gn_network *net);
void gn__logger_end(struct gn_network *net);
/** Inside the engine, of a network that has said nothing. */
void gn__logger_discard(struct gn_network *net);

#endif /* GN_SWITCH_LOG_H */
