/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An HTTP server in a guest: libmicrohttpd, which knows nothing of guestnet,
 * gets each connection as a descriptor, and shows who its client is. The guest
 * is published on the host's loopback:
 *
 *     http-server-guest 8080 &
 *     curl http://127.0.0.1:8080/
 *
 * With no port it takes a free one and fetches its own page by libcurl once.
 *
 *     cc http-server-guest.c $(pkg-config --cflags --libs guestnet) \
 *         -lmicrohttpd -lcurl
 */
#include <guestnet/guestnet.h>

#include <curl/curl.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void check(const char *what, int result)
{
    if (result >= 0)
        return;
    fprintf(stderr, "%s: %s\n", what, gn_strerror(result));
    exit(1);
}

static enum MHD_Result answer(void *arg, struct MHD_Connection *connection,
                              const char *url, const char *method,
                              const char *version, const char *upload,
                              size_t *upload_len, void **request)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    char client[GN_ADDR_TEXT_MAX], text[200];
    struct MHD_Response *response;
    enum MHD_Result result;

    (void)arg, (void)version, (void)upload, (void)upload_len;
    if (!*request) { /* The header only: an answer now would close behind it. */
        *request = connection;
        return MHD_YES;
    }
    if (gn_addr_format(info->client_addr, client, sizeof(client)))
        return MHD_NO;
    (void)snprintf(text, sizeof(text), "%s %.64s by %s\n", method, url, client);
    response = MHD_create_response_from_buffer(strlen(text), text,
                                               MHD_RESPMEM_MUST_COPY);
    result = MHD_queue_response(connection, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return result;
}

/* On guestnet's thread: a connection to the guest's port 80. */
static void accepted(struct gn_listener *listener, int status,
                     struct gn_conn *conn, void *daemon)
{
    struct sockaddr_storage peer;
    socklen_t len = sizeof(peer);
    int fd;

    (void)listener;
    if (status)
        return; /* The network closes. */
    check("peer", gn_conn_peer(conn, (struct sockaddr *)&peer, &len));
    check("descriptor", gn_conn_fd(conn, GN_FD_SOCKETPAIR, &fd));
    (void)MHD_add_connection(daemon, fd, (struct sockaddr *)&peer, len);
}

static void fetch(const char *address)
{
    char url[GN_ADDR_TEXT_MAX + 16];
    CURL *curl = curl_easy_init();
    CURLcode result;

    (void)snprintf(url, sizeof(url), "http://%s/hello", address);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    result = curl_easy_perform(curl); /* Prints what it got. */
    curl_easy_cleanup(curl);
    if (result != CURLE_OK) {
        fprintf(stderr, "%s: %s\n", url, curl_easy_strerror(result));
        exit(1);
    }
}

int main(int argc, char **argv)
{
    const char *prefixes[] = {"10.77.0.0/24", "fd77::/64", NULL};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes};
    struct gn_namespace_config web_config = {.size = sizeof(web_config),
                                             .name = "web"};
    char at[32], address[GN_ADDR_TEXT_MAX], why[200] = "";
    struct gn_publish_options options = {sizeof(options), .why = why,
                                         .why_len = sizeof(why)};
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);
    struct gn_network *net;
    struct gn_namespace *web;
    struct gn_listener *listener; /* Ends with its network. */
    struct gn_publication *publication;
    struct MHD_Daemon *daemon;

    check("network", gn_network_create(&config, &net));
    check("guest", gn_namespace_create(net, &web_config, &web));
    daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ITC |
                                  MHD_USE_NO_LISTEN_SOCKET,
                              0, NULL, NULL, answer, NULL, MHD_OPTION_END);
    if (!daemon)
        return 1;
    check("listen", gn_listen(web, "tcp", ":80", accepted, daemon, &listener));

    (void)snprintf(at, sizeof(at), "127.0.0.1:%s", argc > 1 ? argv[1] : "0");
    if (gn_publish(net, "tcp", at, "web:80", &options, &publication)) {
        fprintf(stderr, "%s\n", why);
        return 1;
    }
    gn_publication_addr(publication, (struct sockaddr *)&addr, &len);
    check("address",
          gn_addr_format((struct sockaddr *)&addr, address, sizeof(address)));
    fprintf(stderr, "web:80 is at http://%s/\n", address);
    if (argc > 1)
        pause();
    fetch(address);

    gn_network_close(net, NULL, NULL); /* And all that is in it. */
    MHD_stop_daemon(daemon);
    return 0;
}
