/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLI_TREE_H
#define CLI_TREE_H

#include <sys/types.h>

/** From now on what loses its parent below this process becomes its child. */
void tree_adopt(void);
/** Kill all children and what they leave, until there are none but @spare (0:
 *  none is spared). */
void tree_kill(pid_t spare);

#endif /* CLI_TREE_H */
