# SPDX-License-Identifier: BSD-3-Clause
#
# c-ares and what uses it in one relocatable file whose only global names are
# gn_resolver_ares* and gn__dns_*: a program may have a c-ares of its own beside ours, as
# libcurl often brings one. Its own build would ask the system a hundred
# questions in each build folder, so it is compiled from here, with the answers
# in resolver/ares/port/ares_config.h.
#
# As in JoinLwip.cmake, and for the same reasons: no link-time optimisation, no
# redzones between globals, section groups resolved while joining. c-ares is
# not counted in coverage.

find_program(GUESTNET_JOIN_LD NAMES ld.bfd REQUIRED)

# cares_compile(TARGET) gives a target the options above and c-ares' headers.
function(cares_compile target)
    set_target_properties(${target} PROPERTIES
        INTERPROCEDURAL_OPTIMIZATION OFF)
    target_compile_options(${target} PRIVATE -fno-lto)
    if(CMAKE_C_COMPILER_ID MATCHES Clang)
        target_compile_options(${target} PRIVATE
            "SHELL:-mllvm -asan-globals=0")
    else()
        target_compile_options(${target} PRIVATE --param=asan-globals=0)
    endif()
    target_include_directories(${target} SYSTEM PRIVATE
        "${PROJECT_SOURCE_DIR}/resolver/ares/port" "${GN_CARES_DIR}/include")
endfunction()

# cares_upstream(TARGET) is c-ares as an archive, so that the join takes only
# the files that are used. Its sources leave out by themselves what belongs to
# other systems.
function(cares_upstream target)
    set(lib "${GN_CARES_DIR}/src/lib")
    file(GLOB sources CONFIGURE_DEPENDS "${lib}/*.c" "${lib}/dsa/*.c"
        "${lib}/event/*.c" "${lib}/legacy/*.c" "${lib}/record/*.c"
        "${lib}/str/*.c" "${lib}/util/*.c")
    add_library(${target} STATIC ${sources})
    cares_compile(${target})
    set_target_properties(${target} PROPERTIES
        C_STANDARD 11
        C_VISIBILITY_PRESET hidden
        POSITION_INDEPENDENT_CODE ${GUESTNET_SHARED})
    target_compile_definitions(${target} PRIVATE
        _GNU_SOURCE HAVE_CONFIG_H=1 CARES_BUILDING_LIBRARY CARES_STATICLIB)
    target_compile_options(${target} PRIVATE -w)
    target_include_directories(${target} PRIVATE "${lib}" "${lib}/include")
    if(CMAKE_C_FLAGS MATCHES "-fprofile-instr-generate")
        target_compile_options(${target} PRIVATE
            -fno-profile-instr-generate -fno-coverage-mapping)
    endif()
endfunction()

# gn_join_cares(NAME OUT SOURCE...) compiles the sources (target NAME_parts) and
# c-ares (target NAME_upstream), joins them (target NAME) and sets OUT to the
# object.
function(gn_join_cares name out)
    cares_upstream(${name}_upstream)
    add_library(${name}_parts OBJECT ${ARGN})
    gn_compile(${name}_parts)
    cares_compile(${name}_parts)

    set(whole "${CMAKE_CURRENT_BINARY_DIR}/${name}-whole.o")
    set(joined "${CMAKE_CURRENT_BINARY_DIR}/${name}.o")
    add_custom_command(OUTPUT "${joined}"
        COMMAND ${GUESTNET_JOIN_LD} -r --force-group-allocation -o "${whole}"
            $<TARGET_OBJECTS:${name}_parts> $<TARGET_FILE:${name}_upstream>
        COMMAND ${CMAKE_OBJCOPY} --wildcard
            --keep-global-symbol=gn_resolver_ares*
            --keep-global-symbol=gn__dns_* "${whole}" "${joined}"
        COMMAND ${CMAKE_COMMAND} -E rm "${whole}"
        DEPENDS ${name}_parts $<TARGET_OBJECTS:${name}_parts> ${name}_upstream
        COMMENT "Joining c-ares"
        COMMAND_EXPAND_LISTS VERBATIM)
    add_custom_target(${name} DEPENDS "${joined}")
    set(${out} "${joined}" PARENT_SCOPE)
endfunction()
