/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_HOST_HOST_H
#define GN_HOST_HOST_H

/*
 * What guests/ needs of the host's side: the driving thread with its
 * descriptors and timers, objects that live there, sockets at paths, and names
 * for guests that ask by DNS.
 */
#include "host/dns/dns.h"
#include "host/driver/drive.h"
#include "host/conn/handle.h"
#include "host/publish/publish.h"

#endif /* GN_HOST_HOST_H */
