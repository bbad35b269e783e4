/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/net/descriptors.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
    struct cmsghdr header; /* for its alignment */
    char room[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
};

int descriptors_send(int sock, const void *data, size_t len, const int *fds,
                     size_t n)
{
    struct iovec iov = {.iov_len = len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    union control control;

    memcpy(&iov.iov_base, &data, sizeof(data));
    if (n > DESCRIPTORS_MAX)
        return -EMSGSIZE;
    if (n) {
        memset(&control, 0, sizeof(control));
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(n * sizeof(*fds));
        memcpy(CMSG_DATA(&control.header), fds, n * sizeof(*fds));
        msg.msg_control = &control;
        msg.msg_controllen = CMSG_SPACE(n * sizeof(*fds));
    }
    if (sendmsg(sock, &msg, MSG_NOSIGNAL) == (ssize_t)len)
        return 0;
    return errno ? -errno : -EIO;
}

static void descriptor_take(const struct cmsghdr *header, int *fds, size_t cap,
                            size_t *n)
{
    size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);

    for (size_t i = 0; i < count; i++) {
        int fd;

        memcpy(&fd, CMSG_DATA(header) + i * sizeof(fd), sizeof(fd));
        if (*n < cap)
            fds[(*n)++] = fd;
        else
            close(fd);
    }
}

ssize_t descriptors_receive(int sock, void *data, size_t cap, int *fds,
                            size_t *n, int flags)
{
    struct iovec iov = {data, cap};
    union control control;
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    size_t room = *n;
    ssize_t got;

    *n = 0;
    do
        got = recvmsg(sock, &msg, flags | MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return -errno;
    for (struct cmsghdr *at = CMSG_FIRSTHDR(&msg); at;
         at = CMSG_NXTHDR(&msg, at)) {
        if (at->cmsg_level == SOL_SOCKET && at->cmsg_type == SCM_RIGHTS)
            descriptor_take(at, fds, room, n);
    }
    return got;
}
