/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

/*
 * Rows of the table. A row is measured several times, ours and the reference
 * in turn, so that a machine that slows down slows both. Every measurement is
 * a process of its own, forked from one that has made no network: neither
 * memory nor threads nor connections in TIME_WAIT are left from one to the
 * next, and a crash costs one row.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Which of the two figures of a row is wanted. */
enum bench_side { BENCH_OURS = 0, BENCH_REFERENCE, BENCH_N_SIDES };

struct bench_run {
    enum bench_side side;
    uint64_t time_ns; /* How long to measure, where that is free. */
    bool quick;
    size_t arg; /* The row's own, by side. */
    size_t nth; /* Of the row's runs, from 0. */
};

/** What a figure is held against. Nothing fails by it. */
enum bench_goal {
    BENCH_PRINTED = 0,
    BENCH_RATIO_MIN,
    BENCH_RATIO_MAX,
    BENCH_OURS_MIN,
    BENCH_OURS_MAX,
    BENCH_ADDED_MAX, /* What ours is above the reference. */
    BENCH_NEAR,      /* How far the ratio is from 1. */
    BENCH_N_GOALS
};

struct bench_row {
    const char *name; /* NULL ends a list. */
    const char *unit;
    const char *reference_name; /* NULL: there is none. */
    /** Returns 0 and the figure, or a negative errno. -ENOTSUP: it cannot be
     *  measured on this machine. */
    int (*measure)(const struct bench_run *run, double *out);
    size_t args[BENCH_N_SIDES];
    enum bench_goal goal;
    double limit;
};

extern const struct bench_row bench_bulk_rows[];
extern const struct bench_row bench_round_trip_rows[];
extern const struct bench_row bench_connect_rows[];
extern const struct bench_row bench_datagram_rows[];
extern const struct bench_row bench_guest_rows[];
extern const struct bench_row bench_publish_rows[];
extern const struct bench_row bench_http_rows[];
extern const struct bench_row bench_dial_rows[];
extern const struct bench_row bench_resolve_rows[];
extern const struct bench_row bench_fair_rows[];
extern const struct bench_row bench_ipam_rows[];
extern const struct bench_row bench_lock_rows[];
extern const struct bench_row bench_machine_rows[];
extern const struct bench_row bench_sim_rows[];
extern const struct bench_row bench_flock_rows[];
extern const struct bench_row bench_seeds_rows[];
extern const struct bench_row bench_dumbbell_rows[];
extern const struct bench_row bench_routes_rows[];
extern const struct bench_row bench_wasi_rows[];
extern const struct bench_row bench_wasm_rows[];
extern const struct bench_row bench_node_rows[];
extern const struct bench_row bench_nic_rows[];
extern const struct bench_row bench_command_rows[];
extern const struct bench_row bench_wire_rows[];
extern const struct bench_row bench_vm_rows[];

/** CLOCK_MONOTONIC. */
uint64_t bench_now_ns(void);
/** What this process and its threads have had of processors. Code under a clock
 *  has one thread, which never waits: this is what it takes on a quiet machine,
 *  whatever else runs now. */
uint64_t bench_processor_ns(void);
/** What this process has resident, bytes; 0: unknown. */
uint64_t bench_resident(void);
/** This process may have as many descriptors as it can be given from now on:
 *  how many; 0: unknown. */
size_t bench_descriptors(void);
/** Events per second. */
double bench_rate(uint64_t n, uint64_t from_ns, uint64_t to_ns);
/** A port of loopback for a server, TCP and UDP, which was free a moment ago
 *  and which the kernel gives to no socket by itself. */
int bench_free_port(uint16_t *port);

#endif /* BENCH_BENCH_H */
