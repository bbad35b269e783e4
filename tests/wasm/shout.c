/* SPDX-License-Identifier: BSD-3-Clause */

/* From standard input to standard output, in capitals. */
#include <ctype.h>
#include <stdio.h>

int main(void)
{
    int c;

    while ((c = getchar()) != EOF && c != '\n')
        putchar(toupper(c));
    return 0;
}
