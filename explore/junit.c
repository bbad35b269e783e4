/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The results for CI, as JUnit's XML: a case for each scenario. Text is what
 * XML 1.0 can have; the rest of it becomes '?'.
 */
#include <errno.h>
#include <string.h>

#include "explore/explore.h"

static void put_char(FILE *file, unsigned char c)
{
    static const char *const names[] = {
        ['<'] = "&lt;", ['>'] = "&gt;", ['&'] = "&amp;", ['"'] = "&quot;"};

    if (c < sizeof(names) / sizeof(*names) && names[c])
        (void)fputs(names[c], file);
    else
        (void)fputc((c < 0x20 && c != '\n' && c != '\t') || c > 0x7e ? '?' : c,
                    file);
}

static void put_text(FILE *file, const char *text)
{
    for (; *text; text++)
        put_char(file, (unsigned char)*text);
}

static void put_case(FILE *file, const char *program,
                     const struct gn__tried *result)
{
    const struct gn__outcome *out = result->outcome;

    (void)fputs("  <testcase classname=\"", file);
    put_text(file, program);
    (void)fputs("\" name=\"", file);
    put_text(file, result->scenario->name);
    (void)fprintf(file, "\" time=\"%.3f\">\n", result->took_s);
    if (out->verdict != GN__PASSED) {
        const char *element = out->verdict == GN__GAVE_UP ? "error" : "failure";

        (void)fprintf(file, "    <%s message=\"seed %llu %s\">", element,
                      (unsigned long long)result->seed, gn__end_name(out));
        put_text(file, out->text);
        (void)fputs("\n", file);
        put_text(file, out->plan);
        (void)fprintf(file, "</%s>\n", element);
    }
    (void)fputs("  </testcase>\n", file);
}

static size_t count_verdict(const struct gn__tried *results, size_t n,
                            bool gave_up)
{
    size_t i, count = 0;

    for (i = 0; i < n; i++) {
        enum gn__verdict verdict = results[i].outcome->verdict;

        count += verdict != GN__PASSED && (verdict == GN__GAVE_UP) == gave_up;
    }
    return count;
}

int gn__junit_write(const char *path, const char *program,
                    const struct gn__tried *results, size_t n)
{
    FILE *file = fopen(path, "we");
    size_t i;
    bool is_bad;

    if (!file)
        return -errno;
    (void)fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                "<testsuite name=\"",
                file);
    put_text(file, program);
    (void)fprintf(file, "\" tests=\"%zu\" failures=\"%zu\" errors=\"%zu\">\n",
                  n, count_verdict(results, n, false),
                  count_verdict(results, n, true));
    for (i = 0; i < n; i++)
        put_case(file, program, &results[i]);
    (void)fputs("</testsuite>\n", file);
    is_bad = ferror(file) != 0;
    return fclose(file) || is_bad ? -EIO : 0;
}
