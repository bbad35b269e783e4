/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * client HOST PORT TEXT: sends the text and prints the answer.
 */
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list, *ai;
    char text[256];
    int sock = -1, err;
    ssize_t n;

    if (argc != 4)
        return 2;
    err = getaddrinfo(argv[1], argv[2], &hints, &list);
    if (err) {
        fprintf(stderr, "client: %s: %s\n", argv[1], gai_strerror(err));
        return 1;
    }
    for (ai = list; ai; ai = ai->ai_next) {
        sock = socket(ai->ai_family, ai->ai_socktype, 0);
        if (connect(sock, ai->ai_addr, ai->ai_addrlen) == 0)
            break;
        close(sock);
    }
    if (!ai || send(sock, argv[3], strlen(argv[3]), 0) < 0) {
        perror("client");
        return 1;
    }
    n = recv(sock, text, sizeof(text), 0);
    printf("%s says %.*s\n", argv[1], (int)(n > 0 ? n : 0), text);
    return n <= 0;
}
