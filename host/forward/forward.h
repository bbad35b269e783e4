/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_FORWARD_FORWARD_H
#define GN_FORWARD_FORWARD_H

/*
 * What goes between guests and the kernel's sockets. Published ports, ports
 * that listen rules show and connections that guests begin are front ends of
 * what is here:
 *
 *     relay.h    bytes between a stream of a guest's and a stream of the kernel
 *     dgram.h    datagrams of the kernel with their addresses and errors
 *     gateway.h  who a guest sees: the client itself, or the gateway
 *
 * All of it is for the driving thread.
 */
#include "host/forward/dgram.h"
#include "host/forward/gateway.h"
#include "host/forward/relay.h"

#endif /* GN_FORWARD_FORWARD_H */
