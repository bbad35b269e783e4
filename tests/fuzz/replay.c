/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Stands in for libFuzzer where a compiler has none: runs a fuzz target over
 * the files given, and over those of the folders given, in order of name. A
 * folder without any is a failure.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Larger inputs are cut: libFuzzer makes none. */
enum { SIZE_MAX_INPUT = 1 << 20 };

static int run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(SIZE_MAX_INPUT);

    if (!file || !data) {
        perror(path);
        free(data);
        if (file)
            fclose(file);
        return 1;
    }
    size_t size = fread(data, 1, SIZE_MAX_INPUT, file);
    fclose(file);
    /* An exact allocation, so that a sanitizer sees the end of the input. */
    uint8_t *exact = malloc(size ? size : 1);
    if (exact) {
        memcpy(exact, data, size);
        LLVMFuzzerTestOneInput(exact, size);
    }
    free(exact);
    free(data);
    return exact ? 0 : 1;
}

static int run(const char *path)
{
    struct dirent **entries;
    int n = scandir(path, &entries, NULL, alphasort);
    int failed = 0, n_run = 0;

    if (n < 0)
        return run_file(path);
    for (int i = 0; i < n; i++) {
        char child[4096];
        snprintf(child, sizeof(child), "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.')
            failed |= run_file(child);
        n_run += entries[i]->d_name[0] != '.';
        free(entries[i]);
    }
    free(entries);
    printf("%d inputs: %s\n", n_run, path);
    return n_run ? failed : 1;
}

int main(int argc, char **argv)
{
    int failed = 0;

    for (int i = 1; i < argc; i++)
        failed |= run(argv[i]);
    return failed;
}
