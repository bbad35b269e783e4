/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLI_WHERE_H
#define CLI_WHERE_H

/*
 * Where networks are found: their control sockets, NAME.sock in a folder that
 * only its owner may enter, $XDG_RUNTIME_DIR/guestnet, else /run/guestnet.
 *
 * A process that looks for a network and starts it where there is none holds
 * the folder's lock meanwhile, so that two that do so at once get one network.
 */
#include <stddef.h>
#include <sys/un.h>

#define WHERE_MAX sizeof(((struct sockaddr_un *)0)->sun_path)

/** The folder, made if it is not there. Returns 0, or -1 with a line. */
int where_folder(char *out, size_t cap, char *why, size_t why_len);
/** The socket of a network in @folder. Returns 0, or -1 with a line: the path
 *  is longer than a Unix socket's may be. */
int where_socket(const char *folder, const char *network, char *out, size_t cap,
                 char *why, size_t why_len);
/** Take the folder's lock, which closing gives back. -1: with a line. */
int where_lock(const char *folder, char *why, size_t why_len);
/** The next network's name in @folder, by an index from 0; -1: no more. */
int where_list(const char *folder, size_t index, char *name, size_t cap);

/** Connect to a Unix socket. @flags: 0; SOCK_NONBLOCK: -EAGAIN in the place of
 *  waiting. Returns a descriptor, or a negative errno. */
int where_connect(const char *path, int flags);
/** Listen there, in the place of a socket that no process listens at any more.
 *  Returns a descriptor, or a negative errno. */
int where_listen(const char *path);
/** Remove the socket of a network that has died; its folder is locked. */
void where_sweep(const char *path);

#endif /* CLI_WHERE_H */
