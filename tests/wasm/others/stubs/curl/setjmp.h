/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STUBS_SETJMP_H
#define STUBS_SETJMP_H

/* WebAssembly has no setjmp() without exceptions; what includes it here never
 * jumps. */
typedef int jmp_buf[1];
typedef int sigjmp_buf[1];
#define setjmp(buf)         ((void)(buf), 0)
#define sigsetjmp(buf, all) ((void)(buf), (void)(all), 0)
#define longjmp(buf, value) __builtin_trap()
#define siglongjmp          longjmp

#endif /* STUBS_SETJMP_H */
