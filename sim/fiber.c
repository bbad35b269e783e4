/* SPDX-License-Identifier: BSD-3-Clause */

/* Switches that the sanitizers know of; see fiber.h. */
#include "sim/fiber.h"

#include <errno.h>
#include <string.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN
#endif
#if __has_feature(thread_sanitizer)
#define WITH_TSAN
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN
#endif
#if defined(__SANITIZE_THREAD__)
#define WITH_TSAN
#endif

#if defined(WITH_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>

static void fiber_announce(struct gn__fiber *from, const struct gn__fiber *to,
                           bool last)
{
    __sanitizer_start_switch_fiber(last ? NULL : &from->fake_stack,
                                   to->stack.low ? to->stack.low : to->bottom,
                                   to->stack.low ? to->stack.size
                                                 : to->bottom_size);
}

static void fiber_arrive(struct gn__fiber *self, struct gn__fiber *from)
{
    const void *bottom;
    size_t size;

    __sanitizer_finish_switch_fiber(self->fake_stack, &bottom, &size);
    if (from && !from->stack.low) {
        from->bottom = bottom;
        from->bottom_size = size;
    }
}

static void fiber_adopt(struct gn__fiber *fiber)
{
    __lsan_register_root_region(fiber->stack.low, fiber->stack.size);
}

/* What was left in the middle of its calls has poisoned memory around their
 * variables. */
static void fiber_disown(struct gn__fiber *fiber)
{
    __lsan_unregister_root_region(fiber->stack.low, fiber->stack.size);
    __asan_unpoison_memory_region(fiber->stack.low, fiber->stack.size);
}
#elif defined(WITH_TSAN)
#include <sanitizer/tsan_interface.h>

static void fiber_announce(struct gn__fiber *from, const struct gn__fiber *to,
                           bool last)
{
    (void)from, (void)last;
    __tsan_switch_to_fiber(to->tsan, 0);
}

static void fiber_arrive(struct gn__fiber *self, struct gn__fiber *from)
{
    (void)self, (void)from;
}

static void fiber_adopt(struct gn__fiber *fiber)
{
    fiber->tsan = __tsan_create_fiber(0);
}

static void fiber_disown(struct gn__fiber *fiber)
{
    __tsan_destroy_fiber(fiber->tsan);
}
#else
static void fiber_announce(struct gn__fiber *from, const struct gn__fiber *to,
                           bool last)
{
    (void)from, (void)to, (void)last;
}

static void fiber_arrive(struct gn__fiber *self, struct gn__fiber *from)
{
    (void)self, (void)from;
}

static void fiber_adopt(struct gn__fiber *fiber)
{
    (void)fiber;
}

static void fiber_disown(struct gn__fiber *fiber)
{
    (void)fiber;
}
#endif

void gn__fiber_init(struct gn__fiber *fiber)
{
    memset(fiber, 0, sizeof(*fiber));
}

int gn__fiber_create(struct gn__fiber *fiber, struct gn__costacks *stacks,
                     size_t size, void (*entry)(void *arg), void *arg)
{
    int err;

    memset(fiber, 0, sizeof(*fiber));
    err = gn__costack_take(stacks, size, &fiber->stack);
    if (err)
        return err;
    fiber_adopt(fiber);
    gn__context_make(&fiber->context, fiber->stack.low, fiber->stack.size,
                     entry, arg);
    return 0;
}

void gn__fiber_destroy(struct gn__fiber *fiber, struct gn__costacks *stacks)
{
    fiber_disown(fiber);
    gn__costack_give(stacks, &fiber->stack);
}

/* Errno is the thread's, which behind a switch may be another: a compiler must
 * not keep its address from before. */
__attribute__((noinline)) static int *thread_errno(void)
{
    __asm__ volatile("");
    return &errno;
}

void gn__fiber_begin(struct gn__fiber *fiber, struct gn__fiber *from)
{
    fiber_arrive(fiber, from);
    *thread_errno() = 0;
}

/* ThreadSanitizer's name of the thread is asked for when it is first left. */
static void fiber_remember(struct gn__fiber *from)
{
    from->error = *thread_errno();
#if defined(WITH_TSAN)
    if (!from->stack.low)
        from->tsan = __tsan_get_current_fiber();
#endif
}

void gn__fiber_switch(struct gn__fiber *from, struct gn__fiber *to)
{
    fiber_remember(from);
    fiber_announce(from, to, false);
    gn__context_switch(&from->context, &to->context);
    fiber_arrive(from, to);
    *thread_errno() = from->error;
}

void gn__fiber_leave(struct gn__fiber *from, struct gn__fiber *to)
{
    fiber_announce(from, to, true);
    gn__context_switch(&from->context, &to->context);
    __builtin_unreachable();
}
