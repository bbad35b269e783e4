/* SPDX-License-Identifier: BSD-3-Clause */
/* gai NAME...: what getaddrinfo() says of each. */
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

int main(int argc, char **argv)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *first, *it;
    char text[64];

    for (int i = 1; i < argc; i++) {
        int err = getaddrinfo(argv[i], NULL, &hints, &first);

        printf("%s:", argv[i]);
        if (err)
            printf(" %s", gai_strerror(err));
        for (it = err ? NULL : first; it; it = it->ai_next) {
            getnameinfo(it->ai_addr, it->ai_addrlen, text, sizeof(text), NULL,
                        0, NI_NUMERICHOST);
            printf(" %s", text);
        }
        puts("");
        if (!err)
            freeaddrinfo(first);
    }
    return 0;
}
