# SPDX-License-Identifier: BSD-3-Clause
#
# What every folder of the library shares: how it is compiled, and what a
# program made of some folders has to link.

find_package(Threads REQUIRED)

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
        set_property(GLOBAL APPEND PROPERTY GN_OBJECTS_${name}
            $<TARGET_OBJECTS:gn_${name}>)
    endif()
endfunction()

# gn_folder_uses(NAME LIBRARY...) lets the folder include the libraries' headers;
# what is made of the folder links them.
function(gn_folder_uses name)
    target_link_libraries(gn_${name} PRIVATE ${ARGN})
    set_property(GLOBAL APPEND PROPERTY GN_LIBRARIES_${name} ${ARGN})
endfunction()

# gn_link_folders(TARGET FOLDER...) puts the folders' objects into a target.
function(gn_link_folders target)
    foreach(folder IN LISTS ARGN)
        get_property(objects GLOBAL PROPERTY GN_OBJECTS_${folder})
        target_sources(${target} PRIVATE ${objects})
        get_property(needs GLOBAL PROPERTY GN_NEEDS_${folder})
        if(needs)
            add_dependencies(${target} ${needs})
        endif()
        get_property(libraries GLOBAL PROPERTY GN_LIBRARIES_${folder})
        target_link_libraries(${target} PRIVATE ${libraries})
    endforeach()
endfunction()

# gn_program(TARGET) makes a program that uses the library as a stranger would:
# it sees include/ only.
function(gn_program target)
    gn_compile(${target})
    target_include_directories(${target} BEFORE PRIVATE
        "${PROJECT_SOURCE_DIR}/include")
    target_link_libraries(${target} PRIVATE guestnet::guestnet_static)
endfunction()
