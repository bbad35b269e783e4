/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_LIB_PROGRAM_H
#define TESTS_LIB_PROGRAM_H

/*
 * Programs of other projects, started by a test: servers on a loopback port
 * that is free, and commands whose output is looked at. A test that needs one
 * that is not installed says so and is skipped.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/** A folder for a test's files, and the servers that run. */
struct gn_programs {
    char folder[64];
    pid_t pids[8];
    unsigned n_pids;
};

void gn_programs_init(struct gn_programs *programs);
/** Ends the servers and removes the folder. */
void gn_programs_done(struct gn_programs *programs);

/** Is it installed? If not, says that something is skipped, and why. */
bool gn_program_is_there(const char *name);
/** Skips the test (cmocka) if it is not. */
void gn_program_need(const char *name);

/** A TCP and UDP port of 127.0.0.1 that was free a moment ago. */
uint16_t gn_program_port(void);

/** Write a file into the folder. @path: gets its path, of 128 bytes. */
void gn_program_file(const struct gn_programs *programs, const char *name,
                     const void *data, size_t len, char *path);

/** Start a server (a NULL-ended list) and wait until 127.0.0.1 @port answers.
 *  Its output goes to a file in the folder, which a failure prints. */
void gn_program_start(struct gn_programs *programs, uint16_t port,
                      const char *const *argv);

/** Run a command of the shell's to its end. Asserts exit status 0; returns the
 *  bytes of its output in @out (cut, and ended with a NUL). */
size_t gn_program_run(char *out, size_t cap, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif /* TESTS_LIB_PROGRAM_H */
