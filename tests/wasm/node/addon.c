/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * WebAssembly guests under Node's engine, by Node-API alone: the imports of a
 * guest are functions that call gn_wasi_call(). A guest on a thread of its own,
 * a Worker, waits in the call; guests on the main thread are suspended by a
 * promise, and the network is driven by Node's own loop. run.mjs is the other
 * half.
 *
 * Networks and namespaces are numbers of the process, because each Worker has
 * its own instance of this. Its user is trusted: nothing here checks what
 * run.mjs gives.
 */
#define NAPI_VERSION 8
#include <node_api.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <guestnet/guestnet.h>
#include <guestnet/wasi.h>
#include <netinet/in.h>

#define ARGS_MAX    64
#define PATIENCE_MS 60000

struct guest {
    struct gn_wasi_guest *wasi;
    napi_env env;
    napi_ref memory;
    napi_ref realloc; /* NULL: it exports none. */
    napi_async_context context;
    napi_deferred pending;
    char result; /* The type of the pending call's, 0: none. */
};

static atomic_int n_guests;

struct import {
    struct guest *guest;
    int op;
    char signature[40];
};

/* ---- values ---- */

static void *pointer_of(napi_env env, napi_value value)
{
    uint64_t number = 0;
    bool lossless;

    napi_get_value_bigint_uint64(env, value, &number, &lossless);
    return (void *)(uintptr_t)number; // NOLINT(performance-no-int-to-ptr)
}

static napi_value number_of(napi_env env, const void *pointer)
{
    napi_value value;

    napi_create_bigint_uint64(env, (uint64_t)(uintptr_t)pointer, &value);
    return value;
}

static napi_value integer(napi_env env, int64_t number)
{
    napi_value value;

    napi_create_int64(env, number, &value);
    return value;
}

static char *text_of(napi_env env, napi_value value)
{
    size_t len = 0;
    char *text;

    napi_get_value_string_utf8(env, value, NULL, 0, &len);
    text = calloc(1, len + 1);
    if (text)
        napi_get_value_string_utf8(env, value, text, len + 1, &len);
    return text;
}

static int int_of(napi_env env, napi_value value)
{
    int32_t number = 0;

    napi_get_value_int32(env, value, &number);
    return number;
}

static napi_value failed(napi_env env, const char *what, int err)
{
    char text[200];

    snprintf(text, sizeof(text), "%s: %s", what, gn_strerror(err));
    napi_throw_error(env, "FAILED", text);
    return NULL;
}

static napi_value *args_of(napi_env env, napi_callback_info info, napi_value *v)
{
    size_t n = ARGS_MAX;

    napi_get_cb_info(env, info, &n, v, NULL, NULL);
    return v;
}

/* ---- the guest's memory ---- */

/* Nothing in a Worker that is being terminated: nothing of it can be asked. */
static struct gn_wasi_memory memory_of(void *arg)
{
    struct guest *guest = arg;
    napi_value memory, buffer;
    void *base = NULL;
    size_t size = 0;

    if (!napi_get_reference_value(guest->env, guest->memory, &memory) &&
        !napi_get_named_property(guest->env, memory, "buffer", &buffer))
        napi_get_arraybuffer_info(guest->env, buffer, &base, &size);
    return (struct gn_wasi_memory){base, size};
}

static int realloc_by_guest(void *arg, uint32_t align, uint32_t size,
                            uint32_t *at)
{
    struct guest *guest = arg;
    napi_value function, self, args[4], result;

    if (!guest->realloc)
        return -1;
    napi_get_reference_value(guest->env, guest->realloc, &function);
    napi_get_undefined(guest->env, &self);
    args[0] = args[1] = integer(guest->env, 0);
    args[2] = integer(guest->env, align);
    args[3] = integer(guest->env, size);
    if (napi_call_function(guest->env, self, function, 4, args, &result))
        return -1;
    return napi_get_value_uint32(guest->env, result, at) == napi_ok ? 0 : -1;
}

/* ---- calls ---- */

static napi_value result_of(napi_env env, char type, uint64_t result)
{
    napi_value value;

    if (type == 'I')
        napi_create_bigint_uint64(env, result, &value);
    else if (type)
        napi_create_int32(env, (int32_t)result, &value);
    else
        napi_get_undefined(env, &value);
    return value;
}

/* What ends a guest, as an error whose code is EXIT or TRAP. */
static napi_value end_of(struct guest *guest, int status, uint64_t result)
{
    napi_value code, text, error;
    char number[24];

    snprintf(number, sizeof(number), "%d", (int)(uint32_t)result);
    napi_create_string_utf8(guest->env,
                            status == GN_WASI_EXIT ? "EXIT" : "TRAP",
                            NAPI_AUTO_LENGTH, &code);
    napi_create_string_utf8(
        guest->env, status == GN_WASI_EXIT ? number : gn_wasi_why(guest->wasi),
        NAPI_AUTO_LENGTH, &text);
    napi_create_error(guest->env, code, text, &error);
    return error;
}

/* On the driving thread, which is Node's: what waits for the promise runs when
 * the callback scope is left, and may end the guest. */
static void settle(struct guest *guest, int status, uint64_t result)
{
    napi_env env = guest->env;
    napi_callback_scope scope;
    napi_value self;

    napi_get_global(env, &self);
    napi_open_callback_scope(env, self, guest->context, &scope);
    if (status == GN_WASI_OK)
        napi_resolve_deferred(env, guest->pending,
                              result_of(env, guest->result, result));
    else
        napi_reject_deferred(env, guest->pending,
                             end_of(guest, status, result));
    napi_close_callback_scope(env, scope);
}

static void go_on(struct gn_wasi_guest *wasi, void *arg)
{
    struct guest *guest = arg;
    napi_env env = guest->env;
    napi_handle_scope scope;
    uint64_t result = 0;
    int status;

    napi_open_handle_scope(env, &scope);
    status = gn_wasi_resume(wasi, &result);
    if (status != GN_WASI_PENDING || gn_wasi_wait(wasi, go_on, guest))
        settle(guest, status, result);
    napi_close_handle_scope(env, scope);
}

static napi_value import_call(napi_env env, napi_callback_info info)
{
    uint64_t args[GN_WASI_ARGS_MAX], result = 0;
    napi_value values[GN_WASI_ARGS_MAX], promise;
    size_t n = GN_WASI_ARGS_MAX;
    struct import *import;
    bool lossless;
    char type;
    int status;

    napi_get_cb_info(env, info, &n, values, NULL, (void **)&import);
    for (size_t i = 0; import->signature[i] != '>'; i++)
        if (import->signature[i] == 'I')
            napi_get_value_bigint_uint64(env, values[i], &args[i], &lossless);
        else
            args[i] = (uint32_t)int_of(env, values[i]);
    type = strchr(import->signature, '>')[1];
    status = gn_wasi_call(import->guest->wasi, import->op, args, &result);
    if (status == GN_WASI_OK)
        return result_of(env, type, result);
    if (status == GN_WASI_PENDING) {
        napi_create_promise(env, &import->guest->pending, &promise);
        import->guest->result = type;
        if (gn_wasi_wait(import->guest->wasi, go_on, import->guest) == 0)
            return promise;
    }
    napi_throw(env, end_of(import->guest, status, result));
    return NULL;
}

/* ---- what run.mjs calls ---- */

/* network(loop): it is driven by a thread, or by Node's loop. */
static napi_value network(napi_env env, napi_callback_info info)
{
    static const char *const prefixes[] = {"10.77.0.0/16", "fd77::/64", NULL};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes};
    napi_value v[ARGS_MAX];
    struct gn_network *net;
    bool loop = false;
    int err;

    napi_get_value_bool(env, args_of(env, info, v)[0], &loop);
    if (loop) {
        config.drive = GN_DRIVE_LOOP;
        napi_get_uv_event_loop(env, (struct uv_loop_s **)&config.loop);
    }
    err = gn_network_create(&config, &net);
    return err ? failed(env, "network", err) : number_of(env, net);
}

/* namespace(network, name): the one of this name, or a new one. */
static napi_value namespace_(napi_env env, napi_callback_info info)
{
    struct gn_namespace_config config = {.size = sizeof(config)};
    napi_value v[ARGS_MAX];
    struct gn_network *net = pointer_of(env, args_of(env, info, v)[0]);
    char *name = text_of(env, v[1]);
    struct gn_namespace *ns = *name ? gn_namespace_find(net, name) : NULL;
    int err = 0;

    config.name = *name ? name : NULL;
    if (!ns)
        err = gn_namespace_create(net, &config, &ns);
    free(name);
    return err ? failed(env, "namespace", err) : number_of(env, ns);
}

static napi_value kill_(napi_env env, napi_callback_info info)
{
    napi_value v[ARGS_MAX];

    gn_namespace_kill(pointer_of(env, args_of(env, info, v)[0]));
    return NULL;
}

static napi_value close_(napi_env env, napi_callback_info info)
{
    napi_value v[ARGS_MAX];

    gn_namespace_close(pointer_of(env, args_of(env, info, v)[0]), 0, NULL,
                       NULL);
    return NULL;
}

/* leave(network): it is closed; while it has a publication, Node's loop goes
 * on. */
static napi_value leave(napi_env env, napi_callback_info info)
{
    napi_value v[ARGS_MAX];

    gn_network_close(pointer_of(env, args_of(env, info, v)[0]), NULL, NULL);
    return NULL;
}

/* publish(network, target): the port of this machine's. */
static napi_value publish(napi_env env, napi_callback_info info)
{
    struct gn_publication *publication;
    struct sockaddr_in addr;
    socklen_t len = sizeof(addr);
    napi_value v[ARGS_MAX];
    struct gn_network *net = pointer_of(env, args_of(env, info, v)[0]);
    char *target = text_of(env, v[1]);
    int err = gn_publish(net, "tcp", "127.0.0.1:0", target, NULL, &publication);

    free(target);
    if (err)
        return failed(env, "publish", err);
    gn_publication_addr(publication, (struct sockaddr *)&addr, &len);
    return integer(env, ntohs(addr.sin_port));
}

struct work {
    napi_async_work work;
    napi_deferred deferred;
    struct gn_namespace *ns;
    char *address;
    int err;
};

static void work_do(napi_env env, void *arg)
{
    struct work *work = arg;

    (void)env;
    work->err =
        gn_wait_listening(work->ns, "tcp", work->address, PATIENCE_MS, NULL, 0);
}

static void work_done(napi_env env, napi_status status, void *arg)
{
    struct work *work = arg;

    (void)status;
    napi_resolve_deferred(env, work->deferred, integer(env, work->err));
    napi_delete_async_work(env, work->work);
    free(work->address);
    free(work);
}

/* listening(namespace, address): a promise of 0, or of an errno. */
static napi_value listening(napi_env env, napi_callback_info info)
{
    struct work *work = calloc(1, sizeof(*work));
    napi_value v[ARGS_MAX], name, promise;

    work->ns = pointer_of(env, args_of(env, info, v)[0]);
    work->address = text_of(env, v[1]);
    napi_create_promise(env, &work->deferred, &promise);
    napi_create_string_utf8(env, "listening", NAPI_AUTO_LENGTH, &name);
    napi_create_async_work(env, NULL, name, work_do, work_done, work,
                           &work->work);
    napi_queue_async_work(env, work->work);
    return promise;
}

static void string_set(napi_env env, napi_value object, const char *name,
                       const char *text)
{
    napi_value value;

    napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value);
    napi_set_named_property(env, object, name, value);
}

static napi_value scan_imports(napi_env env, const struct gn_wasi_scan *scan)
{
    napi_value list, one;

    napi_create_array(env, &list);
    for (uint32_t i = 0; i < scan->n_imports; i++) {
        napi_create_object(env, &one);
        string_set(env, one, "module", scan->imports[i].module);
        string_set(env, one, "name", scan->imports[i].name);
        string_set(env, one, "signature", scan->imports[i].signature);
        napi_set_named_property(env, one, "op",
                                integer(env, scan->imports[i].op));
        napi_set_element(env, list, i, one);
    }
    return list;
}

/* scan(bytes): {from, len, start, language, imports}, the core module's place
 * in them. */
static napi_value scan(napi_env env, napi_callback_info info)
{
    napi_value v[ARGS_MAX], out;
    struct gn_wasi_scan found = {0};
    size_t len = 0;
    void *bytes = NULL;
    char why[160];
    int err;

    napi_get_buffer_info(env, args_of(env, info, v)[0], &bytes, &len);
    err = gn_wasi_scan(bytes, len, &found, why, sizeof(why));
    if (!err && found.n_missing)
        snprintf(why, sizeof(why), "not served: %.140s", found.missing);
    if (err || found.n_missing) {
        gn_wasi_scan_done(&found);
        napi_throw_error(env, "FAILED", why);
        return NULL;
    }
    napi_create_object(env, &out);
    napi_set_named_property(env, out, "from",
                            integer(env, found.core - (const uint8_t *)bytes));
    napi_set_named_property(env, out, "len",
                            integer(env, (int64_t)found.core_len));
    string_set(env, out, "start", found.start);
    string_set(env, out, "language", found.language);
    napi_set_named_property(env, out, "imports", scan_imports(env, &found));
    gn_wasi_scan_done(&found);
    return out;
}

/* A Worker that is terminated, or exits, runs nothing more: what it had of
 * guests is ended here, by end() or by Node. */
static void guest_end(void *arg)
{
    struct guest *guest = arg;

    gn_wasi_close(guest->wasi);
    atomic_fetch_sub(&n_guests, 1);
    free(guest);
}

/* guests(): how many there are, of all Workers. */
static napi_value guests(napi_env env, napi_callback_info info)
{
    (void)info;
    return integer(env, atomic_load(&n_guests));
}

/* guest(namespace, args, stdout, pending) */
static napi_value guest_new(napi_env env, napi_callback_info info)
{
    struct guest *guest = calloc(1, sizeof(*guest));
    struct gn_wasi_config config = {.size = sizeof(config),
                                    .memory = memory_of,
                                    .realloc = realloc_by_guest,
                                    .arg = guest};
    const char *args[ARGS_MAX + 1] = {0};
    napi_value v[ARGS_MAX], name, out;
    uint32_t n = 0;
    int err;

    args_of(env, info, v);
    napi_get_array_length(env, v[1], &n);
    for (uint32_t i = 0; i < n && i < ARGS_MAX; i++) {
        napi_value one;

        napi_get_element(env, v[1], i, &one);
        args[i] = text_of(env, one);
    }
    config.args = args;
    config.stdio[1] = int_of(env, v[2]);
    napi_get_value_bool(env, v[3], &config.pending);
    guest->env = env;
    err = gn_wasi_create(pointer_of(env, v[0]), &config, &guest->wasi);
    for (uint32_t i = 0; i < n && i < ARGS_MAX; i++)
        free((void *)(uintptr_t)args[i]);
    if (err) {
        free(guest);
        return failed(env, "guest", err);
    }
    atomic_fetch_add(&n_guests, 1);
    napi_add_env_cleanup_hook(env, guest_end, guest);
    napi_create_string_utf8(env, "guest", NAPI_AUTO_LENGTH, &name);
    napi_async_init(env, NULL, name, &guest->context);
    napi_create_external(env, guest, NULL, NULL, &out);
    return out;
}

static struct guest *guest_of(napi_env env, napi_value value)
{
    void *guest = NULL;

    napi_get_value_external(env, value, &guest);
    return guest;
}

/* preopen(guest, namespace, address, nonblocking) */
static napi_value preopen(napi_env env, napi_callback_info info)
{
    napi_value v[ARGS_MAX];
    struct guest *guest = guest_of(env, args_of(env, info, v)[0]);
    char *address = text_of(env, v[2]), why[160];
    struct gn_sock *sock;
    bool nonblock = false;
    int err = gn_sock_listen_at(pointer_of(env, v[1]), "tcp", address, 0, why,
                                sizeof(why), &sock);

    free(address);
    napi_get_value_bool(env, v[3], &nonblock);
    if (!err)
        err = gn_sock_set_nonblock(sock, nonblock);
    if (!err)
        err = gn_wasi_preopen(guest->wasi, sock);
    return err < 0 ? failed(env, "preopen", err) : NULL;
}

static void import_free(napi_env env, void *data, void *hint)
{
    (void)env, (void)hint;
    free(data);
}

/* import(guest, op, signature): the function. */
static napi_value import_new(napi_env env, napi_callback_info info)
{
    struct import *import = calloc(1, sizeof(*import));
    napi_value v[ARGS_MAX], function;
    size_t len;

    import->guest = guest_of(env, args_of(env, info, v)[0]);
    import->op = int_of(env, v[1]);
    napi_get_value_string_utf8(env, v[2], import->signature,
                               sizeof(import->signature), &len);
    napi_create_function(env, "import", NAPI_AUTO_LENGTH, import_call, import,
                         &function);
    napi_add_finalizer(env, function, import, import_free, NULL, NULL);
    return function;
}

/* attach(guest, memory, cabi_realloc) */
static napi_value attach(napi_env env, napi_callback_info info)
{
    napi_value v[ARGS_MAX];
    struct guest *guest = guest_of(env, args_of(env, info, v)[0]);
    napi_valuetype type;

    napi_create_reference(env, v[1], 1, &guest->memory);
    napi_typeof(env, v[2], &type);
    if (type == napi_function)
        napi_create_reference(env, v[2], 1, &guest->realloc);
    return NULL;
}

/* end(guest): its sockets are closed, and it is gone. */
static napi_value end(napi_env env, napi_callback_info info)
{
    napi_value v[ARGS_MAX];
    struct guest *guest = guest_of(env, args_of(env, info, v)[0]);

    napi_remove_env_cleanup_hook(env, guest_end, guest);
    napi_async_destroy(env, guest->context);
    if (guest->memory)
        napi_delete_reference(env, guest->memory);
    if (guest->realloc)
        napi_delete_reference(env, guest->realloc);
    guest_end(guest);
    return NULL;
}

NAPI_MODULE_INIT()
{
    static const struct {
        const char *name;
        napi_callback function;
    } all[] = {
        {"network", network},
        {"namespace", namespace_},
        {"kill", kill_},
        {"close", close_},
        {"publish", publish},
        {"scan", scan},
        {"listening", listening},
        {"guest", guest_new},
        {"guests", guests},
        {"preopen", preopen},
        {"import", import_new},
        {"attach", attach},
        {"end", end},
        {"leave", leave},
    };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        napi_value function;

        napi_create_function(env, all[i].name, NAPI_AUTO_LENGTH,
                             all[i].function, NULL, &function);
        napi_set_named_property(env, exports, all[i].name, function);
    }
    return exports;
}
