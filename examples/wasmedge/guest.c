/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A guest under WasmEdge (its C API, 0.14): each import of the module is a host
 * function that calls gn_wasi_call(). WasmEdge's own WASI is not used.
 */
#include "guest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <guestnet/guestnet.h>
#include <wasmedge/wasmedge.h>

/** The guest, while it runs. */
struct vm {
    struct gn_wasi_guest *wasi;
    WasmEdge_VMContext *vm;
    const WasmEdge_CallingFrameContext *frame; /* of the call under way */
    struct gn_wasi_scan scan;
    struct import *imports; /* as the scan's */
    int how;                /* how a call has ended it, or 0 */
    uint64_t status;
};

struct import {
    struct vm *vm;
    const struct gn_wasi_import *is;
};

/* ---- what gn_wasi_create() asks for ---- */

static struct gn_wasi_memory memory_of(void *arg)
{
    struct vm *vm = arg;
    WasmEdge_MemoryInstanceContext *memory = WasmEdge_ModuleInstanceFindMemory(
        WasmEdge_VMGetActiveModule(vm->vm),
        WasmEdge_StringWrap("memory", sizeof("memory") - 1));

    return (struct gn_wasi_memory){
        WasmEdge_MemoryInstanceGetPointer(memory, 0, 1),
        UINT64_C(65536) * WasmEdge_MemoryInstanceGetPageSize(memory)};
}

static int realloc_by_guest(void *arg, uint32_t align, uint32_t size,
                            uint32_t *at)
{
    struct vm *vm = arg;
    WasmEdge_FunctionInstanceContext *function =
        WasmEdge_ModuleInstanceFindFunction(
            WasmEdge_VMGetActiveModule(vm->vm),
            WasmEdge_StringWrap("cabi_realloc", sizeof("cabi_realloc") - 1));
    const WasmEdge_Value args[] = {WasmEdge_ValueGenI32(0),
                                   WasmEdge_ValueGenI32(0),
                                   WasmEdge_ValueGenI32((int32_t)align),
                                   WasmEdge_ValueGenI32((int32_t)size)};
    WasmEdge_Value result;

    if (!function || !WasmEdge_ResultOK(WasmEdge_ExecutorInvoke(
                         WasmEdge_CallingFrameGetExecutor(vm->frame), function,
                         args, 4, &result, 1)))
        return -1;
    *at = (uint32_t)WasmEdge_ValueGetI32(result);
    return 0;
}

/* ---- calls ---- */

static WasmEdge_Result import_call(void *data,
                                   const WasmEdge_CallingFrameContext *frame,
                                   const WasmEdge_Value *in,
                                   WasmEdge_Value *out)
{
    const struct import *import = data;
    struct vm *vm = import->vm;
    const char *letter = import->is->signature;
    uint64_t args[GN_WASI_ARGS_MAX], result = 0;
    int how;

    for (size_t i = 0; *letter != '>'; i++, letter++)
        args[i] = *letter == 'I' ? (uint64_t)WasmEdge_ValueGetI64(in[i])
                                 : (uint32_t)WasmEdge_ValueGetI32(in[i]);
    vm->frame = frame;
    how = gn_wasi_call(vm->wasi, import->is->op, args, &result);
    if (how != GN_WASI_OK) {
        vm->how = how;
        vm->status = result;
        return how == GN_WASI_EXIT ? WasmEdge_Result_Terminate
                                   : WasmEdge_Result_Fail;
    }
    if (letter[1] == 'I')
        out[0] = WasmEdge_ValueGenI64((int64_t)result);
    else if (letter[1])
        out[0] = WasmEdge_ValueGenI32((int32_t)result);
    return WasmEdge_Result_Success;
}

static void import_add(WasmEdge_ModuleInstanceContext *module,
                       struct import *import)
{
    WasmEdge_ValType params[GN_WASI_ARGS_MAX], result;
    const char *letter = import->is->signature;
    WasmEdge_String name = WasmEdge_StringCreateByCString(import->is->name);
    WasmEdge_FunctionTypeContext *type;
    uint32_t n = 0;

    for (; *letter != '>'; letter++)
        params[n++] = *letter == 'I' ? WasmEdge_ValTypeGenI64()
                                     : WasmEdge_ValTypeGenI32();
    result =
        letter[1] == 'I' ? WasmEdge_ValTypeGenI64() : WasmEdge_ValTypeGenI32();
    type = WasmEdge_FunctionTypeCreate(params, n, &result, letter[1] != '\0');
    WasmEdge_ModuleInstanceAddFunction(
        module, name,
        WasmEdge_FunctionInstanceCreate(type, import_call, import, 0));
    WasmEdge_FunctionTypeDelete(type);
    WasmEdge_StringDelete(name);
}

/* Is it the first import of its module? */
static bool is_first(const struct gn_wasi_scan *scan, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (!strcmp(scan->imports[k].module, scan->imports[i].module))
            return false;
    return true;
}

static void imports_register(struct vm *vm)
{
    const struct gn_wasi_scan *scan = &vm->scan;

    for (size_t i = 0; i < scan->n_imports; i++) {
        const char *name = scan->imports[i].module;
        WasmEdge_String text = WasmEdge_StringCreateByCString(name);
        WasmEdge_ModuleInstanceContext *module;

        if (is_first(scan, i)) {
            module = WasmEdge_ModuleInstanceCreate(text);
            for (size_t k = i; k < scan->n_imports; k++) {
                vm->imports[k] = (struct import){vm, &scan->imports[k]};
                if (!strcmp(scan->imports[k].module, name))
                    import_add(module, &vm->imports[k]);
            }
            (void)WasmEdge_VMRegisterModuleFromImport(vm->vm, module);
        }
        WasmEdge_StringDelete(text);
    }
}

/* ---- its run ---- */

/* What is imported and not served has no place: it may be no function, or have
 * more parameters than calls have room for. */
static int vm_scan(struct vm *vm, const void *bytes, size_t len, char why[160])
{
    int err = bytes ? gn_wasi_scan(bytes, len, &vm->scan, why, 160) : -ENOENT;

    if (err || !vm->scan.n_missing)
        return err;
    snprintf(why, 160, "not served: %.140s", vm->scan.missing);
    return -ENOTSUP;
}

static void *file_read(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    char *bytes = NULL;

    if (file && !fseek(file, 0, SEEK_END) && ftell(file) >= 0) {
        *len = (size_t)ftell(file);
        bytes = malloc(*len + 1);
        rewind(file);
        if (bytes && fread(bytes, 1, *len, file) != *len) {
            free(bytes);
            bytes = NULL;
        }
    }
    if (file)
        fclose(file);
    return bytes;
}

static void vm_execute(struct vm *vm, char why[160])
{
    WasmEdge_String start = WasmEdge_StringCreateByCString(vm->scan.start);
    bool has_result = strcmp(vm->scan.start, "_start") != 0;
    WasmEdge_Value result = WasmEdge_ValueGenI32(0);
    WasmEdge_Result end;

    imports_register(vm);
    end = WasmEdge_VMLoadWasmFromBuffer(vm->vm, vm->scan.core,
                                        (uint32_t)vm->scan.core_len);
    if (WasmEdge_ResultOK(end))
        end = WasmEdge_VMValidate(vm->vm);
    if (WasmEdge_ResultOK(end))
        end = WasmEdge_VMInstantiate(vm->vm);
    if (WasmEdge_ResultOK(end))
        end = WasmEdge_VMExecute(vm->vm, start, NULL, 0, &result, has_result);
    WasmEdge_StringDelete(start);
    if (vm->how)
        return;
    vm->how = WasmEdge_ResultOK(end) ? GN_WASI_EXIT : GN_WASI_TRAP;
    vm->status = (uint32_t)WasmEdge_ValueGetI32(result);
    snprintf(why, 160, "%s", WasmEdge_ResultGetMessage(end));
}

int wasmedge_run(const char *path, struct gn_namespace *ns,
                 struct gn_wasi_config config,
                 int (*prepare)(struct gn_wasi_guest *, void *), void *arg,
                 uint64_t *status, char why[160])
{
    struct vm vm = {0};
    size_t len = 0;
    void *bytes = file_read(path, &len);
    int err = vm_scan(&vm, bytes, len, why);

    config.size = sizeof(config);
    config.memory = memory_of;
    config.realloc = realloc_by_guest;
    config.arg = &vm;
    vm.imports = calloc(vm.scan.n_imports + 1, sizeof(*vm.imports));
    WasmEdge_LogOff(); /* It writes to standard output. */
    vm.vm = WasmEdge_VMCreate(NULL, NULL);
    if (!err && (!vm.imports || !vm.vm))
        err = -ENOMEM;
    if (!err)
        err = gn_wasi_create(ns, &config, &vm.wasi);
    if (!err && prepare)
        err = prepare(vm.wasi, arg);
    if (!err)
        vm_execute(&vm, why);
    if (!err && vm.how == GN_WASI_TRAP && gn_wasi_why(vm.wasi)[0])
        snprintf(why, 160, "%s", gn_wasi_why(vm.wasi));
    *status = vm.status;
    gn_wasi_close(vm.wasi);
    WasmEdge_VMDelete(vm.vm);
    gn_wasi_scan_done(&vm.scan);
    free(vm.imports);
    free(bytes);
    return err ? err : vm.how;
}
