/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * OpenSSL over a socket of ours. Its own socket BIO writes by write(2), which
 * raises SIGPIPE, and does not say whether WANT_READ means that the kernel has
 * nothing or that a record carried nothing: the BIO here does both.
 *
 * OpenSSL's queue of errors is the thread's, which may be the caller's: it is
 * emptied before each call that looks at it.
 */
#include "host/tls/tls.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "base/ref.h"
#include "base/text.h"
#include "namespace/namespace.h"

/** The most that is given to OpenSSL at once, and one record takes. */
#define RECORD_MAX 16384u

struct gn__tls_trust {
    struct gn__mem mem;
    struct gn__ref refs;
    SSL_CTX *ctx;
    BIO_METHOD *bio;
};

struct gn__tls {
    struct gn__tls_trust *trust; /* a reference */
    struct gn__charge charge;
    SSL *ssl;
    int fd;
    bool blocked; /* the kernel had nothing, or no room, at the last call */
    int error;    /* ... or said this, negative */
    bool ended;   /* ... or that the peer is gone */
    char reason[160];
};

/* ---- the BIO ---- */

static struct gn__tls *tls_of(BIO *bio)
{
    return BIO_get_data(bio);
}

static void alert_note(struct gn__tls *tls, int error)
{
    tls->blocked = error == EAGAIN;
    tls->error = error == EAGAIN || error == EINTR ? 0 : -error;
}

static int bio_write(BIO *bio, const char *bytes, int len)
{
    struct gn__tls *tls = tls_of(bio);
    ssize_t n = send(tls->fd, bytes, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);

    BIO_clear_retry_flags(bio);
    if (n >= 0)
        return (int)n;
    alert_note(tls, errno);
    if (!tls->error)
        BIO_set_retry_write(bio);
    return -1;
}

static int bio_read(BIO *bio, char *bytes, int len)
{
    struct gn__tls *tls = tls_of(bio);
    ssize_t n = recv(tls->fd, bytes, (size_t)len, MSG_DONTWAIT);

    BIO_clear_retry_flags(bio);
    tls->ended = n == 0;
    if (n >= 0)
        return (int)n;
    alert_note(tls, errno);
    if (!tls->error)
        BIO_set_retry_read(bio);
    return -1;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    struct gn__tls *tls = tls_of(bio);

    (void)number;
    (void)pointer;
    if (command == BIO_CTRL_EOF)
        return tls && tls->ended;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *bio_method(void)
{
    BIO_METHOD *method =
        BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "guestnet");

    if (method && BIO_meth_set_write(method, bio_write) &&
        BIO_meth_set_read(method, bio_read) &&
        BIO_meth_set_ctrl(method, bio_ctrl))
        return method;
    BIO_meth_free(method);
    return NULL;
}

/* ---- trust ---- */

static void trust_free(struct gn__tls_trust *trust)
{
    struct gn__mem mem = trust->mem;

    SSL_CTX_free(trust->ctx);
    BIO_meth_free(trust->bio);
    gn__free(&mem, trust, sizeof(*trust));
}

void gn__tls_trust_unref(struct gn__tls_trust *trust)
{
    if (trust && gn__ref_give(&trust->refs))
        trust_free(trust);
}

static bool tls_configure(SSL_CTX *ctx)
{
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
    return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
}

static int tls_load(SSL_CTX *ctx, const char *ca_file, char *why,
                    size_t why_len)
{
    const char *reason;

    ERR_clear_error();
    if (!ca_file)
        return SSL_CTX_set_default_verify_paths(ctx) ? 0 : -ENOMEM;
    if (SSL_CTX_load_verify_file(ctx, ca_file))
        return 0;
    reason = ERR_reason_error_string(ERR_peek_error());
    ERR_clear_error();
    (void)gn__text_refuse(why, why_len,
                          "tls_ca_file \"%s\": no certificates in PEM form can "
                          "be read: %s",
                          gn__text_quote(ca_file, strlen(ca_file)).text,
                          reason ? reason : "it is none");
    return -EINVAL;
}

int gn__tls_trust_create(const struct gn__mem *mem, const char *ca_file,
                         char *why, size_t why_len, struct gn__tls_trust **out)
{
    struct gn__tls_trust *trust = gn__zalloc(mem, sizeof(*trust));
    int err = -ENOMEM;

    if (!trust)
        return -ENOMEM;
    trust->mem = *mem;
    gn__ref_init(&trust->refs, 1);
    trust->bio = bio_method();
    trust->ctx = SSL_CTX_new(TLS_client_method());
    if (trust->bio && trust->ctx && tls_configure(trust->ctx))
        err = tls_load(trust->ctx, ca_file, why, why_len);
    if (err)
        trust_free(trust);
    else
        *out = trust;
    return err;
}

/* ---- one connection ---- */

void gn__tls_free(struct gn__tls *tls)
{
    struct gn__tls_trust *trust;

    if (!tls)
        return;
    trust = tls->trust;
    SSL_free(tls->ssl);
    gn__charge_give(&tls->charge);
    gn__free(&trust->mem, tls, sizeof(*tls));
    gn__tls_trust_unref(trust);
}

/* The name that the certificate must be for. */
static bool set_name(SSL *ssl, const char *name)
{
    char sent[256]; /* RFC 1035's 253 fit; OpenSSL's macro wants no const. */
    struct gn__addr addr;
    int n;

    if (!gn__addr_parse(name, &addr))
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name);
    n = snprintf(sent, sizeof(sent), "%s", name);
    if (n < 0 || (size_t)n >= sizeof(sent))
        return false;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, sent) && SSL_set_tlsext_host_name(ssl, sent);
}

static bool set_bio(struct gn__tls *tls)
{
    BIO *bio = BIO_new(tls->trust->bio);

    if (!bio)
        return false;
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    return true;
}

static int tls_begin(struct gn__tls *tls, struct gn__guest *guest,
                     const char *name)
{
    int err = gn__charge_take(guest, GN__TLS_COST, &tls->charge);

    if (err)
        return err;
    tls->ssl = SSL_new(tls->trust->ctx);
    if (!tls->ssl || !set_bio(tls) || !set_name(tls->ssl, name))
        return -ENOMEM;
    SSL_set_connect_state(tls->ssl);
    return 0;
}

int gn__tls_create(struct gn__tls_trust *trust, struct gn__guest *guest, int fd,
                   const char *name, struct gn__tls **out)
{
    struct gn__tls *tls;
    int err;

    if (!name[0])
        return -EINVAL;
    tls = gn__zalloc(&trust->mem, sizeof(*tls));
    if (!tls)
        return -ENOMEM;
    tls->trust = trust;
    gn__ref_take(&trust->refs);
    tls->fd = fd;
    err = tls_begin(tls, guest, name);
    if (err)
        gn__tls_free(tls);
    else
        *out = tls;
    return err;
}

/* ---- what has happened ---- */

static void call_begin(struct gn__tls *tls)
{
    ERR_clear_error();
    tls->blocked = false;
    tls->error = 0;
    tls->ended = false;
}

static void tls_say(struct gn__tls *tls)
{
    long verified = SSL_get_verify_result(tls->ssl);
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    if (verified != X509_V_OK)
        reason = X509_verify_cert_error_string(verified);
    else if (tls->error)
        reason = strerror(-tls->error);
    else if (tls->ended)
        reason = "the server closed the connection";
    (void)snprintf(tls->reason, sizeof(tls->reason), "%s",
                   reason ? reason : "unknown");
    ERR_clear_error();
}

/* The error of a call that was not done: -EAGAIN, -EINTR (there was a record,
 * with nothing in it), or what ended it. */
static int call_error(struct gn__tls *tls, int result)
{
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return tls->blocked ? -EAGAIN : -EINTR;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        tls_say(tls);
        return tls->error ? tls->error : -ECONNRESET;
    }
}

int gn__tls_step(struct gn__tls *tls, short *events)
{
    int result, err;

    call_begin(tls);
    result = SSL_do_handshake(tls->ssl);
    if (result == 1)
        return 0;
    *events = SSL_want_write(tls->ssl) ? POLLOUT : POLLIN;
    err = call_error(tls, result);
    if (!err)
        (void)snprintf(tls->reason, sizeof(tls->reason), "%s",
                       "the server ended TLS in the handshake");
    return err == -EAGAIN || err == -EINTR ? -EAGAIN : -EPROTO;
}

const char *gn__tls_reason(const struct gn__tls *tls)
{
    return tls->reason;
}

/* ---- the transport ---- */

static ssize_t read_into(struct gn__tls *tls, void *room, size_t size)
{
    size_t n;
    int result;

    call_begin(tls);
    result = SSL_read_ex(tls->ssl, room, size, &n);
    return result ? (ssize_t)n : call_error(tls, result);
}

/* Bytes that came before an end or an error are told first. */
static ssize_t tls_read(void *self, int fd, const struct iovec *iov, unsigned n)
{
    size_t at = 0, total = 0;
    unsigned i = 0;

    (void)fd;
    while (i < n) {
        ssize_t got =
            read_into(self, (char *)iov[i].iov_base + at, iov[i].iov_len - at);

        if (got <= 0)
            return total ? (ssize_t)total : got;
        total += (size_t)got;
        at += (size_t)got;
        if (at == iov[i].iov_len) {
            at = 0;
            i++;
        }
    }
    return (ssize_t)total;
}

static ssize_t write_from(struct gn__tls *tls, const void *bytes, size_t len)
{
    size_t n;
    int result;

    call_begin(tls);
    result =
        SSL_write_ex(tls->ssl, bytes, len < RECORD_MAX ? len : RECORD_MAX, &n);
    if (result)
        return (ssize_t)n;
    result = call_error(tls, result);
    return result ? result : -ECONNRESET;
}

static ssize_t tls_write(void *self, int fd, const struct iovec *iov,
                         unsigned n)
{
    size_t at = 0, total = 0;
    unsigned i = 0;

    (void)fd;
    while (i < n) {
        ssize_t put = write_from(self, (const char *)iov[i].iov_base + at,
                                 iov[i].iov_len - at);

        if (put <= 0)
            return total ? (ssize_t)total : put;
        total += (size_t)put;
        at += (size_t)put;
        if (at == iov[i].iov_len) {
            at = 0;
            i++;
        }
    }
    return (ssize_t)total;
}

/* close_notify; the peer's may come later, or never. */
static int tls_shutdown(void *self, int fd)
{
    struct gn__tls *tls = self;
    int result, err;

    (void)fd;
    call_begin(tls);
    result = SSL_shutdown(tls->ssl);
    if (result >= 0)
        return 0;
    err = call_error(tls, result);
    return err == -EINTR ? -EAGAIN : err;
}

static void tls_done(void *self)
{
    gn__tls_free(self);
}

const struct gn__transport_ops gn__tls_transport = {
    .name = "tls",
    .mixes = true,
    .read = tls_read,
    .write = tls_write,
    .shutdown = tls_shutdown,
    .done = tls_done,
};
