/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The demonstration: HTTP services in guests, reached from the host by programs
 * that know nothing of guestnet, and guests that reach the host only as far as
 * they are allowed.
 *
 *     web     an HTTP server made with libmicrohttpd, which gets its
 *             connections as descriptors
 *     api     plain C on blocking sockets in a thread of its own; it answers by
 *             asking web, by name
 *     client  tries to reach a server on the host's loopback
 *
 * The host asks api by libcurl and web by the curl command. Each step prints
 * what was done, what came back, and how long that took; the program exits with
 * 0 only if every step was right.
 */
#include <guestnet/guestnet.h>

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TEXT_MAX 2000

/* ---- small helpers ---- */

static void fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)fprintf(stderr, "demo: ");
    (void)vfprintf(stderr, format, args);
    (void)fprintf(stderr, "\n");
    va_end(args);
    exit(1);
}

/* What the library says went wrong. */
static ssize_t check(const char *what, ssize_t result)
{
    if (result < 0)
        fail("%s: %s", what, gn_strerror((int)result));
    return result;
}

static void step(const char *title)
{
    static unsigned n;

    printf("\n%u. %s\n", ++n, title);
}

static void say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    printf("   ");
    (void)vprintf(format, args);
    printf("\n");
    va_end(args);
}

static double now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void expect(const char *what, const char *got, const char *wanted)
{
    if (!strstr(got, wanted))
        fail("%s: \"%s\" was to contain \"%s\"", what, got, wanted);
}

static const char *text_of(const struct sockaddr *addr)
{
    static _Thread_local char text[GN_ADDR_TEXT_MAX];

    check("address", gn_addr_format(addr, text, sizeof(text)));
    return text;
}

static struct gn_namespace *new_guest(struct gn_network *net, const char *name,
                                      const struct gn_egress *egress)
{
    struct gn_namespace_config config = {sizeof(config), .name = name,
                                         .egress = egress};
    struct gn_interface eth0;
    struct gn_namespace *ns;
    char text[2][GN_ADDR_TEXT_MAX];

    check(name, gn_namespace_create(net, &config, &ns));
    check(name, gn_namespace_interface_by_name(ns, "eth0", &eth0));
    check(name, gn_ip_format(&eth0.addrs[0].ip, text[0], sizeof(text[0])));
    check(name, gn_ip_format(&eth0.addrs[1].ip, text[1], sizeof(text[1])));
    say("%-8s%s  %s", name, text[0], text[1]);
    return ns;
}

/* ---- web: libmicrohttpd, unmodified ---- */

static enum MHD_Result answer(void *arg, struct MHD_Connection *connection,
                              const char *url, const char *method,
                              const char *version, const char *upload,
                              size_t *upload_len, void **user)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    struct MHD_Response *response;
    enum MHD_Result result;
    char text[TEXT_MAX];

    (void)arg, (void)url, (void)method, (void)version, (void)upload;
    (void)upload_len;
    if (!*user) { /* The header only: an answer now would close behind it. */
        *user = connection;
        return MHD_YES;
    }
    (void)snprintf(text, sizeof(text), "web greets %s\n",
                   text_of(info->client_addr));
    response = MHD_create_response_from_buffer(strlen(text), text,
                                               MHD_RESPMEM_MUST_COPY);
    result = MHD_queue_response(connection, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return result;
}

/* A connection came: hand it over as a descriptor. */
static void web_accepted(struct gn_listener *listener, int status,
                         struct gn_conn *conn, void *arg)
{
    struct MHD_Daemon *daemon = arg;
    struct sockaddr_storage peer;
    socklen_t len = sizeof(peer);
    int fd;

    (void)listener;
    if (status)
        return; /* The network is closing. */
    check("peer", gn_conn_peer(conn, (struct sockaddr *)&peer, &len));
    check("descriptor", gn_conn_fd(conn, GN_FD_SOCKETPAIR, &fd));
    if (MHD_add_connection(daemon, fd, (struct sockaddr *)&peer, len) !=
        MHD_YES)
        fail("libmicrohttpd took no connection");
}

static struct MHD_Daemon *start_web(struct gn_namespace *ns)
{
    struct gn_listener *listener; /* Ends with its network. */
    struct MHD_Daemon *daemon =
        MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ITC |
                             MHD_USE_NO_LISTEN_SOCKET,
                         0, NULL, NULL, answer, NULL, MHD_OPTION_END);

    if (!daemon)
        fail("libmicrohttpd does not start");
    check("listen",
          gn_listen(ns, "tcp", ":80", web_accepted, daemon, &listener));
    return daemon;
}

/* ---- api: blocking sockets ---- */

struct api {
    struct gn_namespace *ns;
    struct gn_sock *listener;
    pthread_t thread;
};

static void drop(struct gn_sock *sock)
{
    gn_sock_close(sock);
    gn_sock_unref(sock);
}

/* Until the peer has no more, or @cap is full. */
static size_t read_all(struct gn_sock *sock, char *out, size_t cap)
{
    ssize_t n = gn_sock_recv(sock, out, cap - 1, MSG_WAITALL);

    out[n > 0 ? n : 0] = '\0';
    return n > 0 ? (size_t)n : 0;
}

/* GET http://web/, as a guest does it: by name. */
static void ask_web(struct gn_namespace *ns, char *out, size_t cap)
{
    static const char request[] = "GET / HTTP/1.0\r\nHost: web\r\n\r\n";
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    const char *body;
    struct gn_sock *sock;

    check("web", gn_getaddrinfo(ns, "web", "http", &hints, &found));
    check("socket", gn_sock_open(ns, found->ai_family, SOCK_STREAM, 0, &sock));
    check("connect to web",
          gn_sock_connect(sock, found->ai_addr, found->ai_addrlen));
    gn_freeaddrinfo(found);
    check("send", gn_sock_send(sock, request, sizeof(request) - 1, 0));
    read_all(sock, out, cap);
    drop(sock);
    body = strstr(out, "\r\n\r\n");
    body = body ? body + 4 : "";
    memmove(out, body, strlen(body) + 1);
}

static void serve_one(struct gn_namespace *ns, struct gn_sock *sock)
{
    char request[TEXT_MAX] = "", from_web[TEXT_MAX], text[2 * TEXT_MAX];
    size_t len = 0;
    ssize_t n;

    while (!strstr(request, "\r\n\r\n") && len < sizeof(request) - 1) {
        n = gn_sock_recv(sock, request + len, sizeof(request) - 1 - len, 0);
        if (n <= 0)
            return;
        len += (size_t)n;
        request[len] = '\0';
    }
    ask_web(ns, from_web, sizeof(from_web));
    n = snprintf(text, sizeof(text),
                 "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
                 "api asked web: %s",
                 from_web);
    check("answer", gn_sock_send(sock, text, (size_t)n, 0));
}

static void *run_api(void *arg)
{
    const struct api *api = arg;
    struct gn_sock *sock;

    while (gn_sock_accept(api->listener, NULL, NULL, 0, &sock) == 0) {
        serve_one(api->ns, sock);
        drop(sock);
    }
    return NULL; /* The listener was closed. */
}

static void start_api(struct api *api)
{
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(80)};

    check("socket",
          gn_sock_open(api->ns, AF_INET6, SOCK_STREAM, 0, &api->listener));
    check("bind",
          gn_sock_bind(api->listener, (struct sockaddr *)&any, sizeof(any)));
    check("listen", gn_sock_listen(api->listener, 64));
    check("thread", -pthread_create(&api->thread, NULL, run_api, api));
}

static void stop_api(struct api *api)
{
    gn_sock_close(api->listener);
    pthread_join(api->thread, NULL);
    gn_sock_unref(api->listener);
}

/* ---- the host: libcurl, unmodified ---- */

struct body {
    char text[TEXT_MAX];
    size_t len;
};

static size_t keep(char *data, size_t size, size_t n, void *arg)
{
    struct body *body = arg;
    size_t room = sizeof(body->text) - 1 - body->len;
    size_t len = size * n < room ? size * n : room;

    memcpy(body->text + body->len, data, len);
    body->len += len;
    return size * n;
}

static CURL *new_fetch(const char *url, struct body *body)
{
    CURL *curl = curl_easy_init();

    if (!curl)
        fail("libcurl does not start");
    memset(body, 0, sizeof(*body));
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 30L);
    return curl;
}

static void fetch(CURL *curl, struct body *body, const char *wanted)
{
    double begin = now_ms();
    CURLcode result = curl_easy_perform(curl);
    long status = 0;

    if (result != CURLE_OK)
        fail("libcurl: %s", curl_easy_strerror(result));
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200)
        fail("HTTP status %ld", status);
    expect("the answer", body->text, wanted);
    body->text[strcspn(body->text, "\n")] = '\0';
    say("%.2f ms: %s", now_ms() - begin, body->text);
    curl_easy_cleanup(curl);
}

static void by_unix_socket(struct gn_network *net, const char *folder)
{
    struct gn_publication *publication;
    struct body body;
    char path[256];
    CURL *curl;

    step("libcurl fetches http://api/ by a published Unix socket");
    (void)snprintf(path, sizeof(path), "%s/api.sock", folder);
    check(path, gn_publish(net, "unix", path, "api:80", NULL, &publication));
    curl = new_fetch("http://api/", &body);
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, path);
    fetch(curl, &body, "api asked web: web greets ");
    gn_unpublish(publication, NULL, NULL);
}

/* libcurl wants a socket: here is one that is connected already. A pair of TCP
 * sockets, because libcurl 7.88 does not believe it, and tries to connect. */
static curl_socket_t dial(void *arg, curlsocktype purpose,
                          struct curl_sockaddr *address)
{
    struct gn_dial_options options = {.size = sizeof(options),
                                      .fd_kind = GN_FD_TCP};
    int fd;

    (void)purpose, (void)address;
    check("api:80",
          gn_dial_fd(gn_network_gateway(arg), "tcp", "api:80", &options, &fd));
    return fd;
}

static int already_connected(void *arg, curl_socket_t fd, curlsocktype purpose)
{
    (void)arg, (void)fd, (void)purpose;
    return CURL_SOCKOPT_ALREADY_CONNECTED;
}

static void by_dialling(struct gn_network *net)
{
    struct curl_slist *names = curl_slist_append(NULL, "api:80:10.77.0.3");
    struct body body;
    CURL *curl;

    step("libcurl fetches http://api/ over a descriptor of gn_dial_fd()");
    curl = new_fetch("http://api/", &body);
    curl_easy_setopt(curl, CURLOPT_RESOLVE, names);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, dial);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, net);
    curl_easy_setopt(curl, CURLOPT_SOCKOPTFUNCTION, already_connected);
    fetch(curl, &body, "api asked web: web greets ");
    curl_slist_free_all(names);
}

/* ---- the host: the curl command ---- */

/* Run it, and return its first line. */
static double run(const char *command, char *line, size_t cap)
{
    double begin = now_ms();
    FILE *pipe = popen(command, "r");
    int status;

    if (!pipe)
        fail("%s: %s", command, strerror(errno));
    if (!fgets(line, (int)cap, pipe))
        line[0] = '\0';
    status = pclose(pipe);
    if (status != 0)
        fail("%s: exit status %d", command, WEXITSTATUS(status));
    line[strcspn(line, "\n")] = '\0';
    return now_ms() - begin;
}

static double curl_command(const char *url)
{
    char command[512], line[TEXT_MAX];
    double ms;

    (void)snprintf(command, sizeof(command),
                   "curl --silent --show-error --noproxy '*' %s", url);
    ms = run(command, line, sizeof(line));
    expect("curl", line, "web greets 10.77.0.1:");
    say("%.2f ms: %s", ms, line);
    return ms;
}

static void by_published_port(struct gn_network *net, struct gn_namespace *web)
{
    struct gn_link_config slow = {.size = sizeof(slow), .latency_us = 100000};
    struct gn_link_config perfect = {.size = sizeof(perfect)};
    struct gn_publication *publication;
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);
    char url[GN_ADDR_TEXT_MAX + 16];
    double fast_ms, slow_ms;

    step("the curl command fetches web by a port of the host's loopback");
    check("publish",
          gn_publish(net, "tcp", "127.0.0.1:0", "web:80", NULL, &publication));
    gn_publication_addr(publication, (struct sockaddr *)&addr, &len);
    (void)snprintf(url, sizeof(url), "http://%s/",
                   text_of((struct sockaddr *)&addr));
    say("curl %s", url);
    fast_ms = curl_command(url);

    step("the same with 100 ms each way on web's line");
    check("link", gn_link_set(web, "eth0", &slow));
    slow_ms = curl_command(url);
    if (slow_ms < fast_ms + 200) /* A connection is two round trips. */
        fail("it took %.0f ms, and %.0f ms without delay", slow_ms, fast_ms);
    check("link", gn_link_set(web, "eth0", &perfect));
    gn_unpublish(publication, NULL, NULL);
}

/* ---- the outside: nginx on the host's loopback ---- */

struct server {
    pid_t pid;
    unsigned port;
};

/* One, so that it ends however the program does. */
static struct server nginx;

static unsigned free_port(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, len) ||
        getsockname(fd, (struct sockaddr *)&addr, &len))
        fail("no free port: %s", strerror(errno));
    close(fd);
    return ntohs(addr.sin_port);
}

/* Until it answers, or has ended. */
static void wait_for_nginx(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)nginx.port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timespec pause = {.tv_nsec = 10000000};
    int fd, err;

    do {
        if (waitpid(nginx.pid, NULL, WNOHANG) != 0)
            fail("nginx does not start (is it installed?)");
        (void)nanosleep(&pause, NULL);
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        err = connect(fd, (struct sockaddr *)&addr, sizeof(addr));
        close(fd);
    } while (err);
}

static void stop_nginx(void)
{
    if (nginx.pid == 0)
        return;
    kill(nginx.pid, SIGTERM);
    waitpid(nginx.pid, NULL, 0);
    nginx.pid = 0;
}

static void start_nginx(const char *folder)
{
    char config[300], prefix[300];
    FILE *file;

    nginx.port = free_port();
    (void)snprintf(prefix, sizeof(prefix), "%s/", folder);
    (void)snprintf(config, sizeof(config), "%s/nginx.conf", folder);
    file = fopen(config, "w");
    if (!file)
        fail("%s: %s", config, strerror(errno));
    (void)fprintf(file,
                  "daemon off; master_process off; pid %s/nginx.pid;\n"
                  "error_log stderr crit;\n"
                  "events {}\n"
                  "http {\n"
                  "    access_log off;\n"
                  "    server {\n"
                  "        listen 127.0.0.1:%u;\n"
                  "        location / { return 200 'nginx greets you\\n'; }\n"
                  "    }\n"
                  "}\n",
                  folder, nginx.port);
    if (fclose(file))
        fail("%s: %s", config, strerror(errno));
    nginx.pid = fork();
    if (nginx.pid < 0)
        fail("fork: %s", strerror(errno));
    if (nginx.pid == 0) {
        execlp("nginx", "nginx", "-p", prefix, "-c", config, "-e", "stderr",
               (char *)NULL);
        _exit(127);
    }
    atexit(stop_nginx);
    wait_for_nginx();
}

/* What the client's connect() says, after how long, and what it is answered. */
static int try_outside(struct gn_namespace *client, unsigned port, char *out,
                       size_t cap)
{
    static const char request[] = "GET / HTTP/1.0\r\n\r\n";
    struct sockaddr_storage addr;
    char text[GN_ADDR_TEXT_MAX];
    struct gn_sock *sock;
    double begin;
    socklen_t len;
    int err;

    (void)snprintf(text, sizeof(text), "10.77.0.1:%u", port);
    check(text, gn_addr_parse(text, &addr, &len));
    check("socket", gn_sock_open(client, AF_INET, SOCK_STREAM, 0, &sock));
    begin = now_ms();
    err = gn_sock_connect(sock, (struct sockaddr *)&addr, len);
    say("%.2f ms: connect() to %s: %s", now_ms() - begin, text,
        gn_strerror(err));
    if (!err) {
        check("send", gn_sock_send(sock, request, sizeof(request) - 1, 0));
        read_all(sock, out, cap);
    }
    drop(sock);
    return err;
}

static void told(const struct gn_audit *audit, void *arg)
{
    (void)arg;
    say("policy: %s to %s: %s (%s)", audit->guest_name, text_of(audit->address),
        audit->allowed ? "allowed" : "denied", audit->reason);
}

static void outside(struct gn_network *net)
{
    char rule[80], answer_text[TEXT_MAX] = "";
    const char *rules[] = {rule, NULL};
    struct gn_policy policy = {.size = sizeof(policy), .audit = told};
    struct gn_egress *denying, *allowing;
    struct gn_namespace *client;
    int err;

    step("client may not reach a server on the host's loopback");
    say("nginx listens on 127.0.0.1:%u", nginx.port);
    check("policy", gn_egress_system(&policy, &denying));
    client = new_guest(net, "client", denying);
    err = try_outside(client, nginx.port, answer_text, sizeof(answer_text));
    if (err != -EACCES)
        fail("that was to be \"%s\"", gn_strerror(-EACCES));
    gn_namespace_close(client, 0, NULL, NULL);
    gn_egress_close(denying);

    step("and may, when a rule names it");
    (void)snprintf(rule, sizeof(rule), "allow tcp 127.0.0.1 port %u",
                   nginx.port);
    say("%s", rule);
    policy.rules = rules;
    check(rule, gn_egress_system(&policy, &allowing));
    client = new_guest(net, "client", allowing);
    check("connect()",
          try_outside(client, nginx.port, answer_text, sizeof(answer_text)));
    expect("nginx", answer_text, "nginx greets you");
    say("nginx greets you");
    gn_namespace_close(client, 0, NULL, NULL);
    gn_egress_close(allowing);
}

/* ---- all of it ---- */

static void serve(const char *folder)
{
    const char *prefixes[] = {"10.77.0.0/24", "fd77::/64", NULL};
    struct gn_network_config config = {sizeof(config), .name = "demo",
                                       .prefixes = prefixes};
    struct api api;
    struct gn_network *net;
    struct gn_namespace *web;
    struct MHD_Daemon *daemon;

    step("a network, without root and within this process");
    check("network", gn_network_create(&config, &net));
    say("%-8s10.77.0.0/24  fd77::/64", "demo");
    web = new_guest(net, "web", NULL);
    api.ns = new_guest(net, "api", NULL);
    daemon = start_web(web);
    start_api(&api);

    by_unix_socket(net, folder);
    by_dialling(net);
    by_published_port(net, web);
    outside(net);

    stop_api(&api);
    gn_network_close(net, NULL, NULL);
    MHD_stop_daemon(daemon);
}

int main(void)
{
    char folder[] = "/tmp/guestnet-demo-XXXXXX", command[64];

    if (!mkdtemp(folder))
        fail("%s: %s", folder, strerror(errno));
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("%s\n", gn_version_string());
    curl_global_init(CURL_GLOBAL_DEFAULT);
    start_nginx(folder);
    serve(folder);
    stop_nginx();
    curl_global_cleanup();
    (void)snprintf(command, sizeof(command), "rm -rf %s", folder);
    if (system(command) != 0)
        fail("%s stays behind", folder);
    printf("\nEverything was as it should be.\n");
    return 0;
}
