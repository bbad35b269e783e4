/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUESTNET_NIC_H
#define GUESTNET_NIC_H

/*
 * A guest that has a network card: a virtual machine, a container, a program
 * that speaks Ethernet.
 *
 *     create --> up <--(gn_nic_set_carrier)--> down --(close)--> gone
 *
 * On its wire the network looks like an Ethernet segment with a router on it:
 * the gateway, which answers DHCP, DHCPv6 and router solicitations, and all
 * other guests, each with a locally administered MAC address of its own. Only
 * IP packets pass; ARP and Neighbour Discovery are answered here, for addresses
 * that another guest or the gateway has. What else a guest sends is counted and
 * dropped, and so are packets from addresses that are not its own.
 *
 * It is a namespace without sockets: gn_nic_namespace() goes to gn_link_set(),
 * gn_path_set(), gn_capture_start(), gn_namespace_stats(), _detach(), _kill(),
 * and its name is found, dialled and published as any guest's. gn_sock_open(),
 * gn_namespace_attach() and gn_route_add() in it are -EOPNOTSUPP, and it is
 * closed by gn_nic_close() only.
 *
 * Threads: gn_nic_input() and gn_nic_writable() any; all else as namespace.h
 * says. The operations in struct gn_nic_ops are called on the driving thread
 * with no lock held, or, with GN_NIC_ANY_THREAD, output() on whichever thread
 * moved the packets, never two at once for one NIC. They must not block.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <guestnet/export.h>
#include <guestnet/namespace.h>
#include <guestnet/network.h>

GN_BEGIN_DECLS

struct gn_egress;
struct gn_nic;

/* gn_offload.flags: the sum from csum_start to the frame's end is still to be
 * computed and stored csum_offset bytes behind csum_start, where that of the
 * pseudo header stands; or checksums were looked at already. */
#define GN_OFFLOAD_PARTIAL (1u << 0)
#define GN_OFFLOAD_VALID   (1u << 1)

/** What kind of segments a frame is to be cut into. */
enum gn_gso { GN_GSO_NONE = 0, GN_GSO_TCP4, GN_GSO_TCP6, GN_N_GSOS };

/**
 * Work that is left to the receiver of a frame, as in struct virtio_net_hdr
 * (virtio 1.2 section 5.1.6). All zero: a whole frame with its checksums.
 * Offsets count from the frame's first byte; host byte order.
 */
struct gn_offload {
    uint8_t flags;        /* GN_OFFLOAD_* */
    uint8_t gso;          /* enum gn_gso */
    uint16_t segment;     /* Payload bytes of each segment. */
    uint16_t header;      /* Bytes of headers before them. */
    uint16_t csum_start;  /* With GN_OFFLOAD_PARTIAL. */
    uint16_t csum_offset; /* The same. */
};

/** An Ethernet frame without its FCS. */
struct gn_frame {
    const struct iovec *iov;
    unsigned n_iov;
    struct gn_offload offload;
};

/** The longest frame that is taken, bytes: a 64 KiB packet and its header. */
#define GN_FRAME_MAX (65535u + 14u)

enum gn_nic_event {
    GN_NIC_MAC = 0,   /* The guest's MAC address was learned, or changed. */
    GN_NIC_ADDRESSES, /* It has other addresses now. */
    GN_NIC_CARRIER,   /* The carrier went or came: a client of the wire. */
    GN_NIC_GONE,      /* Its network has closed, and the NIC with it; the last
                         event. gn_nic_close() is still to be called. */
    GN_NIC_N_EVENTS
};

/** What happened to a NIC, on the driving thread. May close it. */
typedef void (*gn_nic_event_cb)(struct gn_nic *nic, enum gn_nic_event what,
                                void *arg);

struct gn_nic_ops {
    /**
     * Frames for the guest, borrowed for the call. Returns how many were taken,
     * from the first: the rest waits until gn_nic_writable(), as far as there
     * is room (config.queue_bytes); then what is newer is dropped and counted.
     */
    size_t (*output)(void *self, const struct gn_frame *frames, size_t n);
    /** gn_nic_input() takes frames again. NULL: no call. */
    void (*ready)(void *self);
    /** The last call: the NIC uses nothing of @self any more. NULL: no call. */
    void (*close)(void *self);
};

/* gn_nic_config.offload: what output() may be given. */
#define GN_NIC_CSUM (1u << 0) /* GN_OFFLOAD_PARTIAL */
#define GN_NIC_TSO4 (1u << 1) /* GN_GSO_TCP4; with GN_NIC_CSUM only */
#define GN_NIC_TSO6 (1u << 2) /* GN_GSO_TCP6; with GN_NIC_CSUM only */

/* gn_nic_config.flags */
#define GN_NIC_ROUTER \
    (1u << 0)                       /* It forwards for others: the sources of
                                       its packets are not checked. */
#define GN_NIC_NO_DHCP    (1u << 1) /* No DHCP and no DHCPv6. */
#define GN_NIC_NO_RA      (1u << 2) /* No router advertisements. */
#define GN_NIC_ANY_THREAD (1u << 3) /* output() on any thread. */

/** Settings of a NIC; zero selects the default given here. */
struct gn_nic_config {
    size_t size;                  /* sizeof this struct. Required. */
    const char *name;             /* As a namespace's; it is the host name that
                                     DHCP gives. */
    uint8_t mac[6];               /* The guest's. Zero: that of its first frame;
                                     a change is followed, and an event. Set:
                                     frames from another are dropped. */
    const char *const *addresses; /* As a namespace's. */
    uint32_t max_addresses;       /* In all, with those that it takes by IPv6
                                     autoconfiguration and its link-local one;
                                     8. */
    uint32_t mtu;                 /* Bytes of an IP packet, not above the
                                     network's. 1500, or the network's if that
                                     is less. */
    uint32_t queue_bytes; /* Of memory that waits for output(); 4 MiB. */
    unsigned offload;     /* GN_NIC_CSUM and others. */
    unsigned flags;       /* GN_NIC_ROUTER and others. */
    const struct gn_egress *egress; /* As a namespace's. */
    struct gn_resolver *resolver;   /* As a namespace's. */
    struct gn_limits limits;        /* Zero fields: the network's. */
    gn_nic_event_cb event;          /* NULL: no call. */
    void *event_arg;
    char *why; /* As a namespace's. */
    size_t why_len;
};

/**
 * Create a NIC whose frames are exchanged in memory: by a VMM's virtio-net, a
 * user of libslirp's, a test. The carrier is on.
 *
 * @net     Borrowed; closing it ends the NIC.
 * @config  Copied; may be freed on return. NULL for the defaults.
 * @ops     Borrowed until ops->close(). output() is required.
 * @self    Handed to @ops.
 * @out     Set only on success. Owned by the caller: gn_nic_close().
 *
 * Returns 0, or a negative errno with nothing left behind and no call made:
 *   -EINVAL  As gn_namespace_create(); the network has no prefixes; an MTU out
 *            of range; a MAC address that is a group's; TSO without CSUM; a
 *            flag that is unknown; an argument is NULL.
 *   and the others of gn_namespace_create().
 */
GN_API GN_WARN_UNUSED int gn_nic_create(struct gn_network *net,
                                        const struct gn_nic_config *config,
                                        const struct gn_nic_ops *ops,
                                        void *self, struct gn_nic **out);

/** How frames stand in what a socket carries. */
enum gn_framing {
    GN_FRAMING_MESSAGE = 0, /* One in each message: SOCK_SEQPACKET, SOCK_DGRAM
                               (libkrun, vfkit, QEMU's -netdev dgram). */
    GN_FRAMING_QEMU,        /* Each behind its length, 4 bytes big-endian, on a
                               stream: QEMU's -netdev stream. */
    GN_N_FRAMINGS
};

/**
 * Create a NIC whose wire is a connected socket. The carrier is off once the
 * other end has closed it, or sends a length that no frame has. Frames are
 * whole and sent by the driving thread: config.offload and GN_NIC_ANY_THREAD
 * are not looked at, here and by gn_nic_unix() and gn_nic_vsock().
 *
 * With GN_FRAMING_QEMU it may also be a socket that listens: machines come and
 * go there as at the path of gn_nic_unix(), whose file is then the caller's.
 *
 * @fd   Consumed on success.
 *
 * Returns 0, or with nothing left behind:
 *   -EBADF, -ENOTSOCK  It is no socket.
 *   -EINVAL   A socket of another type, or as gn_nic_create().
 *   -ENOTSUP  The network is on a virtual clock.
 *   and the others of gn_nic_create().
 */
GN_API GN_WARN_UNUSED int gn_nic_fd(struct gn_network *net,
                                    const struct gn_nic_config *config, int fd,
                                    enum gn_framing framing,
                                    struct gn_nic **out);

/**
 * Create a NIC that waits at the path of a Unix socket for QEMU, with
 * "-netdev stream,server=off,addr.type=unix,addr.path=PATH".
 *
 * The path is the guest: whichever process connects is its machine, and one
 * that comes again finds the addresses, the name and published ports as they
 * were. While one is connected, the next waits. The carrier says whether there
 * is one. The file is removed when the NIC is closed.
 *
 * @path  As gn_publish() takes one for "unix": a socket that no process listens
 *        on any more is replaced.
 * @mode  Of the file, 0..0777; 0: 0666 without the umask's bits.
 *
 * Returns 0, or with nothing left behind:
 *   -EINVAL      The path is too long or empty, the mode is no such, or as
 *                gn_nic_create().
 *   -EADDRINUSE  A process listens there, or it is no socket.
 *   -ENOTSUP     The network is on a virtual clock.
 *   and what bind(2) says, and the others of gn_nic_create().
 */
GN_API GN_WARN_UNUSED int gn_nic_unix(struct gn_network *net,
                                      const struct gn_nic_config *config,
                                      const char *path, unsigned mode,
                                      struct gn_nic **out);

/** Machines that come to one path: gn_nic_listen().
 *
 *     open --(gn_nic_listener_close(), the network's end)--> gone
 */
struct gn_nic_listener;

/** The most NICs of one listener. */
#define GN_NIC_LISTEN_MAX 64u

/** Settings of a listener; zero selects the default given here. */
struct gn_nic_listen_options {
    size_t size;          /* sizeof this struct. Required. */
    uint32_t max_nics;    /* So many are made: 8; GN_NIC_LISTEN_MAX at most. */
    uint32_t max_waiting; /* Clients that have sent no frame yet; 64, 1024
                             at most. */
    uint32_t wait_ms;     /* Until they are closed; 300,000. A machine sends
                             nothing before its system has found the card. */
    unsigned mode;        /* Of the file, as gn_nic_unix() takes it. */
    bool use_fd;          /* Take `fd`; the path must be NULL. */
    int fd;               /* A Unix stream socket that listens. Consumed on
                             success; its file is the caller's. */
};

/**
 * Create NICs that wait at the path of one Unix socket, for as many machines of
 * QEMU, with "-netdev stream,server=off,addr.type=unix,addr.path=PATH".
 *
 * A machine is known by the source MAC address of its first frame. It gets the
 * NIC of the last machine with this address, if that has no client now, and so
 * the name, the addresses and the published ports as they were; if there is
 * none, or it is in use, a NIC that has had no client yet; and if there is none
 * of those, it is turned away. Machines with one MAC address, which QEMU gives
 * all of them, are told apart only while they run: gn_nic_unix() with a path
 * for each needs no such care.
 *
 * A client that is turned away is closed, counted (struct
 * gn_nic_listener_stats) and logged with the reason. The NICs are all there
 * from the beginning, without carrier: their namespaces can be found, linked
 * and published before a machine comes. They are closed with the listener, and
 * not by gn_nic_close().
 *
 * @net      Borrowed; closing it ends the listener.
 * @config   Copied; of each NIC. Its name is what theirs begin with, "vm1",
 *           "vm2", ...; NULL: "vm". Its `mac` is zero, and `event` is told of
 *           all of them.
 * @path     As gn_nic_unix() takes it. NULL with options.use_fd.
 * @options  Copied. NULL for the defaults.
 * @out      Set only on success. Owned by the caller: gn_nic_listener_close().
 *
 * Returns 0, or a negative errno with nothing left behind:
 *   -EINVAL      The path is too long or empty, the descriptor is no such
 *                socket, both or none are given, a number above its most, a MAC
 *                address is given, or as gn_nic_create().
 *   -EADDRINUSE  A process listens there, or it is no socket; or one of the
 *                names is taken.
 *   -EBADF, -ENOTSOCK  The descriptor is no socket.
 *   -ENOTSUP     The network is on a virtual clock.
 *   and what bind(2) says, and the others of gn_nic_create().
 */
GN_API GN_WARN_UNUSED int gn_nic_listen(
    struct gn_network *net, const struct gn_nic_config *config,
    const char *path, const struct gn_nic_listen_options *options,
    struct gn_nic_listener **out);

/** One of its NICs, from 0; borrowed as long as the listener. NULL: there are
 *  no more, or for NULL. Any thread. */
GN_API struct gn_nic *gn_nic_listener_nic(struct gn_nic_listener *listener,
                                          unsigned i);

/** What has become of a listener's clients. */
struct gn_nic_listener_stats {
    uint64_t clients;   /* Have got a NIC. */
    uint64_t full;      /* Turned away: each NIC is another machine's. */
    uint64_t crowded;   /* Turned away: max_waiting waited already. */
    uint64_t silent;    /* Closed: no frame within wait_ms. */
    uint64_t malformed; /* Closed: the first frame's length or source is one
                           that no frame has. */
    uint64_t failed;    /* Closed: no memory, or what the kernel refuses. */
    uint32_t waiting;   /* Have sent no frame yet, now. */
};

/** Its counters, copied to @out. Any thread. */
GN_API void gn_nic_listener_stats(struct gn_nic_listener *listener,
                                  struct gn_nic_listener_stats *out);

/**
 * Close it, with its NICs and its clients; its file is removed.
 *
 * @listener  Consumed. NULL: nothing happens, and @callback never runs.
 * @callback  Runs once on the driving thread when it is gone, after which no
 *            event of its NICs comes. NULL: off the driving thread the call
 *            returns when it is gone; on it no call is made.
 */
GN_API void gn_nic_listener_close(struct gn_nic_listener *listener,
                                  gn_close_cb callback, void *arg);

/**
 * Create a NIC for a machine that has none, but AF_VSOCK (vsock(7)), and
 * guestnet-agent listening there. Firecracker and cloud-hypervisor have the
 * host's side of it at a Unix socket: on a connection to it "CONNECT PORT\n" is
 * written and "OK N\n" comes, and then QEMU's framing. (Where the guest
 * connects to the host, the VMM connects to PATH_PORT, which gn_nic_unix()
 * makes.)
 *
 * The carrier is off until the machine is there and listens, and after it has
 * gone; meanwhile it is tried again, 0.1 to 1 s apart. An answer of another
 * kind, or none within 5 s, is a failure too. A failure is logged, unless it is
 * the same as the last one.
 *
 * @path  The VMM's `uds_path`, `socket=`.
 * @port  The guest's, below 2^32 - 1.
 * @fd    -1; or, with @path NULL, a Unix socket (SOCK_SEQPACKET) to a process
 *        that may connect where this one may not. Whenever a connection is
 *        needed it gets a message, text with a NUL: why the last one failed, or
 *        "". It answers by one byte, 0 with the descriptor of a connected
 *        Unix socket (SCM_RIGHTS), or an errno. Consumed on success.
 *
 * Returns 0, or with nothing left behind:
 *   -EINVAL   The path is too long or empty, @fd is a socket of another type,
 *             both or none are given, the port is no such, or as
 *             gn_nic_create().
 *   -EBADF, -ENOTSOCK  @fd is no socket.
 *   -ENOTSUP  The network is on a virtual clock.
 *   and the others of gn_nic_create().
 */
GN_API GN_WARN_UNUSED int gn_nic_vsock(struct gn_network *net,
                                       const struct gn_nic_config *config,
                                       const char *path, uint32_t port, int fd,
                                       struct gn_nic **out);

/**
 * Create a NIC whose wire is a TAP device of the kernel's: a container's
 * network card, or a virtual machine's. With IFF_VNET_HDR, checksums and
 * segmentation are left to the end that needs them. config.offload and
 * GN_NIC_ANY_THREAD are not looked at.
 *
 * The device is neither configured nor brought up here; the guest does that, by
 * DHCP or however it likes. The carrier goes when the device is deleted.
 *
 * @name  Of a device that is made, or attached to if it is persistent, in this
 *        thread's network namespace: "tap0", "eth%d"; NULL: the kernel chooses.
 * @fd    -1; or an open TAP, of any network namespace, with IFF_NO_PI, and
 *        @name NULL. Consumed on success.
 *
 * Returns 0, or with nothing left behind:
 *   -EACCES   /dev/net/tun may not be opened, which is 0600 on some machines.
 *   -EPERM    Making a device takes CAP_NET_ADMIN in the network namespace.
 *   -EBUSY    Another process is attached to the device.
 *   -EINVAL   @fd is no TAP, or one with another header; the name is too long,
 *             or both are given; or as gn_nic_create().
 *   -ENOTSUP  The network is on a virtual clock.
 *   and what open(2) says, and the others of gn_nic_create().
 */
GN_API GN_WARN_UNUSED int gn_nic_tap(struct gn_network *net,
                                     const struct gn_nic_config *config,
                                     const char *name, int fd,
                                     struct gn_nic **out);

/**
 * Frames from the guest. Any thread; never blocks.
 *
 * @frames  Borrowed for the call.
 *
 * Returns how many were taken (those that are dropped are taken): fewer than
 * @n means that there is too much to do, and ops->ready() follows.
 */
GN_API size_t gn_nic_input(struct gn_nic *nic, const struct gn_frame *frames,
                           size_t n);

/** output() can take frames again. Any thread. */
GN_API void gn_nic_writable(struct gn_nic *nic);

/**
 * Pull the cable, or plug it in. Addresses stay; what is sent either way while
 * it is off is dropped, and counted as "down". Any thread.
 */
GN_API void gn_nic_set_carrier(struct gn_nic *nic, bool on);

/** Its namespace; borrowed as long as the NIC. NULL for NULL. */
GN_API struct gn_namespace *gn_nic_namespace(struct gn_nic *nic);

/** What a NIC's wire has carried. Drops are counted at its namespace too. */
struct gn_nic_stats {
    uint64_t frames_in; /* From the guest. */
    uint64_t frames_out;
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t arp; /* Messages read here: ARP, Neighbour Discovery, DHCP and
                     DHCPv6. */
    uint64_t nd;
    uint64_t dhcp;
    uint64_t not_ip;    /* Dropped: neither IP nor ARP. */
    uint64_t spoofed;   /* Dropped: not its MAC or IP address, or what only a
                           router or server may say. */
    uint64_t malformed; /* Dropped: a header that lies. */
    uint64_t full;      /* Dropped: the queue to the guest was full. */
    uint64_t clients;   /* Times that the carrier came. */
    uint8_t mac[6];     /* The guest's, zero as long as none is known. */
    bool carrier;
};

/** Its counters, copied to @out. Any thread. */
GN_API void gn_nic_stats(struct gn_nic *nic, struct gn_nic_stats *out);

/**
 * Close it, as a hot unplug: its addresses are given back.
 *
 * @nic       Consumed. NULL: nothing happens, and @callback never runs.
 * @callback  Runs once on the driving thread when it is gone, behind
 *            ops->close(). NULL: off the driving thread the call returns when
 *            it is gone; on it no call is made.
 */
GN_API void gn_nic_close(struct gn_nic *nic, gn_close_cb callback, void *arg);

GN_END_DECLS

#endif /* GUESTNET_NIC_H */
