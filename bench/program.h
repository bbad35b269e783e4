/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_PROGRAM_H
#define BENCH_PROGRAM_H

#include <stdio.h>

/** wasm/program.c for the machine: what it measured goes to @out, as one
 *  number. Returns its exit status. */
int program_main(int argc, const char *const *argv, FILE *out);

#endif /* BENCH_PROGRAM_H */
