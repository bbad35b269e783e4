/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Stands in for libFuzzer where a compiler has none: runs a fuzz target over
 * the files given, and over those of the folders given, in order of name. A
 * folder without any is a failure.
 *
 * With -runs=N it then makes N inputs of its own, from the seed that it
 * prints: each is a file of those, or nothing, after a few changes. There is
 * no coverage to guide it, so it is for targets whose inputs are steps.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/seed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Larger inputs are cut: libFuzzer makes none. */
enum { INPUT_MAX = 1 << 20, MADE_MAX = 4096, CHANGES_MAX = 16 };

struct input {
    uint8_t *data;
    size_t len;
};

static struct input running;
static struct input *inputs;
static size_t n_inputs;

/* An exact allocation, so that a sanitizer sees the end of the input. */
static void run(const uint8_t *data, size_t len)
{
    uint8_t *exact = malloc(len ? len : 1);

    if (!exact)
        abort();
    memcpy(exact, data, len);
    running.data = exact;
    running.len = len;
    LLVMFuzzerTestOneInput(exact, len);
    free(exact);
}

/* What was found: the input goes where libFuzzer would put it. */
static void keep(int signal_number)
{
    static const char path[] = "crash-input";
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    (void)signal_number;
    if (fd >= 0 && write(fd, running.data, running.len) >= 0)
        (void)!write(STDERR_FILENO, "kept in ./crash-input\n", 22);
    (void)signal(SIGABRT, SIG_DFL);
    abort();
}

static int run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(INPUT_MAX);
    struct input *more = realloc(inputs, (n_inputs + 1) * sizeof(*more));

    if (more)
        inputs = more;
    if (!file || !data || !more) {
        perror(path);
        free(data);
        if (file)
            fclose(file);
        return 1;
    }
    inputs[n_inputs].data = data;
    inputs[n_inputs].len = fread(data, 1, INPUT_MAX, file);
    fclose(file);
    run(data, inputs[n_inputs++].len);
    return 0;
}

static int run_path(const char *path)
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

/* ---- inputs of its own ---- */

static uint8_t random_byte(struct gn_test_seed *seed)
{
    return (uint8_t)gn_test_random(seed);
}

static size_t random_place(struct gn_test_seed *seed, size_t len)
{
    return len ? (size_t)gn_test_random_below(seed, len) : 0;
}

/* Put @n bytes in at @at, from @from or at random. */
static size_t insert(struct gn_test_seed *seed, uint8_t *data, size_t len,
                     size_t at, const uint8_t *from, size_t n)
{
    if (n > MADE_MAX - len)
        n = MADE_MAX - len;
    memmove(data + at + n, data + at, len - at);
    for (size_t i = 0; i < n; i++)
        data[at + i] = from ? from[i] : random_byte(seed);
    return len + n;
}

static size_t insert_other(struct gn_test_seed *seed, uint8_t *data, size_t len)
{
    const struct input *other = &inputs[random_place(seed, n_inputs)];
    size_t from = random_place(seed, other->len);

    return insert(seed, data, len, random_place(seed, len), other->data + from,
                  random_place(seed, other->len - from));
}

static size_t change(struct gn_test_seed *seed, uint8_t *data, size_t len)
{
    size_t at = random_place(seed, len);

    switch (gn_test_random_below(seed, 5)) {
    case 0:
        return insert(seed, data, len, at, NULL, random_place(seed, 64));
    case 1:
        if (n_inputs)
            return insert_other(seed, data, len);
        return len;
    case 2:
        return len / 2 + random_place(seed, len / 2 + 1);
    case 3:
        if (len)
            data[at] = random_byte(seed);
        return len;
    default:
        if (len)
            data[at] ^= (uint8_t)(1u << random_place(seed, 8));
        return len;
    }
}

static void make_inputs(unsigned long long n)
{
    struct gn_test_seed seed;
    uint8_t data[MADE_MAX];

    gn_test_seed_init(&seed);
    while (n--) {
        size_t len = 0, n_changes = 1 + random_place(&seed, CHANGES_MAX);

        if (n_inputs && random_byte(&seed) % 2) {
            const struct input *old = &inputs[random_place(&seed, n_inputs)];

            len = old->len < MADE_MAX ? old->len : MADE_MAX;
            memcpy(data, old->data, len);
        } else {
            len =
                insert(&seed, data, 0, 0, NULL, random_place(&seed, MADE_MAX));
        }
        while (n_changes--)
            len = change(&seed, data, len);
        run(data, len);
    }
}

int main(int argc, char **argv)
{
    unsigned long long n_runs = 0;
    int failed = 0;

    (void)signal(SIGABRT, keep);
    for (int i = 1; i < argc; i++) {
        if (!strncmp(argv[i], "-runs=", 6))
            n_runs = strtoull(argv[i] + 6, NULL, 10);
        else
            failed |= run_path(argv[i]);
    }
    make_inputs(n_runs);
    while (n_inputs)
        free(inputs[--n_inputs].data);
    free(inputs);
    return failed;
}
