/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A process that a guest's packets have broken into shall find nothing to use.
 * Descriptors come from clients (TAPs, listening sockets, files); what is left
 * to be opened is resolv.conf, hosts, certificates, and sockets of the
 * Internet's.
 *
 * A call that is not listed is ENOSYS, so that a libc that tries a newer one
 * falls back to an older one.
 */
#include "cli/net/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if GN_CLI_SECCOMP
#include <seccomp.h>
#endif

#include "cli/say.h"

/* ---- capabilities ---- */

static int capabilities_drop(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2];

    memset(none, 0, sizeof(none));
    for (int cap = 0; cap <= 63; cap++)
        (void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0); /* Root's only. */
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return (int)syscall(SYS_capset, &header, none);
}

/* ---- files ---- */

#define FILES_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
/** What the first version of Landlock knows: all bits up to MAKE_SYM. */
#define FILES_ALL ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1)

static void files_allow(int rules, const char *path, uint64_t access)
{
    struct landlock_path_beneath_attr beneath = {.allowed_access = access};

    beneath.parent_fd = open(path, O_PATH | O_CLOEXEC);
    if (beneath.parent_fd < 0)
        return; /* It is not there to be read. */
    (void)syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH,
                  &beneath, 0);
    close(beneath.parent_fd);
}

/* Where resolv.conf really is, as programs that write it replace it there. */
static void files_allow_resolv_conf(int rules)
{
    char path[PATH_MAX];

    if (!realpath("/etc/resolv.conf", path))
        return;
    *strrchr(path, '/') = '\0';
    if (path[0])
        files_allow(rules, path, FILES_READ);
}

static int files_restrict(const char *folder)
{
    const struct landlock_ruleset_attr all = {.handled_access_fs = FILES_ALL};
    int rules = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof(all), 0);
    int err;

    if (rules < 0)
        return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -1;
    files_allow(rules, "/etc", FILES_READ);
    files_allow(rules, "/usr/lib/ssl", FILES_READ);
    files_allow(rules, "/usr/share/ca-certificates", FILES_READ);
    files_allow_resolv_conf(rules);
    if (folder)
        files_allow(rules, folder, LANDLOCK_ACCESS_FS_REMOVE_FILE);
    err = (int)syscall(SYS_landlock_restrict_self, rules, 0);
    close(rules);
    return err;
}

/* ---- system calls ---- */

#if GN_CLI_SECCOMP
static const int calls[] = {
    /* the loop, and time */
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(eventfd2),
    SCMP_SYS(pipe2),
    SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_settime),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_getres),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(nanosleep),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(restart_syscall),
    /* bytes */
    SCMP_SYS(read),
    SCMP_SYS(readv),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    SCMP_SYS(pread64),
    SCMP_SYS(splice),
    SCMP_SYS(close),
    SCMP_SYS(lseek),
    SCMP_SYS(fcntl),
    SCMP_SYS(dup),
    SCMP_SYS(dup3),
    SCMP_SYS(ioctl),
    /* sockets; socket() itself and socketpair() are below */
    SCMP_SYS(bind),
    SCMP_SYS(listen),
    SCMP_SYS(accept),
    SCMP_SYS(accept4),
    SCMP_SYS(connect),
    SCMP_SYS(shutdown),
    SCMP_SYS(getsockname),
    SCMP_SYS(getpeername),
    SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt),
    SCMP_SYS(sendto),
    SCMP_SYS(recvfrom),
    SCMP_SYS(sendmsg),
    SCMP_SYS(recvmsg),
    SCMP_SYS(sendmmsg),
    SCMP_SYS(recvmmsg),
    /* files that Landlock leaves, and the control socket's end */
    SCMP_SYS(openat),
    SCMP_SYS(fstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(statx),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(getdents64),
    SCMP_SYS(unlink),
    SCMP_SYS(unlinkat),
    SCMP_SYS(access),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    /* memory, whose pages may not become code: see below */
    SCMP_SYS(brk),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    /* itself */
    SCMP_SYS(getrandom),
    SCMP_SYS(futex),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(uname),
    SCMP_SYS(sysinfo),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
};

/** The only Unix sockets are pairs of streams: a datagram socket can be
 *  connected to any other that is bound. */
#define PAIR_TYPE_BITS 0xfu
static const int families[] = {AF_INET, AF_INET6, AF_NETLINK};
static const int pages[] = {SCMP_SYS(mmap), SCMP_SYS(mprotect)};

static int calls_list(scmp_filter_ctx filter)
{
    int err = 0;

    for (size_t i = 0; i < sizeof(calls) / sizeof(*calls) && !err; i++)
        err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
    for (size_t i = 0; i < sizeof(families) / sizeof(*families) && !err; i++)
        err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
                               SCMP_A0(SCMP_CMP_EQ, (unsigned)families[i], 0));
    if (!err)
        err = seccomp_rule_add(
            filter, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 2,
            SCMP_A0(SCMP_CMP_EQ, AF_UNIX, 0),
            SCMP_A1(SCMP_CMP_MASKED_EQ, PAIR_TYPE_BITS, SOCK_STREAM));
    for (size_t i = 0; i < sizeof(pages) / sizeof(*pages) && !err; i++)
        err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, pages[i], 1,
                               SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    return err;
}

static int rings_list(scmp_filter_ctx filter)
{
    static const int rings[] = {SCMP_SYS(io_uring_setup),
                                SCMP_SYS(io_uring_enter),
                                SCMP_SYS(io_uring_register)};
    int err = 0;

    for (size_t i = 0; i < sizeof(rings) / sizeof(*rings) && !err; i++)
        err = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), rings[i], 0);
    return err;
}

/* Calls that @list does not list are treated as @other says. */
static int calls_restrict(uint32_t other, int (*list)(scmp_filter_ctx filter))
{
    scmp_filter_ctx filter = seccomp_init(other);
    int err = filter ? list(filter) : -ENOMEM;

    if (!err)
        err = seccomp_load(filter);
    if (filter)
        seccomp_release(filter);
    if (err)
        errno = -err;
    return err ? -1 : 0;
}

static int rings_refuse(void)
{
    return calls_restrict(SCMP_ACT_ALLOW, rings_list);
}

static int calls_keep(void)
{
    return calls_restrict(SCMP_ACT_ERRNO(ENOSYS), calls_list);
}
#else
static int rings_refuse(void)
{
    return 0;
}

static int calls_keep(void)
{
    return 0;
}
#endif

int sandbox_begin(char *why, size_t why_len)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || rings_refuse())
        return why_set(why, why_len, "the seccomp filter: %s", strerror(errno));
    return 0;
}

int sandbox_enter(const char *folder, char *why, size_t why_len)
{
    if (capabilities_drop())
        return why_set(why, why_len, "giving up capabilities: %s",
                       strerror(errno));
    if (files_restrict(folder))
        return why_set(why, why_len, "Landlock: %s", strerror(errno));
    if (calls_keep())
        return why_set(why, why_len, "the seccomp filter: %s", strerror(errno));
    return 0;
}
