/* SPDX-License-Identifier: BSD-3-Clause */

/* A stranger's program: what it includes is installed, nothing else is. */
#include <guestnet/version.h>

#include <stdio.h>
#include <string.h>

#ifdef WITH_OWN_LWIP
void *tcp_new(void);
void tcp_input(void);
void *mem_malloc(unsigned long size);
extern int own_calls;
#endif

int main(void)
{
    const char *version = gn_version_string();

    printf("%s\n", version);
    if (!strstr(version, "lwIP 2.") || !strstr(version, "c-ares 1."))
        return 1;
#ifdef WITH_OWN_LWIP
    tcp_new();
    tcp_input();
    mem_malloc(1);
    if (own_calls != 3)
        return 2;
#endif
    return 0;
}
