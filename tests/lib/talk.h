/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_LIB_TALK_H
#define TESTS_LIB_TALK_H

/*
 * A host and two guests that talk by gn_conn: the host is 10.77.0.1 and
 * fd77::1, the guests a (.2, ::2) and b (.3, ::3). Under a clock, where time
 * passes by talk_until() and talk_pass_ms(); with talk_threaded() by itself,
 * and then the callbacks run on another thread.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <guestnet/guestnet.h>

#include "tests/lib/heap.h"

struct talk {
    struct gn_test_heap heap;
    struct gn_clock *clock; /* NULL: threaded */
    struct gn_network *net; /* NULL: closed by the test */
    struct gn_namespace *gateway, *a, *b;
};

/* cmocka's setup and teardown; teardown asserts that no memory is left. */
int talk_setup(void **state);
int talk_threaded(void **state);
int talk_teardown(void **state);
/** Without cmocka's state, and allowed to fail: 0 or an error, and what was
 *  made is there to be closed. */
int talk_open(struct talk *talk, bool threaded, const struct gn_limits *limits,
              const struct gn_allocator *alloc);
/** Close what is open; the heap is the caller's to look at. */
void talk_close(struct talk *talk);

void talk_pass_ms(struct talk *talk, uint64_t ms);
/** Let time pass until @done; the test fails if a minute does not do. */
void talk_until(struct talk *talk, bool (*done)(void *arg), void *arg);
/** The same for a counter: until it is @n at least. */
void talk_count(struct talk *talk, const _Atomic unsigned *counter, unsigned n);

/** What callbacks have seen of one conn. */
struct party {
    struct gn_conn *conn;
    uint8_t *data; /* what was read, if keep is set; malloc() */
    size_t room;
    bool keep;
    _Atomic size_t n_read;
    _Atomic unsigned n_reads;
    _Atomic unsigned n_written; /* callbacks of writes */
    _Atomic unsigned n_drained;
    _Atomic unsigned ended;  /* reads that were the last */
    _Atomic unsigned closed; /* close callbacks */
    _Atomic unsigned dialled;
    _Atomic int end;          /* status of the last read */
    _Atomic int write_status; /* of the last write that failed */
    _Atomic int dial_status;
};

void party_done(struct party *party);
/* Callbacks; their argument is the party. */
void party_dialled(struct gn_dial *dial, int status, struct gn_conn *conn,
                   void *arg);
void party_accepted(struct gn_listener *listener, int status,
                    struct gn_conn *conn, void *arg);
void party_read(struct gn_conn *conn, ssize_t nread, const void *data,
                void *arg);
void party_written(struct gn_conn *conn, int status, void *arg);
void party_drained(struct gn_conn *conn, void *arg);
void party_closed(void *arg);

/** Dial from @from to a listener of @to at @port, which is closed again. */
void talk_connect(struct talk *talk, struct gn_namespace *from,
                  struct gn_namespace *to, uint16_t port, struct party *client,
                  struct party *server);
/** Close both, wait until they are gone. */
void talk_part(struct talk *talk, struct party *client, struct party *server);
/** Close and wait. */
void talk_drop(struct talk *talk, struct party *party);
/** "10.77.0.2:80". */
const char *talk_peer(struct gn_conn *conn, char *text, size_t cap);

#endif /* TESTS_LIB_TALK_H */
