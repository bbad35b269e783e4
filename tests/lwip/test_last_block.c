/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * An address whose last block alone is zero. It ends where readable memory
 * ends, so that reading on is a fault in every build; without
 * netstack/patches/0006 it is one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "lwip/ip6_addr.h"

static void zero_as_last_block_is_printed(void **state)
{
    static const uint8_t bytes[16] = {0, 1, 0, 2, 0, 3, 0, 4,
                                      0, 5, 0, 6, 0, 7, 0, 0};
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *memory = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char text[IP6ADDR_STRLEN_MAX];
    ip6_addr_t *address;

    (void)state;
    assert_ptr_not_equal(memory, MAP_FAILED);
    assert_int_equal(mprotect(memory + page, page, PROT_NONE), 0);
    address = (ip6_addr_t *)(void *)(memory + page - sizeof(*address));
    memcpy(address->addr, bytes, sizeof(bytes));
    assert_non_null(ip6addr_ntoa_r(address, text, sizeof(text)));
    assert_string_equal(text, "1:2:3:4:5:6:7:0");
    munmap(memory, 2 * page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zero_as_last_block_is_printed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
