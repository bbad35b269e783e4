# SPDX-License-Identifier: BSD-3-Clause
#
# The library optimised as one (GUESTNET_WHOLE): its sources are compiled for
# link-time optimisation, which then is done here, once. What comes out is one
# file of machine code: a program that links it needs no plugin, does not wait,
# and may use any linker. docs/decisions/0026-optimised-as-one.md.
#
# lwIP is optimised as one by itself (JoinLwip.cmake), c-ares is left as it is.

if(NOT GUESTNET_WHOLE)
    return()
endif()

if(CMAKE_C_COMPILER_ID MATCHES Clang)
    find_program(GUESTNET_LLD NAMES ld.lld)
    if(NOT GUESTNET_LLD)
        message(FATAL_ERROR "GUESTNET_WHOLE takes lld with clang: install it, "
            "or say -DGUESTNET_WHOLE=OFF")
    endif()
    set(GN_WHOLE_COMPILE -flto)
    set(whole_link -flto -fuse-ld=lld)
elseif(CMAKE_C_COMPILER_ID STREQUAL GNU)
    set(GN_WHOLE_COMPILE -flto -fno-fat-lto-objects)
    set(whole_link -flto -flto-partition=one -flinker-output=nolto-rel)
else()
    message(FATAL_ERROR "GUESTNET_WHOLE is for gcc and clang: say "
        "-DGUESTNET_WHOLE=OFF")
endif()

# A program that links the file statically gets all of it, unless it says
# --gc-sections.
list(APPEND GN_WHOLE_COMPILE -ffunction-sections)
list(APPEND whole_link -ffunction-sections)

# gn_optimise(OBJECT TARGET...) makes one file of machine code from the objects
# of targets that were compiled with GN_WHOLE_COMPILE. Compilers may give names
# that all see to what was in one of them: they are taken back.
function(gn_optimise object)
    list(TRANSFORM ARGN REPLACE "(.+)" "$<TARGET_OBJECTS:\\1>"
        OUTPUT_VARIABLE objects)
    string(TOUPPER "${CMAKE_BUILD_TYPE}" type)
    separate_arguments(flags UNIX_COMMAND
        "${CMAKE_C_FLAGS} ${CMAKE_C_FLAGS_${type}}")
    add_custom_command(OUTPUT "${object}"
        COMMAND ${CMAKE_C_COMPILER} ${flags} ${whole_link} -r -nostdlib
            -o "${object}.all" ${objects}
        COMMAND ${CMAKE_OBJCOPY} --wildcard --keep-global-symbol=gn_*
            "${object}.all" "${object}"
        COMMAND ${CMAKE_COMMAND} -E rm "${object}.all"
        DEPENDS ${ARGN} ${objects}
        COMMENT "Optimising as one"
        COMMAND_EXPAND_LISTS VERBATIM)
endfunction()

# gn_add_whole(TARGET SOURCE...) compiles sources of the library.
function(gn_add_whole target)
    add_library(${target} OBJECT ${ARGN})
    gn_compile(${target})
    target_compile_options(${target} PRIVATE ${GN_WHOLE_COMPILE})
    set_property(GLOBAL APPEND PROPERTY GN_WHOLES ${target})
endfunction()

# gn_link_whole(TARGET) puts all of them, optimised, into a target.
function(gn_link_whole target)
    set(object "${PROJECT_BINARY_DIR}/guestnet-whole.o")
    if(NOT TARGET gn_whole)
        get_property(wholes GLOBAL PROPERTY GN_WHOLES)
        gn_optimise("${object}" ${wholes})
        add_custom_target(gn_whole DEPENDS "${object}")
    endif()
    target_sources(${target} PRIVATE "${object}")
    add_dependencies(${target} gn_whole)
endfunction()
