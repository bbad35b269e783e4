/* SPDX-License-Identifier: BSD-3-Clause */

/* What upstream's Unix port leaves to the program: the same numbers always. */
unsigned int lwip_port_rand(void);

unsigned int lwip_port_rand(void)
{
    static unsigned int last = 1;

    last = last * 1103515245u + 12345u;
    return last >> 8;
}
