# SPDX-License-Identifier: BSD-3-Clause
#
# What every folder of the library shares: how it is compiled, and what a
# program made of some folders has to link.

find_package(Threads REQUIRED)
include(Whole)

add_library(gn_build INTERFACE)
target_include_directories(gn_build INTERFACE
    "${PROJECT_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}/include")
target_compile_features(gn_build INTERFACE c_std_11)
target_compile_definitions(gn_build INTERFACE _GNU_SOURCE
    $<$<BOOL:${GUESTNET_WRAP}>:GN__WRAP>
    GN__HAS_TLS=$<BOOL:${GUESTNET_TLS}>)
target_compile_options(gn_build INTERFACE
    -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes
    -Wpointer-arith -Wcast-qual -Wundef -Wvla -Wwrite-strings
    -Wconversion -Wno-sign-conversion)

# gn_compile(TARGET) compiles our own code the way we want it compiled.
function(gn_compile target)
    target_link_libraries(${target} PRIVATE gn_build)
    set_target_properties(${target} PROPERTIES
        C_STANDARD 11
        C_EXTENSIONS OFF
        C_VISIBILITY_PRESET hidden)
    if(GUESTNET_SHARED)
        set_target_properties(${target} PROPERTIES
            POSITION_INDEPENDENT_CODE ON)
    endif()
endfunction()

# gn_add_folder(NAME [DEPENDS FOLDER...] [ROOMS FOLDER...]) makes the folder's
# *.c part of the library, and those of its rooms: folders that are no layer of
# their own. DEPENDS are the folders whose module header it may include. A
# folder without sources is allowed and adds nothing.
#
# With GUESTNET_WHOLE they are compiled twice: target gn_NAME is what tests of
# a folder link, gn_NAME_whole what is joined to the library (Whole.cmake).
function(gn_add_folder name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "DEPENDS;ROOMS")
    set(closure ${name})
    foreach(other IN LISTS arg_DEPENDS)
        get_property(below GLOBAL PROPERTY GN_CLOSURE_${other})
        list(APPEND closure ${below})
    endforeach()
    list(REMOVE_DUPLICATES closure)
    set_property(GLOBAL PROPERTY GN_CLOSURE_${name} ${closure})
    set_property(GLOBAL APPEND PROPERTY GN_FOLDERS ${name})

    set(sources)
    foreach(room IN LISTS arg_ROOMS ITEMS .)
        file(GLOB found CONFIGURE_DEPENDS
            "${CMAKE_CURRENT_SOURCE_DIR}/${room}/*.c")
        list(APPEND sources ${found})
    endforeach()
    if(sources)
        add_library(gn_${name} OBJECT ${sources})
        gn_compile(gn_${name})
        set(targets gn_${name})
        if(GUESTNET_WHOLE)
            set_target_properties(gn_${name} PROPERTIES EXCLUDE_FROM_ALL ON)
            gn_add_whole(gn_${name}_whole ${sources})
            list(APPEND targets gn_${name}_whole)
        endif()
        set_property(GLOBAL PROPERTY GN_TARGETS_${name} ${targets})
    endif()
endfunction()

# gn_folder_adds(NAME OBJECT TARGET) makes a file of machine code part of the
# folder, which the target builds.
function(gn_folder_adds name object target)
    set_property(GLOBAL APPEND PROPERTY GN_ADDED_${name} "${object}")
    set_property(GLOBAL APPEND PROPERTY GN_NEEDS_${name} ${target})
endfunction()

# gn_folder_uses(NAME LIBRARY...) lets the folder include the libraries' headers;
# what is made of the folder links them.
function(gn_folder_uses name)
    get_property(targets GLOBAL PROPERTY GN_TARGETS_${name})
    foreach(target IN LISTS targets)
        target_link_libraries(${target} PRIVATE ${ARGN})
    endforeach()
    set_property(GLOBAL APPEND PROPERTY GN_LIBRARIES_${name} ${ARGN})
endfunction()

# gn_folder_defines(NAME MACRO...) compiles the folder with the macros.
function(gn_folder_defines name)
    get_property(targets GLOBAL PROPERTY GN_TARGETS_${name})
    foreach(target IN LISTS targets)
        target_compile_definitions(${target} PRIVATE ${ARGN})
    endforeach()
endfunction()

# What folders have beside the code that is compiled from their sources.
function(link_rest target)
    foreach(folder IN LISTS ARGN)
        foreach(what IN ITEMS ADDED NEEDS LIBRARIES)
            get_property(${what} GLOBAL PROPERTY GN_${what}_${folder})
        endforeach()
        target_sources(${target} PRIVATE ${ADDED})
        if(NEEDS)
            add_dependencies(${target} ${NEEDS})
        endif()
        target_link_libraries(${target} PRIVATE ${LIBRARIES})
    endforeach()
endfunction()

# gn_link_folders(TARGET FOLDER...) puts the folders' objects into a target.
function(gn_link_folders target)
    foreach(folder IN LISTS ARGN)
        if(TARGET gn_${folder})
            target_sources(${target} PRIVATE $<TARGET_OBJECTS:gn_${folder}>)
        endif()
    endforeach()
    link_rest(${target} ${ARGN})
endfunction()

# gn_link_all(TARGET) puts what the library is made of into a target.
function(gn_link_all target)
    get_property(folders GLOBAL PROPERTY GN_FOLDERS)
    if(GUESTNET_WHOLE)
        gn_link_whole(${target})
        link_rest(${target} ${folders})
    else()
        gn_link_folders(${target} ${folders})
    endif()
endfunction()

# gn_program(TARGET) makes a program that uses the library as a stranger would:
# it sees include/ only.
function(gn_program target)
    gn_compile(${target})
    target_include_directories(${target} BEFORE PRIVATE
        "${PROJECT_SOURCE_DIR}/include")
    target_link_libraries(${target} PRIVATE guestnet::guestnet_static)
endfunction()
