/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * server PORT N: answers N clients with what they sent, in capitals. Ordinary
 * POSIX: nothing here knows of WebAssembly.
 */
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int answer(int client)
{
    char text[256];
    ssize_t n = recv(client, text, sizeof(text), 0);

    for (ssize_t i = 0; i < n; i++)
        text[i] = (char)toupper((unsigned char)text[i]);
    if (n > 0)
        n = send(client, text, (size_t)n, 0);
    close(client);
    return n > 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct sockaddr_in6 addr = {.sin6_family = AF_INET6};
    int listener = socket(AF_INET6, SOCK_STREAM, 0);
    int failed = 0;

    if (argc != 3)
        return 2;
    addr.sin6_port = htons((unsigned short)atoi(argv[1]));
    if (bind(listener, (struct sockaddr *)&addr, sizeof(addr)) ||
        listen(listener, 16)) {
        perror("server");
        return 1;
    }
    for (int n = atoi(argv[2]); n > 0; n--)
        failed |= answer(accept(listener, NULL, NULL));
    return failed;
}
