/* SPDX-License-Identifier: BSD-3-Clause */

/* Stands for an lwIP of the program's own, beside the library's. */
int own_calls;

void *tcp_new(void);
void tcp_input(void);
void *mem_malloc(unsigned long size);

void *tcp_new(void)
{
    own_calls++;
    return 0;
}

void tcp_input(void)
{
    own_calls++;
}

void *mem_malloc(unsigned long size)
{
    (void)size;
    own_calls++;
    return 0;
}
