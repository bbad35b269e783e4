/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Guests with a network card, and ways to the outside. tap_loop is what TAP
 * devices can do at all: one read and one write for each frame, and nothing
 * else. Other programs are measured as the best of five, because some of their
 * connections stall.
 */
#include "bench.h"
#include "bulk.h"
#include "round_trip.h"
#include "way.h"

#define BEST_OF        5u
#define ARG(kind, mtu) ((size_t)(kind) | (size_t)(mtu) << 8)

typedef int (*course_measure)(const struct bench_run *run,
                              const struct way *way, double *out);

static int take_out(const struct bench_run *run, const struct way *way,
                    double *out)
{
    struct end ends[2];
    int err = way_visit(way, ends);

    return err ? err : bulk_between(run, ends, out);
}

static int take_in(const struct bench_run *run, const struct way *way,
                   double *out)
{
    struct end ends[2], reversed[2];
    int err = way_visit(way, ends);

    if (err)
        return err;
    reversed[0] = ends[1];
    reversed[1] = ends[0];
    return bulk_between(run, reversed, out);
}

static int take_round_trips(const struct bench_run *run, const struct way *way,
                            double *out)
{
    struct end ends[2];
    int err = way_visit(way, ends);

    return err ? err : round_trips_between(run, ends, out);
}

static int take_connects(const struct bench_run *run, const struct way *way,
                         double *out)
{
    return connect_for(&way->course, run->time_ns, out);
}

static int measure(const struct bench_run *run, course_measure take,
                   bool less_is_better, double *out)
{
    struct bench_run part = *run;
    struct way way;
    enum way_kind kind = (enum way_kind)(run->arg & 255);
    unsigned n = kind == WAY_PASTA || kind == WAY_SLIRP4NETNS ? BEST_OF : 1;
    int err = way_open(&way, kind, (uint32_t)(run->arg >> 8));

    part.time_ns /= n;
    for (unsigned i = 0; i < n && !err; i++) {
        double value = 0;

        err = take(&part, &way, &value);
        if (i == 0 || (less_is_better ? value < *out : value > *out))
            *out = value;
    }
    return err;
}

static int measure_out(const struct bench_run *run, double *out)
{
    return measure(run, take_out, false, out);
}

static int measure_in(const struct bench_run *run, double *out)
{
    return measure(run, take_in, false, out);
}

static int measure_round_trip(const struct bench_run *run, double *out)
{
    return measure(run, take_round_trips, true, out);
}

static int measure_connects(const struct bench_run *run, double *out)
{
    return measure(run, take_connects, false, out);
}

/** By @way, next to @ref at the same MTU. */
#define ROW(name, unit, measure, way, mtu, ref_name, ref, goal, limit)       \
    {                                                                        \
        name, unit, ref_name, measure, {ARG(way, mtu), ARG(ref, mtu)}, goal, \
            limit                                                            \
    }
#define BULK(name, measure, way, mtu, ref_name, ref, goal, limit) \
    ROW(name, "Gbit/s", measure, way, mtu, ref_name, ref, goal, limit)
#define AT_LEAST BENCH_RATIO_MIN

const struct bench_row bench_nic_rows[] = {
    BULK("tap_loop_65520", measure_out, WAY_TAP_LOOP, 65520, "kernel loopback",
         WAY_LOOPBACK, BENCH_PRINTED, 0),
    BULK("tap_loop_1500", measure_out, WAY_TAP_LOOP, 1500, "kernel loopback",
         WAY_LOOPBACK, BENCH_PRINTED, 0),
    BULK("veth_65520", measure_out, WAY_VETH, 65520, "kernel loopback",
         WAY_LOOPBACK, BENCH_PRINTED, 0),
    BULK("nic_pair_bulk_65520_vs_veth", measure_out, WAY_BOX_TO_BOX, 65520,
         "veth", WAY_VETH, BENCH_PRINTED, 0),
    BULK("nic_pair_bulk_1500_vs_veth", measure_out, WAY_BOX_TO_BOX, 1500,
         "veth", WAY_VETH, BENCH_PRINTED, 0),
    ROW("nic_pair_rr_vs_veth", "us", measure_round_trip, WAY_BOX_TO_BOX, 65520,
        "veth", WAY_VETH, BENCH_PRINTED, 0),
    BULK("nic_pair_bulk_65520", measure_out, WAY_BOX_TO_BOX, 65520, "tap_loop",
         WAY_TAP_LOOP, AT_LEAST, 0.9),
    BULK("nic_pair_bulk_1500", measure_out, WAY_BOX_TO_BOX, 1500, "tap_loop",
         WAY_TAP_LOOP, AT_LEAST, 0.8),
    BULK("nic_out_bulk_65520", measure_out, WAY_BOX_TO_HOST, 65520, "tap_loop",
         WAY_TAP_LOOP, AT_LEAST, 0.7),
    BULK("nic_out_bulk_1500", measure_out, WAY_BOX_TO_HOST, 1500, "tap_loop",
         WAY_TAP_LOOP, AT_LEAST, 0.6),
    BULK("nic_in_bulk_65520", measure_in, WAY_BOX_TO_HOST, 65520, "tap_loop",
         WAY_TAP_LOOP, AT_LEAST, 0.7),
    BULK("nic_in_bulk_1500", measure_in, WAY_BOX_TO_HOST, 1500, "tap_loop",
         WAY_TAP_LOOP, AT_LEAST, 0.6),
    BULK("nic_to_guest_65520", measure_out, WAY_BOX_TO_GUEST, 65520, "tap_loop",
         WAY_TAP_LOOP, AT_LEAST, 1.0),
    BULK("nic_to_guest_1500", measure_out, WAY_BOX_TO_GUEST, 1500, "tap_loop",
         WAY_TAP_LOOP, BENCH_PRINTED, 0),
    BULK("nic_out_bulk_vs_pasta", measure_out, WAY_BOX_TO_HOST, 65520, "pasta",
         WAY_PASTA, AT_LEAST, 1.0),
    BULK("nic_out_bulk_vs_slirp4netns", measure_out, WAY_BOX_TO_HOST, 65520,
         "slirp4netns", WAY_SLIRP4NETNS, AT_LEAST, 1.0),
    BULK("nic_in_bulk_vs_pasta", measure_in, WAY_BOX_TO_HOST, 65520, "pasta",
         WAY_PASTA, AT_LEAST, 1.0),
    BULK("nic_in_bulk_vs_slirp4netns", measure_in, WAY_BOX_TO_HOST, 65520,
         "slirp4netns", WAY_SLIRP4NETNS, AT_LEAST, 1.0),
    BULK("nic_out_1500_vs_slirp4netns", measure_out, WAY_BOX_TO_HOST, 1500,
         "slirp4netns", WAY_SLIRP4NETNS, AT_LEAST, 5.0),
    BULK("nic_in_1500_vs_slirp4netns", measure_in, WAY_BOX_TO_HOST, 1500,
         "slirp4netns", WAY_SLIRP4NETNS, AT_LEAST, 5.0),
    BULK("nic_publish_bulk", measure_out, WAY_HOST_TO_BOX, 65520, "tap_loop",
         WAY_TAP_LOOP, BENCH_PRINTED, 0),
    ROW("nic_rr_vs_pasta", "us", measure_round_trip, WAY_BOX_TO_HOST, 65520,
        "pasta", WAY_PASTA, BENCH_RATIO_MAX, 1.0),
    ROW("nic_rr_vs_slirp4netns", "us", measure_round_trip, WAY_BOX_TO_HOST,
        65520, "slirp4netns", WAY_SLIRP4NETNS, BENCH_RATIO_MAX, 1.0),
    ROW("nic_connects_vs_pasta", "1/s", measure_connects, WAY_BOX_TO_HOST,
        65520, "pasta", WAY_PASTA, AT_LEAST, 1.5),
    ROW("nic_connects_vs_slirp4netns", "1/s", measure_connects, WAY_BOX_TO_HOST,
        65520, "slirp4netns", WAY_SLIRP4NETNS, AT_LEAST, 1.5),
    BULK("egress_bulk", measure_out, WAY_GUEST_TO_HOST, 0,
         "kernel loopback, direct", WAY_LOOPBACK, AT_LEAST, 0.6),
    BULK("egress_bulk_reverse", measure_in, WAY_GUEST_TO_HOST, 0,
         "kernel loopback, direct", WAY_LOOPBACK, AT_LEAST, 0.6),
    ROW("egress_connects", "1/s", measure_connects, WAY_GUEST_TO_HOST, 0,
        "kernel loopback, direct", WAY_LOOPBACK, AT_LEAST, 0.3),
    {NULL, NULL, NULL, NULL, {0, 0}, BENCH_PRINTED, 0},
};
