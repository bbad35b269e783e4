/* SPDX-License-Identifier: BSD-3-Clause */

/* Plans as text that is read; each error says its line, column and remedy. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "sim/plan.h"

/** What is being read. */
struct reader {
    const char *text;
    size_t len;
    size_t at;   /* the next byte */
    size_t line; /* where the line begins */
    unsigned number;
    /* The word that was read last; of no bytes at the end of the line. */
    const char *word;
    size_t word_len;
    unsigned column;
    char *why;
    size_t why_len;
};

__attribute__((format(printf, 3, 4))) static int refuse_at(struct reader *r,
                                                           unsigned column,
                                                           const char *format,
                                                           ...)
{
    char text[400];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return gn__text_refuse(r->why, r->why_len, "line %u, column %u: %s",
                           r->number, column, text);
}

/* ---- words ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static bool is_mark(char c)
{
    return c == '|' || c == '>';
}

static bool is_end(const struct reader *r)
{
    return r->at >= r->len || r->text[r->at] == '\n' || r->text[r->at] == '#';
}

static void next_word(struct reader *r)
{
    while (!is_end(r) && is_blank(r->text[r->at]))
        r->at++;
    r->word = r->text + r->at;
    r->column = (unsigned)(r->at - r->line) + 1;
    if (!is_end(r) && is_mark(r->text[r->at])) {
        r->at++;
    } else {
        while (!is_end(r) && !is_blank(r->text[r->at]) &&
               !is_mark(r->text[r->at]))
            r->at++;
    }
    r->word_len = (size_t)(r->text + r->at - r->word);
}

static bool word_is(const struct reader *r, const char *text)
{
    return r->word_len == strlen(text) && !memcmp(r->word, text, r->word_len);
}

static struct gn__quoted plan_quoted(const struct reader *r)
{
    return gn__text_quote(r->word, r->word_len);
}

static int refuse_word(struct reader *r, const char *wanted)
{
    if (!r->word_len)
        return refuse_at(r, r->column, "the line ends; here goes %s", wanted);
    return refuse_at(r, r->column, "\"%s\": here goes %s", plan_quoted(r).text,
                     wanted);
}

/* ---- values ---- */

static int read_value(struct reader *r, enum gn__unit unit, int64_t least,
                      int64_t max, int64_t *out)
{
    const char *hint;

    if (!gn__value_parse(unit, r->word, r->word_len, out, &hint))
        return refuse_word(r, hint);
    if (*out < least || *out > max) {
        char low[32], high[32];

        gn__value_format(unit, least, low, sizeof(low));
        gn__value_format(unit, max, high, sizeof(high));
        return refuse_at(r, r->column, "\"%s\": not between %s and %s",
                         plan_quoted(r).text, low, high);
    }
    next_word(r);
    return 0;
}

static int read_time(struct reader *r, int64_t least, uint64_t *out)
{
    int64_t value;
    int err =
        read_value(r, GN__UNIT_TIME, least, (int64_t)GN__PLAN_TIME_MAX, &value);

    if (!err)
        *out = (uint64_t)value;
    return err;
}

/* It becomes a string, and is printed as it is. */
static bool is_printable(const struct reader *r)
{
    size_t i;

    for (i = 0; i < r->word_len; i++)
        if (r->word[i] <= ' ' || r->word[i] > '~')
            return false;
    return r->word_len > 0;
}

static int read_pattern(struct reader *r, struct gn__fault *fault)
{
    if (!is_printable(r) ||
        !gn__text_cut(r->word, r->word_len, fault->word, sizeof(fault->word)))
        return refuse_word(r, "a name, or a pattern as *.test");
    next_word(r);
    return 0;
}

/* Zero would be the default where a limit or a chance is set, and no fault. */
static int64_t least_of(enum gn__verb verb, unsigned i)
{
    const struct gn__option *option = &gn__verbs[verb].options[i];

    if (option->unit == GN__UNIT_SHIFT || option->unit == GN__UNIT_DRIFT)
        return -option->max;
    return (verb == GN__VERB_LIMIT && i != GN__LIMIT_DISK) ||
           (verb == GN__VERB_DNS && i == GN__DNS_CHANCE);
}

static int read_option(struct reader *r, struct gn__fault *fault, unsigned i)
{
    const struct gn__option *option = &gn__verbs[fault->verb].options[i];

    if (fault->set >> i & 1)
        return refuse_at(r, r->column, "\"%s\" is there twice", option->word);
    fault->set |= 1u << i;
    next_word(r);
    if (option->unit == GN__UNIT_FLAG) {
        fault->values[i] = 1;
        return 0;
    }
    if (option->unit == GN__UNIT_WORD)
        return read_pattern(r, fault);
    return read_value(r, option->unit, least_of(fault->verb, i), option->max,
                      &fault->values[i]);
}

/* "latency, jitter, ...", of a verb's options. */
static const char *list_options(enum gn__verb verb, char *buf, size_t cap)
{
    const struct gn__option *option = gn__verbs[verb].options;
    size_t len = 0;
    int n;

    buf[0] = '\0';
    for (; option->word && len < cap; option++) {
        n = snprintf(buf + len, cap - len, "%s%s", len ? ", " : "",
                     option->word);
        len += n > 0 ? (size_t)n : 0;
    }
    return buf;
}

static int read_options(struct reader *r, struct gn__fault *fault)
{
    const struct gn__option *option = gn__verbs[fault->verb].options;
    char list[160];
    unsigned i;
    int err;

    while (r->word_len && !word_is(r, "for")) {
        for (i = 0; option[i].word && !word_is(r, option[i].word); i++)
            continue;
        if (!option[0].word)
            return refuse_word(r, gn__verbs[fault->verb].may_last
                                      ? "\"for\" and a time, or nothing"
                                      : "nothing more");
        if (!option[i].word)
            return refuse_word(r,
                               list_options(fault->verb, list, sizeof(list)));
        err = read_option(r, fault, i);
        if (err)
            return err;
    }
    if (option[0].word && !fault->set)
        return refuse_word(r, list_options(fault->verb, list, sizeof(list)));
    return 0;
}

/* ---- machines ---- */

static bool is_name(const struct reader *r)
{
    size_t i;

    for (i = 0; i < r->word_len; i++) {
        char c = r->word[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
            !(c >= '0' && c <= '9') && c != '-')
            return false;
    }
    return r->word_len > 0 && r->word_len < 64;
}

static int read_name(struct reader *r, struct gn__fault *fault, uint8_t side)
{
    const struct gn__verb_form *form = &gn__verbs[fault->verb];
    struct gn__plan_name *name = &fault->names[fault->n_names];
    bool is_all = word_is(r, "*");

    if (is_all && !form->may_be_all)
        return refuse_at(r, r->column, "\"*\": %s of a path has to be named",
                         "each machine");
    if (!is_all && !is_name(r))
        return refuse_word(r, form->names);
    if (fault->n_names >= GN__PLAN_NAMES_MAX)
        return refuse_at(r, r->column, "more than %u machines",
                         GN__PLAN_NAMES_MAX);
    memcpy(name->name, r->word, r->word_len);
    name->name[r->word_len] = '\0';
    if ((form->n_names != 1 || form->may_be_many) &&
        gn__fault_side(fault, name->name) &&
        (is_all || gn__fault_side(fault, "*") == 0))
        return refuse_at(r, r->column, "\"%s\" is there twice", name->name);
    name->column = r->column;
    name->side = side;
    fault->n_names++;
    next_word(r);
    return 0;
}

/* The sides of a partition, up to "for". */
static int read_sides(struct reader *r, struct gn__fault *fault)
{
    uint32_t before = 0;
    int err;

    fault->n_sides = 1;
    while (r->word_len && !word_is(r, "for")) {
        if (!is_mark(r->word[0])) {
            err = read_name(r, fault, fault->n_sides);
            if (err)
                return err;
            continue;
        }
        if (fault->n_names == before)
            return refuse_word(r, "a machine of this side");
        if (r->word[0] == '>' ? fault->n_sides > 1 : fault->one_way)
            return refuse_at(r, r->column,
                             "\">\" parts two sides, and no more");
        if (fault->n_sides == UINT8_MAX)
            return refuse_at(r, r->column, "more than 255 sides");
        fault->one_way = r->word[0] == '>';
        fault->n_sides++;
        before = fault->n_names;
        next_word(r);
    }
    if (fault->n_sides < 2 || fault->n_names == before)
        return refuse_word(r, gn__verbs[fault->verb].names);
    return 0;
}

static int read_names(struct reader *r, struct gn__fault *fault)
{
    unsigned i;
    int err = 0;

    if (fault->verb == GN__VERB_PARTITION)
        return read_sides(r, fault);
    for (i = 0; i < gn__verbs[fault->verb].n_names && !err; i++)
        err = read_name(r, fault, (uint8_t)(i + 1));
    while (!err && gn__verbs[fault->verb].may_be_many && r->word_len &&
           !word_is(r, "for"))
        err = read_name(r, fault, 1);
    return err;
}

/* ---- lines ---- */

static int read_verb(struct reader *r, struct gn__fault *fault)
{
    unsigned i;

    for (i = 0; i < GN__N_VERBS; i++) {
        if (word_is(r, gn__verbs[i].word)) {
            fault->verb = (enum gn__verb)i;
            next_word(r);
            return 0;
        }
    }
    return refuse_word(r, "crash, start, pause, stop, partition, clock, link, "
                          "path, dns or limit");
}

static int read_end(struct reader *r, struct gn__fault *fault)
{
    int err = 0;

    if (word_is(r, "for")) {
        if (!gn__verbs[fault->verb].may_last)
            return refuse_at(r, r->column, "\"%s\" has no \"for\"",
                             gn__verbs[fault->verb].word);
        next_word(r);
        err = read_time(r, 1, &fault->for_ns);
    }
    if (!err && r->word_len)
        err = refuse_word(r, "nothing more");
    return err;
}

static int read_fault(struct reader *r, struct gn__fault *fault)
{
    int err;

    if (!word_is(r, "at"))
        return refuse_word(r, "\"at\" and a time");
    next_word(r);
    err = read_time(r, 0, &fault->at_ns);
    if (!err)
        err = read_verb(r, fault);
    if (!err)
        err = read_names(r, fault);
    if (!err)
        err = read_options(r, fault);
    return err ? err : read_end(r, fault);
}

static int read_line(struct reader *r, struct gn__plan_name *names,
                     struct gn_plan *plan)
{
    struct gn__fault fault = {.names = names, .line = r->number};
    int err;

    next_word(r);
    if (!r->word_len)
        return 0;
    err = read_fault(r, &fault);
    if (!err)
        err = gn__plan_add(plan, &fault);
    if (err == -ENOSPC)
        err = refuse_at(r, 1, "more than %u faults", GN_PLAN_FAULTS_MAX);
    return err;
}

static int read_lines(struct reader *r, struct gn__plan_name *names,
                      struct gn_plan *plan)
{
    int err = 0;

    for (r->number = 1; r->at < r->len && !err; r->number++) {
        r->line = r->at;
        err = read_line(r, names, plan);
        while (r->at < r->len && r->text[r->at] != '\n')
            r->at++;
        r->at++;
    }
    return err;
}

int gn_plan_parse(const char *text, size_t len, char *why, size_t why_len,
                  struct gn_plan **out)
{
    const size_t room = GN__PLAN_NAMES_MAX * sizeof(struct gn__plan_name);
    struct reader r = {
        .text = text, .len = len, .why = why, .why_len = why_len};
    struct gn__plan_name *names;
    struct gn_plan *plan;
    struct gn__mem mem;
    int err;

    if ((!text && len) || !out)
        return gn__text_refuse(why, why_len, "%s is NULL",
                               out ? "text" : "out");
    if (len > GN_PLAN_TEXT_MAX)
        return gn__text_refuse(why, why_len,
                               "a plan of %zu bytes: at most %u may be", len,
                               GN_PLAN_TEXT_MAX);
    gn__mem_init(&mem, NULL);
    names = gn__alloc(&mem, room);
    plan = gn__plan_create(&mem);
    err = names && plan ? read_lines(&r, names, plan) : -ENOMEM;
    gn__free(&mem, names, room);
    if (err)
        gn_plan_close(plan);
    else
        *out = plan;
    return err;
}
