# SPDX-License-Identifier: BSD-3-Clause
#
# Run at build: cmake -DOBJECT= -DREADELF= -DMAX= -P CheckState.cmake
#
# Proves of the joined object what swapping rests on. "No other writable
# section" alone would be true of an object that holds no sections at all, as
# those of link-time optimisation do; so the state has to be there too.

execute_process(COMMAND ${READELF} -S -s -W ${OBJECT}
    OUTPUT_VARIABLE text ERROR_QUIET COMMAND_ERROR_IS_FATAL ANY)
string(REPLACE ";" " " text "${text}")
string(REPLACE "[" "<" text "${text}")
string(REPLACE "]" ">" text "${text}")
string(REPLACE "\n" ";" lines "${text}")

# Writable, and rightly so: constant after relocation, the engine's own, or a
# sanitizer's or profiler's.
set(allowed
    "^(\\.data\\.rel\\.ro.*|gn_engine_state|\\.(preinit|init|fini)_array.*"
    "|__llvm_prf_.*|__llvm_covmap|__llvm_covfun|__sancov_.*|\\.tm_clone_table"
    "|asan_.*)$")
list(JOIN allowed "" allowed)

set(wrong "")
set(index "")
set(globals "")
set(has_tcp FALSE)
foreach(line IN LISTS lines)
    if(line MATCHES "^ *< *([0-9]+)> ([^ ]+) +[A-Z_]+ +[0-9a-f]+ [0-9a-f]+ ([0-9a-f]+) +[0-9a-f]+ +([A-Za-z]+) ")
        set(number ${CMAKE_MATCH_1})
        set(name ${CMAKE_MATCH_2})
        math(EXPR size "0x${CMAKE_MATCH_3}")
        set(flags ${CMAKE_MATCH_4})
        if(name STREQUAL "gn_lwip_state")
            set(index ${number})
            set(state_size ${size})
        elseif(flags MATCHES "W" AND size AND NOT name MATCHES "${allowed}")
            list(APPEND wrong
                "${name} is writable (${size} bytes) and is not swapped")
        endif()
    elseif(line MATCHES "^ *[0-9]+: [0-9a-f]+ +[0-9a-fx]+ +[A-Z_]+ +([A-Z]+) +[A-Z]+ +([0-9A-Z]+) ([^ ]+)$")
        if(CMAKE_MATCH_3 STREQUAL "tcp_active_pcbs"
                AND CMAKE_MATCH_2 STREQUAL index)
            set(has_tcp TRUE)
        endif()
        if(NOT CMAKE_MATCH_1 STREQUAL "LOCAL"
                AND NOT CMAKE_MATCH_2 STREQUAL "UND")
            list(APPEND globals ${CMAKE_MATCH_3})
        endif()
    endif()
endforeach()

if(index STREQUAL "")
    list(APPEND wrong "there is no section gn_lwip_state")
elseif(NOT has_tcp)
    list(APPEND wrong "gn_lwip_state does not hold tcp_active_pcbs")
elseif(state_size GREATER MAX)
    list(APPEND wrong "gn_lwip_state has ${state_size} bytes, more than ${MAX}")
endif()
if(NOT globals STREQUAL "gn__netstack_ops")
    list(APPEND wrong "its global names are: ${globals}")
endif()

if(wrong)
    file(REMOVE ${OBJECT})
    list(JOIN wrong "\n  " wrong)
    message(FATAL_ERROR "${OBJECT}:\n  ${wrong}")
endif()
