/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_FORWARD_FORWARD_H
#define GN_FORWARD_FORWARD_H

/*
 * What goes between guests and the kernel's sockets. Published ports, ports
 * that listen rules show and connections that guests begin are front ends of
 * what is here:
 *
 *     relay.h     bytes between a guest's stream and a stream of the kernel's
 *     transport.h what is between a relay and the kernel's end: nothing, or TLS
 *     acceptor.h  a listening stream socket of the kernel's: accept, pause
 *     attempt.h   a stream or datagram socket of the kernel's that connects
 *     outlet.h    a datagram socket of the kernel's for a flow a guest began
 *     inlet.h     a datagram socket of the kernel's: flows of its clients
 *     flow.h      flows of clients, wherever their datagrams come from
 *     dgram.h     datagrams of the kernel with their addresses and errors
 *     proxy.h     the PROXY protocol's line
 *     gateway.h   what a guest sees: the client itself, or the gateway
 *
 * All of it is for the driving thread.
 */
#include "host/forward/acceptor.h"
#include "host/forward/attempt.h"
#include "host/forward/dgram.h"
#include "host/forward/flow.h"
#include "host/forward/gateway.h"
#include "host/forward/inlet.h"
#include "host/forward/outlet.h"
#include "host/forward/proxy.h"
#include "host/forward/relay.h"
#include "host/forward/transport.h"

#endif /* GN_FORWARD_FORWARD_H */
