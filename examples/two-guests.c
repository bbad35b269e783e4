/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two guests exchange a message over TCP and over UDP, by IPv4 and by IPv6.
 *
 * Alice and Bob are guests of one network, with a stack, a loopback and ports
 * of their own. Bob answers in a thread of his own, Alice asks from the main
 * thread; both use blocking calls, as a program on Linux would. Nothing here
 * needs root, and nothing of it is visible outside the process.
 *
 * The program exits with 0 only if everybody got what was sent and saw the
 * address it came from.
 */
#include <guestnet/guestnet.h>

#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#define PORT         7
#define TEXT_MAX     160
#define TIMEOUT_S    10
#define LISTEN_QUEUE 4

struct guest {
    const char *name;
    struct gn_namespace *ns;
};

/** One exchange: Bob answers at @sock, in his thread. */
struct exchange {
    int type;
    const char *protocol;
    const struct guest *alice;
    const struct guest *bob;
    struct sockaddr_storage alice_addr;
    struct sockaddr_storage bob_addr;
    socklen_t len;
    struct gn_sock *sock;
    const char *hello;
    const char *answer;
    bool answered;
};

/* ---- small helpers ---- */

static bool failed(const char *what, ssize_t err)
{
    if (err >= 0)
        return false;
    fprintf(stderr, "%s: %s\n", what, gn_strerror((int)err));
    return true;
}

static const char *text_of(const struct sockaddr_storage *addr)
{
    static _Thread_local char text[2][GN_ADDR_TEXT_MAX];
    static _Thread_local unsigned turn;
    char *out = text[turn++ % 2];

    if (gn_addr_format((const struct sockaddr *)addr, out, sizeof(text[0])))
        return "?";
    return out;
}

/** Are these the same host? Ports are not compared. */
static bool same_host(const struct sockaddr_storage *a,
                      const struct sockaddr_storage *b)
{
    if (a->ss_family != b->ss_family)
        return false;
    if (a->ss_family == AF_INET)
        return !memcmp(&((const struct sockaddr_in *)a)->sin_addr,
                       &((const struct sockaddr_in *)b)->sin_addr, 4);
    return !memcmp(&((const struct sockaddr_in6 *)a)->sin6_addr,
                   &((const struct sockaddr_in6 *)b)->sin6_addr, 16);
}

static bool expect(const char *who, const char *want, const char *got,
                   ssize_t len)
{
    if (failed(who, len))
        return false;
    if ((size_t)len == strlen(want) && !memcmp(want, got, (size_t)len))
        return true;
    fprintf(stderr, "%s got %.*s\n", who, (int)len, got);
    return false;
}

static bool expect_host(const char *who, const struct sockaddr_storage *want,
                        const struct sockaddr_storage *got)
{
    if (same_host(want, got))
        return true;
    fprintf(stderr, "%s expected %s and met %s\n", who, text_of(want),
            text_of(got));
    return false;
}

static void say(const struct exchange *x, const struct guest *who,
                const struct sockaddr_storage *from,
                const struct sockaddr_storage *to, const char *text)
{
    printf("%s  %-17s -> %-17s %s: %s\n", x->protocol, text_of(from),
           text_of(to), who->name, text);
}

/** A socket whose calls give up after TIMEOUT_S. */
static struct gn_sock *open_socket(const struct guest *guest, int family,
                                   int type)
{
    struct timeval timeout = {.tv_sec = TIMEOUT_S};
    struct gn_sock *sock = NULL;

    if (failed(guest->name, gn_sock_open(guest->ns, family, type, 0, &sock)))
        return NULL;
    if (!failed(guest->name, gn_sock_setopt(sock, SOL_SOCKET, SO_RCVTIMEO,
                                            &timeout, sizeof(timeout))) &&
        !failed(guest->name, gn_sock_setopt(sock, SOL_SOCKET, SO_SNDTIMEO,
                                            &timeout, sizeof(timeout))))
        return sock;
    gn_sock_unref(sock);
    return NULL;
}

/** The guest's own address of that family on eth0, with @port. */
static bool address_of(const struct guest *guest, int family, unsigned port,
                       struct sockaddr_storage *out, socklen_t *len)
{
    struct gn_interface eth0;
    char ip[GN_ADDR_TEXT_MAX];
    char text[GN_ADDR_TEXT_MAX + 8];

    if (failed(guest->name,
               gn_namespace_interface_by_name(guest->ns, "eth0", &eth0)))
        return false;
    for (size_t i = 0; i < eth0.n_addrs && i < GN_INTERFACE_ADDRS; i++) {
        const struct gn_ip *addr = &eth0.addrs[i].ip;

        /* fe80::/10 holds on one link only; the network's own is wanted. */
        if (addr->family != family ||
            (family == AF_INET6 && addr->bytes[0] == 0xfe))
            continue;
        if (failed(guest->name, gn_ip_format(addr, ip, sizeof(ip))))
            return false;
        snprintf(text, sizeof(text), family == AF_INET ? "%s:%u" : "[%s]:%u",
                 ip, port);
        return !failed(guest->name, gn_addr_parse(text, out, len));
    }
    fprintf(stderr, "%s has no address of family %d\n", guest->name, family);
    return false;
}

/* ---- Bob ---- */

static bool answer_stream(struct exchange *x)
{
    struct sockaddr_storage from;
    socklen_t len = sizeof(from);
    struct gn_sock *conn = NULL;
    char text[TEXT_MAX];
    ssize_t n;
    bool ok;

    if (failed("bob accepts", gn_sock_accept(x->sock, (struct sockaddr *)&from,
                                             &len, 0, &conn)))
        return false;
    n = gn_sock_recv(conn, text, strlen(x->hello), MSG_WAITALL);
    ok = expect("bob", x->hello, text, n) &&
         expect_host("bob", &x->alice_addr, &from);
    if (ok)
        say(x, x->alice, &from, &x->bob_addr, x->hello);
    if (ok)
        ok = !failed("bob sends",
                     gn_sock_send(conn, x->answer, strlen(x->answer), 0));
    gn_sock_close(conn);
    gn_sock_unref(conn);
    return ok;
}

static bool answer_datagram(struct exchange *x)
{
    struct sockaddr_storage from;
    socklen_t len = sizeof(from);
    char text[TEXT_MAX];
    ssize_t n = gn_sock_recvfrom(x->sock, text, sizeof(text), 0,
                                 (struct sockaddr *)&from, &len);

    if (!expect("bob", x->hello, text, n) ||
        !expect_host("bob", &x->alice_addr, &from))
        return false;
    say(x, x->alice, &from, &x->bob_addr, x->hello);
    return !failed("bob sends",
                   gn_sock_sendto(x->sock, x->answer, strlen(x->answer), 0,
                                  (struct sockaddr *)&from, len));
}

static void *bob_main(void *arg)
{
    struct exchange *x = arg;

    x->answered =
        x->type == SOCK_STREAM ? answer_stream(x) : answer_datagram(x);
    return NULL;
}

/* ---- Alice ---- */

static bool ask(const struct exchange *x, struct gn_sock *sock)
{
    struct sockaddr_storage self, peer;
    socklen_t self_len = sizeof(self), peer_len = sizeof(peer);
    char text[TEXT_MAX];
    bool stream = x->type == SOCK_STREAM;
    ssize_t n;

    if (failed("alice connects",
               gn_sock_connect(sock, (const struct sockaddr *)&x->bob_addr,
                               x->len)) ||
        failed("alice sends",
               gn_sock_send(sock, x->hello, strlen(x->hello), 0)))
        return false;
    n = gn_sock_recv(sock, text, stream ? strlen(x->answer) : sizeof(text),
                     stream ? MSG_WAITALL : 0);
    if (!expect("alice", x->answer, text, n) ||
        failed("alice's address",
               gn_sock_name(sock, (struct sockaddr *)&self, &self_len)) ||
        failed("bob's address",
               gn_sock_peer(sock, (struct sockaddr *)&peer, &peer_len)) ||
        !expect_host("alice", &x->bob_addr, &peer))
        return false;
    say(x, x->bob, &peer, &self, x->answer);
    return true;
}

static bool run_alice(const struct exchange *x)
{
    struct gn_sock *sock =
        open_socket(x->alice, x->bob_addr.ss_family, x->type);
    bool ok;

    if (!sock)
        return false;
    ok = ask(x, sock);
    gn_sock_close(sock);
    gn_sock_unref(sock);
    return ok;
}

/* ---- both ---- */

/** Bob is bound, and for TCP listens, before his thread starts: whatever
 *  Alice sends first waits for him. */
static bool prepare(struct exchange *x, int family)
{
    if (!address_of(x->alice, family, 0, &x->alice_addr, &x->len) ||
        !address_of(x->bob, family, PORT, &x->bob_addr, &x->len))
        return false;
    x->sock = open_socket(x->bob, family, x->type);
    if (!x->sock)
        return false;
    return !failed("bob binds",
                   gn_sock_bind(x->sock, (struct sockaddr *)&x->bob_addr,
                                x->len)) &&
           (x->type != SOCK_STREAM ||
            !failed("bob listens", gn_sock_listen(x->sock, LISTEN_QUEUE)));
}

static bool meet(const struct guest *alice, const struct guest *bob, int family,
                 int type)
{
    struct exchange x = {
        .type = type,
        .protocol = type == SOCK_STREAM ? "TCP" : "UDP",
        .alice = alice,
        .bob = bob,
        .hello = type == SOCK_STREAM ? "Hello Bob, do you read me?"
                                     : "Bob, a short one.",
        .answer =
            type == SOCK_STREAM ? "Hello Alice, loud and clear." : "Got it.",
    };
    pthread_t thread;
    bool ok = prepare(&x, family);

    if (ok && pthread_create(&thread, NULL, bob_main, &x)) {
        fprintf(stderr, "no thread for bob\n");
        ok = false;
    } else if (ok) {
        ok = run_alice(&x);
        pthread_join(thread, NULL);
        ok = ok && x.answered;
    }
    gn_sock_close(x.sock);
    gn_sock_unref(x.sock);
    return ok;
}

static bool create_guest(struct gn_network *net, struct guest *guest)
{
    struct gn_namespace_config config = {
        .size = sizeof(config),
        .name = guest->name,
    };

    return !failed(guest->name, gn_namespace_create(net, &config, &guest->ns));
}

static bool introduce(const struct guest *guest)
{
    struct sockaddr_storage v4, v6;
    socklen_t len;

    if (!address_of(guest, AF_INET, 0, &v4, &len) ||
        !address_of(guest, AF_INET6, 0, &v6, &len))
        return false;
    printf("%-5s is %s and %s\n", guest->name, text_of(&v4), text_of(&v6));
    return true;
}

int main(void)
{
    const char *prefixes[] = {"10.77.0.0/24", "fd77::/64", NULL};
    char why[160];
    struct gn_network_config config = {
        .size = sizeof(config),
        .prefixes = prefixes,
        .why = why,
        .why_len = sizeof(why),
    };
    struct guest alice = {.name = "alice"};
    struct guest bob = {.name = "bob"};
    struct gn_network *net;
    bool ok;

    printf("%s\n", gn_version_string());
    if (failed("network", gn_network_create(&config, &net)))
        return 1;
    ok = create_guest(net, &alice) && create_guest(net, &bob) &&
         introduce(&alice) && introduce(&bob) &&
         meet(&alice, &bob, AF_INET, SOCK_STREAM) &&
         meet(&alice, &bob, AF_INET6, SOCK_STREAM) &&
         meet(&alice, &bob, AF_INET, SOCK_DGRAM) &&
         meet(&alice, &bob, AF_INET6, SOCK_DGRAM);
    gn_network_close(net, NULL, NULL);
    printf("%s\n", ok ? "Every message arrived." : "Something went wrong.");
    return ok ? 0 : 1;
}
