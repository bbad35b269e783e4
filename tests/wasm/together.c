/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A guest in WebAssembly, a guest in this process and a container on one
 * network: each serves, and each asks the two others by name. The container is
 * a child in namespaces of the kernel's that an ordinary user may make, and its
 * card a TAP device that it hands over.
 *
 * together FOLDER: what the container runs is FOLDER/inside, with sh.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <guestnet/guestnet.h>

#define PATIENCE_MS 60000

int talk_run(struct gn_namespace *ns, struct gn_wasi_config config,
             int (*prepare)(struct gn_wasi_guest *, void *), void *arg,
             uint64_t *status, char why[160]);

static void check(int ok, const char *what, const char *why)
{
    if (ok)
        return;
    fprintf(stderr, "together: %s: %s\n", what, why);
    exit(1);
}

static void skip(const char *what)
{
    printf("skipped: %s: %s\n", what, strerror(errno));
    exit(77);
}

/* ---- the container ---- */

static void file_write(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    if (!file)
        skip(path);
    fputs(text, file);
    if (fclose(file))
        skip(path);
}

/* Root inside is @id outside. */
static void map_write(const char *path, unsigned id)
{
    char line[32];

    (void)snprintf(line, sizeof(line), "0 %u 1", id);
    file_write(path, line);
}

static int card_make(void)
{
    struct ifreq request = {.ifr_name = "eth0",
                            .ifr_flags = IFF_TAP | IFF_NO_PI};
    unsigned uid = getuid(), gid = getgid();
    int fd;

    if (unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS))
        skip("no namespaces for a user");
    file_write("/proc/self/setgroups", "deny");
    map_write("/proc/self/uid_map", uid);
    map_write("/proc/self/gid_map", gid);
    fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        skip("/dev/net/tun");
    check(!ioctl(fd, TUNSETIFF, &request), "eth0", strerror(errno));
    return fd;
}

/* One byte, with a descriptor if @fd is one. */
static void card_send(int to, int fd)
{
    char control[CMSG_SPACE(sizeof(int))] = {0}, byte = 0;
    struct iovec iov = {&byte, 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof(control)};
    struct cmsghdr *head = CMSG_FIRSTHDR(&msg);

    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(head), &fd, sizeof(fd));
    check(sendmsg(to, &msg, 0) == 1, "the card", strerror(errno));
}

/* -1: the container had nothing to give. */
static int card_recv(int from)
{
    char control[CMSG_SPACE(sizeof(int))], byte;
    struct iovec iov = {&byte, 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof(control)};
    int fd = -1;

    if (recvmsg(from, &msg, MSG_CMSG_CLOEXEC) == 1 && CMSG_FIRSTHDR(&msg))
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
    return fd;
}

/* Its standard input ends when it is to end. */
static void container_main(int host, const char *folder)
{
    char byte;

    card_send(host, card_make());
    if (recv(host, &byte, 1, 0) != 1)
        exit(1);
    check(dup2(host, STDIN_FILENO) == STDIN_FILENO && !chdir(folder), folder,
          strerror(errno));
    (void)execlp("sh", "sh", "-e", "./inside", (char *)NULL);
    check(0, "sh", strerror(errno));
}

/* ---- the guest in this process ---- */

/* Answers two requests of HTTP, and then asks the two others. */
static void *native_main(void *arg)
{
    static const char answer[] = "HTTP/1.0 200 OK\r\n\r\nnative is here\n";
    struct gn_sock *listener = arg, *sock;
    char request[4096];

    for (int i = 0; i < 2; i++) {
        check(!gn_sock_accept(listener, NULL, NULL, 0, &sock), "native",
              "accept");
        check(gn_sock_recv(sock, request, sizeof(request), 0) > 0, "native",
              "no request");
        check(gn_sock_send(sock, answer, strlen(answer), 0) > 0, "native",
              "no answer");
        gn_sock_close(sock);
        gn_sock_unref(sock);
    }
    gn_sock_close(listener);
    gn_sock_unref(listener);
    return NULL;
}

static void native_asks(struct gn_namespace *ns, const char *address)
{
    static const char request[] = "GET /by-native HTTP/1.0\r\n\r\n";
    char why[160] = "", text[4096], *body;
    struct gn_sock *sock;
    size_t len = 0;
    ssize_t n;
    int err =
        gn_sock_dial(ns, "tcp", address, PATIENCE_MS, why, sizeof(why), &sock);

    check(!err, address, why);
    check(gn_sock_send(sock, request, strlen(request), 0) > 0, address, "send");
    while ((n = gn_sock_recv(sock, text + len, sizeof(text) - 1 - len, 0)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    body = strstr(text, "\r\n\r\n");
    check(body != NULL, address, text);
    printf("native: %s", body + 4);
    gn_sock_close(sock);
    gn_sock_unref(sock);
}

/* ---- the guest in WebAssembly ---- */

struct wasm {
    struct gn_namespace *ns;
    const char *args[8];
    pthread_t thread;
};

static void *wasm_main(void *arg)
{
    struct wasm *wasm = arg;
    struct gn_wasi_config config = {.args = wasm->args};
    char why[160] = "";
    uint64_t status = 1;

    check(talk_run(wasm->ns, config, NULL, NULL, &status, why) ==
                  GN_WASI_EXIT &&
              status == 0,
          wasm->args[1], why);
    return NULL;
}

static struct gn_namespace *namespace_new(struct gn_network *net,
                                          const char *name)
{
    struct gn_namespace_config config = {.size = sizeof(config), .name = name};
    struct gn_namespace *ns;
    int err = gn_namespace_create(net, &config, &ns);

    check(!err, name, gn_strerror(err));
    return ns;
}

static void wait_listening(struct gn_namespace *ns)
{
    char why[160] = "";

    check(!gn_wait_listening(ns, "tcp", ":80", PATIENCE_MS, why, sizeof(why)),
          "nothing listens", why);
}

/* ---- all three ---- */

static void run(int container)
{
    static const char *const prefixes[] = {"10.77.0.0/24", "fd77::/64", NULL};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes};
    struct gn_nic_config card = {.size = sizeof(card), .name = "box"};
    struct gn_namespace *native;
    struct wasm server = {.args = {"talk", "http", "80", "2"}};
    struct wasm client = {.args = {"talk", "fetch", "box", "80", "/by-wasm"}};
    struct gn_network *net;
    struct gn_nic *nic;
    struct gn_sock *listener;
    pthread_t thread;
    char why[160] = "", byte = 0;
    int fd = card_recv(container);

    if (fd < 0)
        return; /* It has said why. */
    check(!gn_network_create(&config, &net), "network", "");
    server.ns = namespace_new(net, "web");
    native = namespace_new(net, "native");
    check(!gn_nic_tap(net, &card, NULL, fd, &nic), "card", "");
    check(!gn_sock_listen_at(native, "tcp", ":80", 0, why, sizeof(why),
                             &listener),
          "native", why);
    pthread_create(&thread, NULL, native_main, listener);
    pthread_create(&server.thread, NULL, wasm_main, &server);
    wait_listening(server.ns);
    check(send(container, &byte, 1, 0) == 1, "container", strerror(errno));
    check(recv(container, &byte, 1, 0) == 1, "container", "it ended early");
    native_asks(native, "web:80");
    native_asks(native, "box:80");
    client.ns = server.ns;
    wasm_main(&client);
    client.args[2] = "native";
    wasm_main(&client);
    pthread_join(thread, NULL);
    pthread_join(server.thread, NULL);
    fflush(stdout);
    shutdown(container, SHUT_WR);
    gn_network_close(net, NULL, NULL);
}

int main(int argc, char **argv)
{
    int pair[2], status = 1;
    pid_t pid;

    check(argc == 2, "usage", "together FOLDER");
    check(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair), "socketpair", "");
    pid = fork();
    check(pid >= 0, "fork", strerror(errno));
    if (pid == 0) {
        close(pair[0]);
        container_main(pair[1], argv[1]);
    }
    close(pair[1]);
    run(pair[0]);
    close(pair[0]);
    check(waitpid(pid, &status, 0) == pid && WIFEXITED(status), "container",
          "it was killed");
    return WEXITSTATUS(status);
}
