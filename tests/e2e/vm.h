/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_E2E_VM_H
#define TESTS_E2E_VM_H

/*
 * A virtual machine under QEMU, whose console is a shell that the test types
 * commands into. All that waits has a bound.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/** Until a test gives up on a machine, s: without KVM and on a busy processor
 *  starting takes a while. */
#define VM_PATIENCE_S 180

struct vm {
    const char *name;
    pid_t pid;
    int in, out;
    char text[65536]; /* of the console, not looked at yet */
    size_t len;
};

/** Make kernel and initrd in @folder; false, with the reason printed: this
 *  machine has not what it takes. */
bool vm_prepare(const char *folder);

/** The QEMU that is run is GN_QEMU, else the one that is installed. Does it
 *  connect again when its network has gone, and is told to (from 9.2 on)? If
 *  not, it says so. */
bool vm_reconnects(void);
/** Start one, from @folder, with its card on QEMU's socket at @path; it is not
 *  up yet. @mac NULL: QEMU's, which is that of all. */
void vm_start(struct vm *vm, const char *name, const char *folder,
              const char *path, const char *mac);
/** Wait until its shell runs. */
void vm_wait_up(struct vm *vm);
/** kill -9. */
void vm_kill(struct vm *vm);

/**
 * Run a command there; its exit status. @out gets what it printed, cut at @cap
 * with a NUL; NULL: never mind.
 */
int vm_run(struct vm *vm, char *out, size_t cap, const char *command);
/** The command must succeed. */
void vm_must(struct vm *vm, const char *command);
/** It must succeed and print this. */
void vm_must_say(struct vm *vm, const char *command, const char *what);

#endif /* TESTS_E2E_VM_H */
