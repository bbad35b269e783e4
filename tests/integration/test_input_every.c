/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Every function of the headers with nothing: NULL wherever a pointer goes,
 * and 0 for the rest. None crashes; each says what its header promises, and
 * writes nothing. That it is every function is looked up in the headers: one
 * that is new and not called here fails the test.
 *
 * Other nonsense: test_input_null.c, test_input_config.c, test_input_socket.c.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <guestnet/guestnet.h>

#define NAMES_MAX 320

static const char *called[NAMES_MAX];
static size_t n_called;

static void note(const char *name)
{
    assert_true(n_called < NAMES_MAX);
    called[n_called++] = name;
}

/* The call is made by the name that is noted. */
#define SAYS(want, function, ...)                      \
    do {                                               \
        note(#function);                               \
        assert_int_equal(function(__VA_ARGS__), want); \
    } while (0)
#define IS_NULL(function, ...)              \
    do {                                    \
        note(#function);                    \
        assert_null(function(__VA_ARGS__)); \
    } while (0)
#define DOES_NOTHING(function, ...) \
    do {                            \
        note(#function);            \
        function(__VA_ARGS__);      \
    } while (0)

/* ---- network.h, namespace.h, link.h, sim.h ---- */

static void networks_of_nothing(void **state)
{
    (void)state;
    SAYS(-EINVAL, gn_network_create, NULL, NULL);
    DOES_NOTHING(gn_network_close, NULL, NULL, NULL);
    SAYS(-EINVAL, gn_network_fd, NULL);
    SAYS(-EINVAL, gn_network_timeout_ms, NULL);
    SAYS(-EINVAL, gn_network_run, NULL, GN_RUN_DEFAULT);
    IS_NULL(gn_network_gateway, NULL);
    IS_NULL(gn_network_clock, NULL);
    SAYS(0, *gn_network_name, NULL);
    SAYS(0, *gn_network_domain, NULL);
    DOES_NOTHING(gn_network_stats, NULL, NULL);
    SAYS(-EINVAL, gn_path_set, NULL, NULL, NULL, NULL);
    SAYS(-EINVAL, gn_path_change, NULL, NULL, NULL, NULL);
    SAYS(-EINVAL, gn_link_set, NULL, NULL, NULL);
    SAYS(-EINVAL, gn_link_change, NULL, NULL, NULL);
    SAYS(-EINVAL, gn_link_get, NULL, NULL, NULL);
    SAYS(-EINVAL, gn_clock_create, NULL, NULL);
    DOES_NOTHING(gn_clock_close, NULL);
    DOES_NOTHING((void)gn_clock_now_ns, NULL);
    SAYS(UINT64_MAX, gn_clock_next_ns, NULL);
    DOES_NOTHING(gn_clock_advance, NULL, 0);
    SAYS(false, gn_clock_step, NULL);
    SAYS(false, gn_clock_run_until, NULL, 0, NULL, NULL);
    SAYS(-EINVAL, gn_clock_run, NULL, 0, NULL);
    DOES_NOTHING(gn_sim_log, NULL);
    note("gn_sim_fail"); /* It ends the process: sim/task. */
    SAYS(-EINVAL, gn_task_start, NULL, NULL, NULL, NULL, NULL);
    SAYS(-EINVAL, gn_task_join, NULL, NULL);
    IS_NULL(gn_task_namespace, );
    SAYS(0, *gn_task_name, );
    SAYS(0, gn_wall_ns, NULL);
    SAYS(false, gn_sim_chance, NULL, 0);
    DOES_NOTHING(gn_sim_reached, NULL);
    SAYS(-EINVAL, gn_mutex_lock, NULL);
    DOES_NOTHING(gn_mutex_unlock, NULL);
    SAYS(-EINVAL, gn_cond_wait, NULL, NULL, 0);
    DOES_NOTHING(gn_cond_signal, NULL);
    DOES_NOTHING(gn_cond_broadcast, NULL);
}

static void machines_of_nothing(void **state)
{
    (void)state;
    SAYS(-EINVAL, gn_machine_create, NULL, NULL, NULL);
    DOES_NOTHING(gn_machine_close, NULL);
    SAYS(0, *gn_machine_name, NULL);
    IS_NULL(gn_machine_namespace, NULL);
    IS_NULL(gn_task_machine, );
    IS_NULL(gn_machine_find, NULL, NULL);
    SAYS(-EINVAL, gn_machine_start, NULL);
    SAYS(-EINVAL, gn_machine_crash, NULL);
    SAYS(-EINVAL, gn_machine_pause, NULL, GN_PAUSE_NONE);
    SAYS(-EINVAL, gn_machine_set_clock, NULL, 0, 0);
    SAYS(-EINVAL, gn_machine_set_group, NULL, 0);
    SAYS(-EINVAL, gn_partition_set, NULL, 0, 0, false);
    IS_NULL(gn_machine_alloc, NULL, 0);
    DOES_NOTHING(gn_machine_free, NULL, NULL);
    SAYS(-EINVAL, gn_disk_read, NULL, NULL, 0, NULL, 0);
    SAYS(-EINVAL, gn_disk_write, NULL, NULL, 0, NULL, 0);
    SAYS(-EINVAL, gn_disk_truncate, NULL, NULL, 0);
    SAYS(-EINVAL, gn_disk_sync, NULL, NULL);
    SAYS(-EINVAL, gn_disk_size, NULL, NULL);
    SAYS(2, gn_sim_main, 0, NULL, NULL, 0);
    SAYS(0, gn_sim_catch_overflow, );
    SAYS(-EINVAL, gn_plan_parse, NULL, 0, NULL, 0, NULL);
    SAYS(-EINVAL, gn_plan_random, NULL, NULL, NULL);
    SAYS(-EINVAL, gn_plan_apply, NULL, NULL, NULL, 0);
    SAYS(-EINVAL, gn_plan_format, NULL, NULL, 0);
    DOES_NOTHING(gn_plan_close, NULL);
}

static void namespaces_of_nothing(void **state)
{
    (void)state;
    SAYS(-EINVAL, gn_namespace_create, NULL, NULL, NULL);
    SAYS(-EINVAL, gn_namespace_system, NULL);
    SAYS(0, *gn_namespace_name, NULL);
    SAYS(-EINVAL, gn_namespace_hostname, NULL, NULL, 0);
    SAYS(-EINVAL, gn_namespace_attach, NULL, NULL, NULL);
    SAYS(-EINVAL, gn_route_add, NULL, NULL, NULL);
    SAYS(-EINVAL, gn_namespace_interfaces, NULL, NULL, 0, NULL);
    SAYS(-EINVAL, gn_namespace_interface_by_name, NULL, NULL, NULL);
    SAYS(-EINVAL, gn_namespace_interface_by_index, NULL, 0, NULL);
    DOES_NOTHING(gn_namespace_detach, NULL);
    DOES_NOTHING(gn_namespace_kill, NULL);
    DOES_NOTHING(gn_namespace_close, NULL, 0, NULL, NULL);
    DOES_NOTHING(gn_namespace_stats, NULL, NULL);
    IS_NULL(gn_namespace_find, NULL, NULL);
    SAYS(-EINVAL, gn_network_each_namespace, NULL, NULL, NULL);
    SAYS(0, gn_now_ns, NULL);
    SAYS(-EFAULT, gn_sleep_ns, NULL, 0);
    SAYS(-EINVAL, gn_timer_start, NULL, 0, 0, NULL, NULL, NULL);
    DOES_NOTHING(gn_timer_cancel, NULL);
    DOES_NOTHING(gn_timer_unref, NULL);
    DOES_NOTHING(gn_random, NULL, NULL, 0);
}

/* ---- socket.h ---- */

static void nics_of_nothing(void **state)
{
    (void)state;
    SAYS(-EINVAL, gn_nic_create, NULL, NULL, NULL, NULL, NULL);
    SAYS(0, gn_nic_input, NULL, NULL, 0);
    SAYS(-EINVAL, gn_nic_fd, NULL, NULL, -1, GN_FRAMING_QEMU, NULL);
    SAYS(-EINVAL, gn_nic_tap, NULL, NULL, NULL, -1, NULL);
    SAYS(-EINVAL, gn_nic_unix, NULL, NULL, NULL, 0, NULL);
    SAYS(-EINVAL, gn_nic_listen, NULL, NULL, NULL, NULL, NULL);
    IS_NULL(gn_nic_listener_nic, NULL, 0);
    DOES_NOTHING(gn_nic_listener_stats, NULL, NULL);
    DOES_NOTHING(gn_nic_listener_close, NULL, NULL, NULL);
    SAYS(-EINVAL, gn_nic_vsock, NULL, NULL, NULL, 0, -1, NULL);
    DOES_NOTHING(gn_nic_writable, NULL);
    DOES_NOTHING(gn_nic_set_carrier, NULL, true);
    IS_NULL(gn_nic_namespace, NULL);
    DOES_NOTHING(gn_nic_stats, NULL, NULL);
    DOES_NOTHING(gn_nic_close, NULL, NULL, NULL);
}

static void sockets_of_nothing(void **state)
{
    (void)state;
    SAYS(-EFAULT, gn_sock_open, NULL, 0, 0, 0, NULL);
    SAYS(-EFAULT, gn_sock_bind, NULL, NULL, 0);
    SAYS(-EFAULT, gn_sock_listen, NULL, 0);
    SAYS(-EFAULT, gn_sock_connect, NULL, NULL, 0);
    SAYS(-EFAULT, gn_sock_accept, NULL, NULL, NULL, 0, NULL);
    SAYS(-EFAULT, gn_sock_send, NULL, NULL, 0, 0);
    SAYS(-EFAULT, gn_sock_sendto, NULL, NULL, 0, 0, NULL, 0);
    SAYS(-EFAULT, gn_sock_sendmsg, NULL, NULL, 0);
    SAYS(-EFAULT, gn_sock_recv, NULL, NULL, 0, 0);
    SAYS(-EFAULT, gn_sock_recvfrom, NULL, NULL, 0, 0, NULL, NULL);
    SAYS(-EFAULT, gn_sock_recvmsg, NULL, NULL, 0);
    SAYS(-EFAULT, gn_sock_shutdown, NULL, 0);
    SAYS(-EFAULT, gn_sock_name, NULL, NULL, NULL);
    SAYS(-EFAULT, gn_sock_peer, NULL, NULL, NULL);
    SAYS(-EFAULT, gn_sock_setopt, NULL, 0, 0, NULL, 0);
    SAYS(-EFAULT, gn_sock_getopt, NULL, 0, 0, NULL, NULL);
    SAYS(-EFAULT, gn_sock_set_nonblock, NULL, false);
    SAYS(-EFAULT, gn_sock_nonblock, NULL);
    SAYS(-EFAULT, gn_sock_available, NULL);
    SAYS(-EFAULT, gn_sock_unsent, NULL);
    SAYS(-EFAULT, gn_sock_watch, NULL, 0, NULL, NULL);
    SAYS(-EINVAL, gn_wait_start, NULL, NULL, 0, 0, NULL, NULL, NULL);
    DOES_NOTHING(gn_wait_cancel, NULL);
    DOES_NOTHING(gn_wait_unref, NULL);
    SAYS(-EINVAL, gn_sock_dial, NULL, NULL, NULL, 0, NULL, 0, NULL);
    SAYS(-EINVAL, gn_sock_listen_at, NULL, NULL, NULL, 0, NULL, 0, NULL);
    SAYS(-EINVAL, gn_wait_listening, NULL, NULL, NULL, 0, NULL, 0);
    SAYS(-EINVAL, gn_listen_fd, NULL, NULL, NULL, NULL, NULL, NULL);
    SAYS(0, gn_sock_poll, NULL, 0, 0);
    SAYS(-EFAULT, gn_sock_fd, NULL, 0, NULL);
    IS_NULL(gn_sock_ref, NULL);
    DOES_NOTHING(gn_sock_unref, NULL);
    DOES_NOTHING(gn_sock_close, NULL);
}

/* ---- host.h, capture.h, publish.h ---- */

static void conns_of_nothing(void **state)
{
    (void)state;
    SAYS(-EINVAL, gn_address_check, NULL, NULL, NULL, 0);
    SAYS(-EINVAL, gn_dial, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
    DOES_NOTHING(gn_dial_cancel, NULL);
    DOES_NOTHING(gn_dial_unref, NULL);
    SAYS(-EINVAL, gn_dial_fd, NULL, NULL, NULL, NULL, NULL);
    SAYS(-EINVAL, gn_listen, NULL, NULL, NULL, NULL, NULL, NULL);
    SAYS(-EINVAL, gn_listener_addr, NULL, NULL, NULL);
    SAYS(-EINVAL, gn_listener_addr_text, NULL, NULL, 0);
    SAYS(-EINVAL, gn_listener_close, NULL, NULL, NULL);
    SAYS(-EINVAL, gn_conn_read_start, NULL, NULL, NULL);
    DOES_NOTHING(gn_conn_read_stop, NULL);
    SAYS(-EINVAL, gn_conn_write, NULL, NULL, 0, NULL, NULL);
    SAYS(-EINVAL, gn_conn_writev, NULL, NULL, 0, NULL, NULL);
    SAYS(-EINVAL, gn_conn_try_write, NULL, NULL, 0);
    SAYS(0, gn_conn_queued, NULL);
    DOES_NOTHING(gn_conn_set_high_water, NULL, 0, NULL, NULL);
    SAYS(-EINVAL, gn_conn_shutdown, NULL, NULL, NULL);
    SAYS(false, gn_conn_is_readable, NULL);
    SAYS(false, gn_conn_is_writable, NULL);
    SAYS(-EINVAL, gn_conn_name, NULL, NULL, NULL);
    SAYS(-EINVAL, gn_conn_peer, NULL, NULL, NULL);
    SAYS(-EINVAL, gn_conn_nodelay, NULL, false);
    SAYS(-EINVAL, gn_conn_keepalive, NULL, false, 0);
    IS_NULL(gn_conn_sock, NULL);
    DOES_NOTHING(gn_conn_set_user, NULL, NULL);
    IS_NULL(gn_conn_user, NULL);
    SAYS(-EINVAL, gn_conn_close, NULL, NULL, NULL);
    SAYS(-EINVAL, gn_conn_reset, NULL, NULL, NULL);
    SAYS(-EINVAL, gn_conn_fd, NULL, GN_FD_SOCKETPAIR, NULL);
    SAYS(-EINVAL, gn_listen_packet, NULL, NULL, NULL, NULL, NULL, NULL);
    SAYS(-EINVAL, gn_packet_send, NULL, NULL, 0, NULL, 0);
    SAYS(-EINVAL, gn_packet_name, NULL, NULL, NULL);
    SAYS(-EINVAL, gn_packet_join, NULL, NULL, 0);
    SAYS(-EINVAL, gn_packet_leave, NULL, NULL, 0);
    IS_NULL(gn_packet_sock, NULL);
    SAYS(-EINVAL, gn_packet_close, NULL, NULL, NULL);
}

static void captures_and_publications_of_nothing(void **state)
{
    (void)state;
    SAYS(-EFAULT, gn_capture_start, NULL, NULL, NULL, NULL);
    SAYS(-EFAULT, gn_capture_start_fd, NULL, NULL, -1, NULL);
    SAYS(-EFAULT, gn_capture_flush, NULL);
    DOES_NOTHING(gn_capture_stats, NULL, NULL);
    SAYS(0, gn_capture_stop, NULL);
    SAYS(-EINVAL, gn_publish, NULL, NULL, NULL, NULL, NULL, NULL);
    DOES_NOTHING(gn_publication_addr, NULL, NULL, NULL);
    SAYS(-EINVAL, gn_publication_addr_text, NULL, NULL, 0);
    DOES_NOTHING(gn_publication_stats, NULL, NULL);
    DOES_NOTHING(gn_unpublish, NULL, NULL, NULL);
    SAYS(-EINVAL, gn_forward, NULL, NULL, NULL, NULL, NULL, NULL);
    SAYS(-EINVAL, gn_forwarding_addr_text, NULL, AF_UNSPEC, NULL, 0);
    DOES_NOTHING(gn_forwarding_stats, NULL, NULL);
    DOES_NOTHING(gn_unforward, NULL, NULL, NULL);
}

/* ---- egress.h ---- */

static void hosts_of_nothing(void **state)
{
    struct gn_egress *egress = NULL;

    (void)state;
    SAYS(-EINVAL, gn_egress_create, NULL, NULL, NULL);
    DOES_NOTHING(gn_egress_close, NULL);
    SAYS(-EINVAL, gn_egress_system, NULL, NULL);
    assert_int_equal(gn_egress_system(NULL, &egress),
                     0); /* Nothing is allowed. */
    gn_egress_close(egress);
    SAYS(-EINVAL, gn_egress_set_rules, NULL, NULL, 0, NULL, 0);
    DOES_NOTHING(gn_egress_dial_done, NULL, 0, -1);
    IS_NULL(gn_egress_dial_namespace, NULL);
    DOES_NOTHING(gn_egress_dial_local, NULL, NULL);
    IS_NULL(gn_egress_dial_name, NULL, 0);
    DOES_NOTHING(gn_egress_dial_set_user, NULL, NULL);
    IS_NULL(gn_egress_dial_user, NULL);
    SAYS(-EINVAL, gn_egress_accepted, NULL, -1, NULL);
    IS_NULL(gn_egress_listener_namespace, NULL);
    DOES_NOTHING(gn_egress_listener_set_user, NULL, NULL);
    IS_NULL(gn_egress_listener_user, NULL);
    SAYS(-EINVAL, gn_egress_packet, NULL, NULL, 0, NULL, NULL);
    IS_NULL(gn_egress_port_namespace, NULL);
    DOES_NOTHING(gn_egress_port_set_user, NULL, NULL);
    IS_NULL(gn_egress_port_user, NULL);
}

/* ---- resolver.h ---- */

static void resolvers_of_nothing(void **state)
{
    (void)state;
    SAYS(-EINVAL, gn_resolver_create, NULL, NULL, NULL);
    DOES_NOTHING(gn_resolver_close, NULL);
    SAYS(-EINVAL, gn_resolver_network, NULL);
    SAYS(-EINVAL, gn_resolver_static, NULL, NULL);
    SAYS(-EINVAL, gn_resolver_static_add, NULL, NULL, NULL, 0);
    SAYS(-EINVAL, gn_resolver_static_remove, NULL, NULL, NULL);
    SAYS(-EINVAL, gn_resolver_chain, NULL, NULL);
    SAYS(-EINVAL, gn_resolver_fault, NULL, NULL);
    SAYS(-EINVAL, gn_resolver_fault_set, NULL, NULL, 0);
    SAYS(-EINVAL, gn_resolver_ares, NULL, NULL);
    SAYS(-EINVAL, gn_resolver_ares_stats, NULL, NULL);
}

static void lookups_of_nothing(void **state)
{
    (void)state;
    SAYS(-EINVAL, gn_lookup, NULL, NULL, NULL, NULL, NULL, NULL);
    SAYS(-EINVAL, gn_lookup_port, NULL, NULL, NULL, NULL, NULL, NULL);
    SAYS(-EINVAL, gn_lookup_addr, NULL, NULL, NULL, NULL, NULL);
    SAYS(-EINVAL, gn_lookup_query, NULL, NULL, 0, NULL, NULL, NULL);
    DOES_NOTHING(gn_lookup_cancel, NULL);
    DOES_NOTHING(gn_lookup_unref, NULL);
    DOES_NOTHING(gn_lookup_done_ip, NULL, 0, NULL, 0, NULL);
    DOES_NOTHING(gn_lookup_done_port, NULL, 0, 0);
    DOES_NOTHING(gn_lookup_done_addr, NULL, 0, NULL, 0);
    DOES_NOTHING(gn_lookup_done_query, NULL, 0, NULL, 0);
    DOES_NOTHING(gn_lookup_set_user, NULL, NULL);
    DOES_NOTHING(gn_lookup_set_searched, NULL, NULL);
    SAYS(false, gn_lookup_is_absolute, NULL);
    IS_NULL(gn_lookup_user, NULL);
    IS_NULL(gn_lookup_namespace, NULL);
    SAYS(-EINVAL, gn_getaddrinfo, NULL, NULL, NULL, NULL, NULL);
    DOES_NOTHING(gn_freeaddrinfo, NULL);
    SAYS(-EINVAL, gn_getnameinfo, NULL, NULL, 0, NULL, 0, NULL, 0, 0);
}

/* ---- ipam.h, addr.h, stats.h, error.h, version.h ---- */

static void wasm_guests_of_nothing(void **state)
{
    (void)state;
    SAYS(-EINVAL, gn_wasi_create, NULL, NULL, NULL);
    DOES_NOTHING(gn_wasi_close, NULL);
    SAYS(-EINVAL, gn_wasi_preopen, NULL, NULL);
    SAYS(-EINVAL, gn_wasi_stdio, NULL, NULL);
    SAYS(-ENOENT, gn_wasi_find, NULL, NULL, NULL);
    SAYS(GN_WASI_TRAP, gn_wasi_call, NULL, 0, NULL, NULL);
    SAYS(-EINVAL, gn_wasi_wait, NULL, NULL, NULL);
    SAYS(GN_WASI_TRAP, gn_wasi_resume, NULL, NULL);
    SAYS(0, *gn_wasi_why, NULL);
    SAYS(-EINVAL, gn_wasi_scan, NULL, 0, NULL, NULL, 0);
    DOES_NOTHING(gn_wasi_scan_done, NULL);
}

static void small_things_of_nothing(void **state)
{
    (void)state;
    SAYS(-EINVAL, gn_pool_create, NULL, NULL, NULL, 0, NULL);
    DOES_NOTHING(gn_pool_close, NULL);
    SAYS(-EINVAL, gn_pool_take, NULL, NULL);
    SAYS(-EINVAL, gn_pool_take_exact, NULL, NULL);
    SAYS(-EINVAL, gn_pool_give, NULL, NULL);
    SAYS(-EINVAL, gn_pool_reserve, NULL, NULL, NULL);
    SAYS(-EINVAL, gn_pool_release, NULL, NULL, NULL);
    SAYS(-EINVAL, gn_pool_gateway, NULL, NULL);
    SAYS(-EINVAL, gn_pool_prefix, NULL, NULL, NULL);
    SAYS(0, gn_pool_taken, NULL);
    SAYS(-EINVAL, gn_addr_parse, NULL, NULL, NULL);
    SAYS(-EINVAL, gn_addr_format, NULL, NULL, 0);
    SAYS(-EINVAL, gn_ip_parse, NULL, NULL);
    SAYS(-EINVAL, gn_ip_format, NULL, NULL, 0);
    DOES_NOTHING(gn_lock_watch, false);
    DOES_NOTHING(gn_lock_stats, NULL);
    SAYS('n', *gn_drop_name, GN_DROP_NONE);
    SAYS('s', *gn_strerror, 0);
    note("gn_version_string");
    assert_true(strlen(gn_version_string()) > 0);
}

/* ---- that it was all of them ---- */

/* "*gn_f" and "(void)gn_f" were calls of gn_f. */
static bool is_called(const char *name, size_t len)
{
    size_t i;

    for (i = 0; i < n_called; i++) {
        const char *text = strstr(called[i], "gn_");

        if (text && strlen(text) == len && memcmp(text, name, len) == 0)
            return true;
    }
    return false;
}

/* The name before the first parenthesis behind GN_API. */
static const char *declared(const char *at, size_t *len)
{
    const char *end = strchr(at, '('), *begin = end;

    assert_non_null(end);
    while (begin > at &&
           (isalnum((unsigned char)begin[-1]) || begin[-1] == '_'))
        begin--;
    *len = (size_t)(end - begin);
    return begin;
}

static char *contents(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = calloc(1, 1u << 20);

    assert_non_null(file);
    assert_non_null(text);
    assert_true(fread(text, 1, (1u << 20) - 1, file) > 0);
    (void)fclose(file);
    return text;
}

static void look_through(const char *path, size_t *n, size_t *missing)
{
    char *text = contents(path);
    const char *at = text;

    while ((at = strstr(at, "\nGN_API "))) {
        size_t len;
        const char *name = declared(at, &len);

        (*n)++;
        if (!is_called(name, len)) {
            print_error("not called: %.*s\n", (int)len, name);
            (*missing)++;
        }
        at++;
    }
    free(text);
}

static void that_was_every_function(void **state)
{
    DIR *dir = opendir(GN_SOURCE_DIR "/include/guestnet");
    size_t n = 0, missing = 0;
    struct dirent *entry;
    char path[4096];

    (void)state;
    assert_non_null(dir);
    while ((entry = readdir(dir))) {
        if (!strstr(entry->d_name, ".h"))
            continue;
        (void)snprintf(path, sizeof(path), "%s/include/guestnet/%s",
                       GN_SOURCE_DIR, entry->d_name);
        look_through(path, &n, &missing);
    }
    (void)closedir(dir);
    print_message("%zu functions\n", n);
    assert_int_equal(missing, 0);
    assert_int_equal(n, n_called);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_of_nothing),
        cmocka_unit_test(machines_of_nothing),
        cmocka_unit_test(namespaces_of_nothing),
        cmocka_unit_test(nics_of_nothing),
        cmocka_unit_test(sockets_of_nothing),
        cmocka_unit_test(conns_of_nothing),
        cmocka_unit_test(captures_and_publications_of_nothing),
        cmocka_unit_test(hosts_of_nothing),
        cmocka_unit_test(resolvers_of_nothing),
        cmocka_unit_test(lookups_of_nothing),
        cmocka_unit_test(wasm_guests_of_nothing),
        cmocka_unit_test(small_things_of_nothing),
        cmocka_unit_test(that_was_every_function),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
