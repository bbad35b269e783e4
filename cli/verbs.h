/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

#include "cli/options.h"

/* Each returns the exit status, or ends the process with it. */
int verb_run(const struct options *options);
int verb_attach(const struct options *options);
int verb_vm(const struct options *options);
int verb_dial(const struct options *options);
int verb_ps(const struct options *options);

#endif /* CLI_VERBS_H */
