/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

/*
 * What the parsers of prefixes, addresses, rules and names share: to take text
 * apart, and to say in one line what is wrong with it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <guestnet/export.h>

/* A caller's text as it may stand in a message: one line, not endless. */
struct gn__quoted {
    char text[68];
};

/** The first bytes of text; what is not printable ASCII becomes '?'. */
struct gn__quoted gn__text_quote(const char *text, size_t len);

/**
 * Write a line for the caller, cut at why_len bytes; what is not printable
 * ASCII becomes '?'.
 *
 * @why  May be NULL.
 *
 * Returns -EINVAL, so that it can stand in a return statement.
 */
__attribute__((format(printf, 3, 4))) int gn__text_refuse(char *why,
                                                          size_t why_len,
                                                          const char *format,
                                                          ...);

/**
 * Read a whole text as a plain decimal number, at most max: no sign, no space,
 * no leading zero.
 */
GN_WARN_UNUSED bool gn__text_number(const char *text, uint32_t max,
                                    uint32_t *out);

/** Copy len bytes of text to buf with a NUL; false when they do not fit. */
GN_WARN_UNUSED bool gn__text_cut(const char *text, size_t len, char *buf,
                                 size_t cap);

#endif /* BASE_TEXT_H */
