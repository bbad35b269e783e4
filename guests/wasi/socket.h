/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUESTS_WASI_SOCKET_H
#define GUESTS_WASI_SOCKET_H

/*
 * What tcp-socket and udp-socket have in common: operations on call->self.
 */
#include "guests/wasi/wasi.h"

/** error-code not-in-progress, which no errno is. */
#define GN__WASI_NOT_IN_PROGRESS (-100007)

int gn__wasi_create_socket(struct gn__wasi_call *call, int type,
                           enum gn__wasi_kind kind);
int gn__wasi_start_bind(struct gn__wasi_call *call);
int gn__wasi_finish_bind(struct gn__wasi_call *call);
int gn__wasi_local_address(struct gn__wasi_call *call);
int gn__wasi_remote_address(struct gn__wasi_call *call);
int gn__wasi_address_family(struct gn__wasi_call *call);
int gn__wasi_subscribe_step(struct gn__wasi_call *call);
int gn__wasi_receive_buffer(struct gn__wasi_call *call);
int gn__wasi_set_receive_buffer(struct gn__wasi_call *call);
int gn__wasi_send_buffer(struct gn__wasi_call *call);
int gn__wasi_set_send_buffer(struct gn__wasi_call *call);
int gn__wasi_hop_limit(struct gn__wasi_call *call);
int gn__wasi_set_hop_limit(struct gn__wasi_call *call);

/** An int of the socket's options, as call->value[0]. */
int gn__wasi_option_get(struct gn__wasi_call *call, int level, int name);
int gn__wasi_option_set(struct gn__wasi_call *call, int level, int name,
                        uint64_t value);

bool gn__wasi_addr_is_any(const struct sockaddr_storage *addr);
uint16_t gn__wasi_addr_port(const struct sockaddr_storage *addr);

#endif /* GUESTS_WASI_SOCKET_H */
