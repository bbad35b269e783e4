/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A guest's C source: a function for each import, then wasm2c's output, then
 * NAME_run(). The functions are static and come first, so that the output,
 * which declares them extern, takes them; two guests in one program may so
 * import the same name with different parameters.
 *
 * wasm2c 1.0.32 (Debian 12) writes Z_ names, and later ones w2c_ names, under
 * other rules; the source has both, and takes those of the runtime's header.
 */
#include "wasm2c.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* What all files agree about: no signal handler (a memory of 8 GiB of address
 * space each, and one handler for the process), no count of the depth of calls
 * (it is one variable for all threads, and later one that a longjmp() leaves as
 * it was). Later headers are known by their variables of threads. */
static const char prologue[] =
    "#define WASM_RT_MEMCHECK_SIGNAL_HANDLER 0\n"
    "#define WASM_RT_USE_STACK_DEPTH_COUNT 0\n"
    "#define WASM_RT_NONCONFORMING_UNCHECKED_STACK_EXHAUSTION 1\n"
    "#define WASM_RT_TRAP_HANDLER gn_w2c_trap\n"
    "#include <setjmp.h>\n"
    "#include <stdlib.h>\n"
    "#include <string.h>\n"
    "#include <pthread.h>\n"
    "#include <wasm-rt.h>\n"
    "#ifdef WASM_RT_THREAD_LOCAL\n"
    "#define GN_W2C(old, new) new\n"
    "#else\n"
    "#define GN_W2C(old, new) old\n"
    "#endif\n"
    "void gn_w2c_trap(wasm_rt_trap_t);\n"
    "struct gn_w2c {\n"
    "    struct gn_wasi_guest *wasi;\n"
    "    void *instance;\n"
    "    uint64_t result;\n"
    "    int trap;\n"
    "    jmp_buf out;\n"
    "};\n"
    "extern _Thread_local struct gn_w2c *gn_w2c_running;\n"
    "/* wasm2c's runtime adds the types of each module without a lock. */\n"
    "extern pthread_mutex_t gn_w2c_types;\n";

int wasm2c_print_runtime(void)
{
    printf("/* Made by guestnet-wasm: wasm2c's runtime for guests on "
           "threads. */\n"
           "#include <stdint.h>\n%s"
           "_Thread_local struct gn_w2c *gn_w2c_running;\n"
           "pthread_mutex_t gn_w2c_types = PTHREAD_MUTEX_INITIALIZER;\n"
           "void gn_w2c_trap(wasm_rt_trap_t code)\n"
           "{\n"
           "    gn_w2c_running->trap = (int)code;\n"
           "    longjmp(gn_w2c_running->out, 2);\n"
           "}\n"
           "#include \"wasm-rt-impl.c\"\n"
           "#ifdef WASM_RT_THREAD_LOCAL\n"
           "#include \"wasm-rt-mem-impl.c\"\n"
           "#endif\n",
           prologue);
    return 0;
}

/* ---- names ---- */

static void old_mangle(const char *name)
{
    for (; *name; name++)
        if ((isalnum((unsigned char)*name) && *name != 'Z') || *name == '_')
            putchar(*name);
        else
            printf("Z%02X", (unsigned char)*name);
}

static void print_params(const struct gn_wasi_import *import)
{
    unsigned n = 0;

    for (const char *p = import->signature; *p != '>'; p++, n++)
        printf(", %s a%u", *p == 'I' ? "uint64_t" : "uint32_t", n);
}

/* Of a module's name every underscore is doubled, and of another's those are
 * escaped that begin it, end it or follow one. */
static void new_mangle(const char *name, bool is_module)
{
    char last = '_';

    for (; *name; last = *name++)
        if (*name == '_' && is_module && last != '_' && name[1])
            fputs("__", stdout);
        else if (isalnum((unsigned char)*name) ||
                 (*name == '_' && last != '_' && name[1]))
            putchar(*name);
        else
            printf("0x%02X", (unsigned char)*name);
}

static void print_struct(const char *module)
{
    printf("struct GN_W2C(Z_");
    old_mangle(module);
    printf("_instance_t, w2c_");
    new_mangle(module, true);
    printf(")");
}

/* What @module (of ours: its identifier) exports as @name. */
static void print_function(const char *module, const char *name)
{
    printf("GN_W2C(Z_");
    old_mangle(module);
    printf("Z_");
    old_mangle(name);
    printf(", w2c_");
    new_mangle(module, true);
    printf("_");
    new_mangle(name, false);
    printf(")");
}

/* One import as a function of ours. */
static void print_import(const struct gn_wasi_import *import, size_t index)
{
    const char *result = strchr(import->signature, '>') + 1;
    unsigned n = (unsigned)strcspn(import->signature, ">");

    printf("static %s ", *result == 'I'   ? "uint64_t"
                         : *result == 'i' ? "uint32_t"
                                          : "void");
    print_function(import->module, import->name);
    printf("(");
    print_struct(import->module);
    printf(" *c");
    print_params(import);
    printf(")\n{\n    const uint64_t args[] = {");
    for (unsigned i = 0; i < n; i++)
        printf("a%u, ", i);
    printf("0};\n\n    %sgn_w2c_call((struct gn_w2c *)c, ops[%zu], args);\n}\n",
           *result ? "return " : "(void)", index);
}

static bool module_is_new(const struct gn_wasi_scan *scan, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(scan->imports[k].module, scan->imports[i].module) == 0)
            return false;
    return true;
}

static void print_imports(const struct gn_wasi_scan *scan)
{
    printf("static const char *const imports[][3] = {\n");
    for (size_t i = 0; i < scan->n_imports; i++)
        printf("    {\"%s\", \"%s\", \"%s\"},\n", scan->imports[i].module,
               scan->imports[i].name, scan->imports[i].signature);
    printf("    {0}};\nstatic int ops[%zu];\n\n", scan->n_imports + 1);
    printf("static uint64_t gn_w2c_call(struct gn_w2c *c, int op,\n"
           "                            const uint64_t *args)\n"
           "{\n"
           "    int status = gn_wasi_call(c->wasi, op, args, &c->result);\n"
           "\n"
           "    gn_w2c_running = c; /* Other tasks may have run since. */\n"
           "    if (status != GN_WASI_OK)\n"
           "        longjmp(c->out, status == GN_WASI_EXIT ? 1 : 3);\n"
           "    return c->result;\n"
           "}\n\n");
    for (size_t i = 0; i < scan->n_imports; i++) {
        if (module_is_new(scan, i)) {
            print_struct(scan->imports[i].module);
            printf(";\n");
        }
        print_import(&scan->imports[i], i);
    }
}

/* ---- the guest ---- */

static void print_callbacks(const struct gn_wasi_scan *scan, const char *name)
{
    printf("static struct gn_wasi_memory guest_memory(void *arg)\n"
           "{\n"
           "    struct gn_w2c *c = arg;\n"
           "    wasm_rt_memory_t *m = GN_W2C(Z_%sZ_memory, w2c_%s_memory)(\n"
           "        c->instance);\n"
           "\n"
           "    return (struct gn_wasi_memory){m->data, m->size};\n"
           "}\n\n",
           name, name);
    if (scan->has_realloc)
        printf("static int guest_realloc(void *arg, uint32_t align,\n"
               "                         uint32_t size, uint32_t *at)\n"
               "{\n"
               "    struct gn_w2c *c = arg;\n"
               "\n"
               "    *at = GN_W2C(Z_%sZ_cabi_realloc, w2c_%s_cabi_realloc)(\n"
               "        c->instance, 0, 0, align, size);\n"
               "    return 0;\n"
               "}\n\n",
               name, name);
}

static void print_start(const struct gn_wasi_scan *scan, const char *name)
{
    bool run = strcmp(scan->start, "_start") != 0;

    printf("typedef GN_W2C(Z_%s_instance_t, w2c_%s) guest_instance;\n\n"
           "static void guest_free(guest_instance *instance)\n"
           "{\n    GN_W2C(Z_%s_free, wasm2c_%s_free)(instance);\n}\n\n",
           name, name, name, name);
    printf("static void guest_instantiate(struct gn_w2c *c)\n"
           "{\n    GN_W2C(Z_%s_instantiate, wasm2c_%s_instantiate)(c->instance",
           name, name);
    for (size_t i = 0; i < scan->n_imports; i++)
        if (module_is_new(scan, i))
            printf(", (void *)c");
    printf(");\n}\n\nstatic uint64_t guest_main(struct gn_w2c *c)\n{\n"
           "    guest_instantiate(c);\n    %s",
           run ? "return " : "");
    print_function(name, scan->start);
    printf("(c->instance)%s;\n%s}\n\n", run ? " != 0" : "",
           run ? "" : "    return 0;\n");
}

static void print_run(const struct gn_wasi_scan *scan, const char *name)
{
    printf("static pthread_once_t once = PTHREAD_ONCE_INIT;\n"
           "static void guest_once(void)\n"
           "{\n"
           "    for (int i = 0; imports[i][0]; i++)\n"
           "        ops[i] = gn_wasi_find(imports[i][0], imports[i][1],\n"
           "                              imports[i][2]);\n"
           "    pthread_mutex_lock(&gn_w2c_types);\n"
           "    GN_W2C(Z_%s_init_module, wasm_rt_init)();\n"
           "    pthread_mutex_unlock(&gn_w2c_types);\n"
           "}\n\n",
           name);
    printf("/* Run it on this thread until it ends. The config's memory,\n"
           " * realloc and arg are filled in here. @prepare may be NULL, and\n"
           " * else gets the guest before it runs. Returns GN_WASI_EXIT with\n"
           " * *status, GN_WASI_TRAP with why, or a negative errno. */\n"
           "int %s_run(struct gn_namespace *ns, struct gn_wasi_config config,\n"
           "           int (*prepare)(struct gn_wasi_guest *, void *),\n"
           "           void *arg, uint64_t *status, char why[160])\n"
           "{\n"
           "    struct gn_w2c c = {0}, *outer = gn_w2c_running;\n"
           "    guest_instance *instance = calloc(1, sizeof(*instance));\n"
           "    int err, how;\n\n",
           name);
    printf("    (void)pthread_once(&once, guest_once);\n"
           "    if (!instance)\n"
           "        return -ENOMEM;\n"
           "    c.instance = instance;\n"
           "    config.size = sizeof(config);\n"
           "    config.memory = guest_memory;\n"
           "    config.realloc = %s;\n"
           "    config.arg = &c;\n"
           "    err = gn_wasi_create(ns, &config, &c.wasi);\n"
           "    if (!err && prepare)\n"
           "        err = prepare(c.wasi, arg);\n",
           scan->has_realloc ? "guest_realloc" : "NULL");
    printf("    if (!err) {\n"
           "        gn_w2c_running = &c;\n"
           "        how = setjmp(c.out);\n"
           "        if (how == 0)\n"
           "            c.result = guest_main(&c);\n"
           "        gn_w2c_running = outer;\n"
           "        *status = c.result;\n"
           "        err = how > 1 ? GN_WASI_TRAP : GN_WASI_EXIT;\n"
           "        if (how == 2)\n"
           "            snprintf(why, 160, \"trap %%d of wasm2c\", c.trap);\n"
           "        else\n"
           "            snprintf(why, 160, \"%%s\", gn_wasi_why(c.wasi));\n"
           "    }\n"
           "    gn_wasi_close(c.wasi);\n"
           "    guest_free(instance);\n"
           "    free(instance);\n"
           "    return err;\n"
           "}\n");
}

static bool is_identifier(const char *name)
{
    if (!isalpha((unsigned char)*name))
        return false;
    for (; *name; name++)
        if (!isalnum((unsigned char)*name) || *name == 'Z')
            return false;
    return true;
}

int wasm2c_print(const struct gn_wasi_scan *scan, const char *path,
                 const char *name)
{
    if (!is_identifier(name)) {
        fprintf(stderr,
                "guestnet-wasm: the name %s: letters but Z, and digits\n",
                name);
        return 2;
    }
    if (!scan->start[0] || scan->n_missing) {
        fprintf(stderr, "guestnet-wasm: %s: %s%s\n", path,
                scan->n_missing ? "not served: "
                                : "nothing starts it: it has "
                                  "neither _start nor "
                                  "wasi:cli/run",
                scan->missing);
        return 1;
    }
    printf("/* Made by guestnet-wasm. */\n"
           "#include <errno.h>\n#include <stdio.h>\n"
           "#include <guestnet/wasi.h>\n%s\n",
           prologue);
    print_imports(scan);
    printf("#include \"%s.c\"\n\n", name);
    print_callbacks(scan, name);
    print_start(scan, name);
    print_run(scan, name);
    return ferror(stdout) != 0;
}
