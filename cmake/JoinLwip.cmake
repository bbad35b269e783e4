# SPDX-License-Identifier: BSD-3-Clause
#
# The joined object: lwIP and its glue in one relocatable file, whose variables
# are one section (netstack/state.ld) and whose only global name is the ops
# table.
#
# The section is right only when the compiler leaves the variables alone, so
# some options are ours whatever the user's flags are:
#   -fno-common -fno-data-sections  one .data and one .bss per source file
#   -fno-lto                        sections exist before the final link; with
#                                   GUESTNET_WHOLE gcc does link-time
#                                   optimisation here, and they exist after it
#   asan-globals=0                  no redzones: a copy reads across variables;
#                                   the heap and the stack stay checked
#   trapping UBSan                  its reports would need writable tables
#   no gcov                         its counters would be swapped and lost;
#                                   clang's source coverage has sections of its
#                                   own and works

# libFuzzer's tables of switch values, which no code writes, count as well.
set(state_max 512)
if(CMAKE_C_FLAGS MATCHES "fuzzer")
    set(state_max 8192)
endif()

find_program(GUESTNET_JOIN_LD NAMES ld.bfd REQUIRED)

# gn_join_lwip(NAME OUT SOURCE...) compiles the sources (target NAME_parts),
# joins them (target NAME) and sets OUT to the object.
function(gn_join_lwip name out)
    add_library(${name}_parts OBJECT ${ARGN})
    gn_compile(${name}_parts)
    set_target_properties(${name}_parts PROPERTIES
        INTERPROCEDURAL_OPTIMIZATION OFF)
    target_compile_options(${name}_parts PRIVATE
        -fno-common -fno-data-sections -fno-lto)
    set(parts $<TARGET_OBJECTS:${name}_parts>)
    if(CMAKE_C_COMPILER_ID MATCHES Clang)
        target_compile_options(${name}_parts PRIVATE
            "SHELL:-mllvm -asan-globals=0")
    else()
        target_compile_options(${name}_parts PRIVATE --param=asan-globals=0)
    endif()
    if(CMAKE_C_FLAGS MATCHES "-fsanitize=[a-z,-]*undefined")
        target_compile_options(${name}_parts PRIVATE
            -fsanitize-undefined-trap-on-error)
    endif()
    if(CMAKE_C_FLAGS MATCHES "--coverage|-fprofile-arcs")
        target_compile_options(${name}_parts PRIVATE
            -fprofile-exclude-files=.*)
    endif()

    # Not by lld, which gives each variable a section of its own.
    if(GUESTNET_WHOLE AND CMAKE_C_COMPILER_ID STREQUAL GNU)
        target_compile_options(${name}_parts PRIVATE ${GN_WHOLE_COMPILE})
        set(optimised "${CMAKE_CURRENT_BINARY_DIR}/${name}-optimised.o")
        gn_optimise("${optimised}" ${name}_parts)
        set(parts "${optimised}")
    endif()

    # Section groups are resolved here: their signatures become local names,
    # which the final link could not match with those of other objects.
    set(whole "${CMAKE_CURRENT_BINARY_DIR}/${name}-whole.o")
    set(joined "${CMAKE_CURRENT_BINARY_DIR}/${name}.o")
    set(script "${PROJECT_SOURCE_DIR}/netstack/state.ld")
    set(check "${PROJECT_SOURCE_DIR}/cmake/CheckState.cmake")
    add_custom_command(OUTPUT "${joined}" "${whole}"
        COMMAND ${GUESTNET_JOIN_LD} -r --force-group-allocation -T "${script}"
            -o "${whole}" ${parts}
        COMMAND ${CMAKE_OBJCOPY} --keep-global-symbol=gn__netstack_ops
            "${whole}" "${joined}"
        COMMAND ${CMAKE_COMMAND} -DOBJECT=${joined}
            -DREADELF=${CMAKE_READELF} -DMAX=${state_max}
            -P "${check}"
        DEPENDS ${name}_parts ${parts} "${script}" "${check}"
        COMMENT "Joining lwIP"
        COMMAND_EXPAND_LISTS VERBATIM)
    add_custom_target(${name} DEPENDS "${joined}")

    add_custom_target(lwip-state
        COMMAND ${CMAKE_NM} -f sysv -t d -S "${whole}" |
            awk -F|
            "$7 ~ /gn_lwip_state/ && $5 + 0 { n += $5; print $5 + 0, $1 | \"sort -rn\" } END { close(\"sort -rn\"); print n, \"bytes in all\" }"
        DEPENDS "${whole}" ${name}
        COMMENT "What is copied when an instance is entered" VERBATIM)
    set(${out} "${joined}" PARENT_SCOPE)
endfunction()
