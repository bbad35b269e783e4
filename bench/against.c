/* SPDX-License-Identifier: BSD-3-Clause */
#include "against.h"

#include <cjson/cJSON.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The child: its table goes nowhere, its figures to @json. */
static void become(const char *program, const struct bench_row *row,
                   const struct bench_run *run, const char *json)
{
    char time_ms[24];
    int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);

    snprintf(time_ms, sizeof(time_ms), "%llu",
             (unsigned long long)(run->time_ns / 1000000u));
    dup2(nothing, STDOUT_FILENO);
    dup2(nothing, STDERR_FILENO);
    execlp(program, program, "--ours", "--runs", "1", "--time", time_ms,
           "--json", json, run->quick ? "--quick" : row->name,
           run->quick ? row->name : (char *)NULL, (char *)NULL);
    _exit(127);
}

static int run_program(const char *program, const struct bench_row *row,
                       const struct bench_run *run, const char *json)
{
    int status;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0)
        become(program, row, run, json);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return -errno;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return -ENOENT;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ENOTSUP;
}

/* "ours" of the only object. */
static int read_figure(int fd, double *out)
{
    char text[4096];
    ssize_t n = read(fd, text, sizeof(text) - 1);
    cJSON *array = n > 0 ? cJSON_ParseWithLength(text, (size_t)n) : NULL;
    const cJSON *ours =
        cJSON_GetObjectItem(cJSON_GetArrayItem(array, 0), "ours");
    int err = cJSON_IsNumber(ours) ? 0 : -ENOTSUP;

    if (!err)
        *out = ours->valuedouble;
    cJSON_Delete(array);
    return err;
}

int against_measure(const char *program, const struct bench_row *row,
                    const struct bench_run *run, double *out)
{
    char json[] = "/tmp/guestnet-bench-XXXXXX";
    int fd = mkostemp(json, O_CLOEXEC);
    int err;

    if (fd < 0)
        return -errno;
    err = run_program(program, row, run, json);
    close(fd);
    fd = err ? -1 : open(json, O_RDONLY | O_CLOEXEC);
    if (!err)
        err = fd < 0 ? -errno : read_figure(fd, out);
    if (fd >= 0)
        close(fd);
    unlink(json);
    return err;
}
