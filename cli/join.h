/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLI_JOIN_H
#define CLI_JOIN_H

/*
 * The client's side of a member (net/member.h): what it opens for its guest,
 * and what it hears.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/http.h"
#include "cli/options.h"
#include "cli/start.h"

/** A guest on a network. */
struct guest {
    const struct options *options;
    char name[64];
    char network[64];
    uint32_t mtu;
    int files[PUBLISH_MAX + 1]; /* the ports, then the capture's */
    size_t n_files;
    int tap; /* guest_join_device()'s, if it is to be let go of; -1 */
    struct place place;
    struct lines lines;
};

/** Give it names, the options' or "@kind-PID", and the verb's MTU. */
void guest_init(struct guest *guest, const struct options *options,
                const char *kind, uint32_t mtu);
/** Open the ports and files of its options, and enter its network, whose
 *  process is started if there is none. Returns 0, or -1 with a line. */
int guest_enter(struct guest *guest, char *why, size_t why_len);
/**
 * Put it on the network that it has entered.
 *
 * @wire    As net/request.h has them; @fd: its descriptor, consumed.
 * @answer  Gets the network's answer, a line of JSON.
 *
 * Returns 0, or -1 with a line.
 */
int guest_join(struct guest *guest, const char *wire, int fd, char *answer,
               size_t answer_len, char *why, size_t why_len);
/** Enter, and put it there with the device that is offered over @device
 *  (device.h). Returns 0, or an exit status with a line. */
int guest_join_device(struct guest *guest, int device, char *why,
                      size_t why_len);
/**
 * Its namespace is about to end: the device, which takes milliseconds to be
 * removed, is left to it.
 */
void guest_let_go(struct guest *guest);
/** Say what the network tells. Returns false when the guest is off it, and it
 *  has been said. */
bool guest_hear(struct guest *guest);
/** Take it off its network, and close what is open. */
void guest_leave(struct guest *guest);

#endif /* CLI_JOIN_H */
