#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# libuv 1.50.0 makes an io_uring for each loop. After uv_loop_close() the kernel
# cleans up on the thread that made it, some milliseconds later: a blocking call
# with a time-out that this thread is in by then ends with EINTR, and no signal
# was sent. 1.44.2 does not do it. (Linux with io_uring.)
# shellcheck source=findings/lib/common.bash
source "$(dirname "$0")/lib/common.bash"

cat >"$tmp/loop.c" <<'END'
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <uv.h>

int main(void)
{
    struct timeval second = {.tv_sec = 1};
    uv_loop_t loop;
    char byte;
    int fds[2], err;

    socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
    setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
    uv_loop_init(&loop);
    uv_run(&loop, UV_RUN_NOWAIT);
    err = uv_loop_close(&loop);
    printf("libuv %s, close: %d, recv: ", uv_version_string(), err);
    puts(recv(fds[0], &byte, 1, 0) < 0 ? strerror(errno) : "a byte");
    return 0;
}
END

debian trixie libuv1t64=1.50.0-2 libuv1-dev=1.50.0-2 libc6=2.41-12+deb13u5
build "$tmp/loop.c" libuv.so.1
run "$tmp/program" | expect "the thread is interrupted" \
    'libuv 1\.50\.0, close: 0, recv: Interrupted system call'

rm -r "$root"
debian bookworm libuv1=1.44.2-1+deb12u1 libuv1-dev=1.44.2-1+deb12u1 \
    libc6=2.36-9+deb12u14
build "$tmp/loop.c" libuv.so.1
run "$tmp/program" | expect "by the older one it is not" \
    'libuv 1\.44\.2, close: 0, recv: Resource temporarily unavailable'
