/* SPDX-License-Identifier: BSD-3-Clause */

/* Stands for a c-ares of the program's own, beside the library's. */
int own_cares_calls;

int ares_init_options(void **channel, const void *options, int mask);
int ares_set_servers_ports_csv(void *channel, const char *servers);
void ares_destroy(void *channel);

int ares_init_options(void **channel, const void *options, int mask)
{
    (void)channel, (void)options, (void)mask;
    own_cares_calls++;
    return 1;
}

int ares_set_servers_ports_csv(void *channel, const char *servers)
{
    (void)channel, (void)servers;
    own_cares_calls++;
    return 1;
}

void ares_destroy(void *channel)
{
    (void)channel;
    own_cares_calls++;
}
