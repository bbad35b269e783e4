# SPDX-License-Identifier: BSD-3-Clause
#
# Where lwIP's and c-ares' sources are. script/setup puts both into a cache
# folder; a folder given by hand (-DGUESTNET_LWIP_DIR, -DGUESTNET_CARES_DIR)
# goes before it, and a c-ares installed on the machine serves when it is new
# enough: then GN_CARES_LIBRARY is set. libuv and libpcap are the machine's.
# Nothing is downloaded from here.

set(GUESTNET_LWIP_DIR "" CACHE PATH "Source of lwIP, with our patches applied")
set(GUESTNET_CARES_DIR "" CACHE PATH "Source or install prefix of c-ares")

if(DEFINED ENV{GUESTNET_CACHE})
    set(cache "$ENV{GUESTNET_CACHE}")
elseif(DEFINED ENV{XDG_CACHE_HOME})
    set(cache "$ENV{XDG_CACHE_HOME}/guestnet")
else()
    set(cache "$ENV{HOME}/.cache/guestnet")
endif()

# header_version(OUT FILE PREFIX) reads PREFIX_MAJOR, _MINOR and _REVISION or
# _PATCH; "" when there is no such file.
function(header_version out file prefix)
    set(version "")
    if(EXISTS "${file}")
        file(STRINGS "${file}" lines
            REGEX "^#define +${prefix}_(MAJOR|MINOR|REVISION|PATCH) +[0-9]+")
        string(REGEX REPLACE "#define +[A-Z_]+ +" "" version "${lines}")
        list(JOIN version "." version)
    endif()
    set(${out} "${version}" PARENT_SCOPE)
endfunction()

function(find_lwip)
    set(dir "${GUESTNET_LWIP_DIR}")
    if(NOT dir)
        set(dir "${cache}/lwip")
    endif()
    header_version(version "${dir}/src/include/lwip/init.h" LWIP_VERSION)
    if(version VERSION_LESS 2.2.1)
        message(FATAL_ERROR "lwIP 2.2.1 or newer is missing (looked into "
            "${dir}): run script/setup sources, or give its source "
            "by -DGUESTNET_LWIP_DIR=DIR")
    endif()
    file(GLOB patches CONFIGURE_DEPENDS
        "${PROJECT_SOURCE_DIR}/netstack/patches/*.patch")
    find_program(GUESTNET_PATCH patch REQUIRED)
    foreach(patch IN LISTS patches)
        execute_process(
            COMMAND ${GUESTNET_PATCH} -p1 -R --dry-run -f -s -d "${dir}"
                -i "${patch}"
            RESULT_VARIABLE failed OUTPUT_QUIET ERROR_QUIET)
        if(failed)
            message(FATAL_ERROR "lwIP in ${dir} lacks a patch of ours: run "
                "script/setup sources, or: patch -p1 -d ${dir} -i ${patch}")
        endif()
    endforeach()
    set(GN_LWIP_DIR "${dir}" PARENT_SCOPE)
    set(GN_LWIP_VERSION "${version}" PARENT_SCOPE)
    message(STATUS "lwIP ${version}: ${dir}")
endfunction()

function(find_cares)
    set(dir "${GUESTNET_CARES_DIR}")
    if(NOT dir)
        find_package(PkgConfig QUIET)
        if(PKG_CONFIG_FOUND)
            pkg_check_modules(GN_CARES_PC QUIET libcares>=1.34)
        endif()
        if(GN_CARES_PC_FOUND)
            set(dir "${GN_CARES_PC_PREFIX}")
        else()
            set(dir "${cache}/c-ares")
        endif()
    endif()
    header_version(version "${dir}/include/ares_version.h" ARES_VERSION)
    if(version VERSION_LESS 1.34)
        message(FATAL_ERROR "c-ares 1.34 or newer is missing (looked into "
            "${dir}): run script/setup build, install libcares, or give its "
            "source by -DGUESTNET_CARES_DIR=DIR")
    endif()
    if(EXISTS "${dir}/src/lib/ares_init.c")
        set(library "")
    else()
        find_library(library NAMES cares PATHS "${dir}" NO_CACHE REQUIRED
            PATH_SUFFIXES lib "lib/${CMAKE_LIBRARY_ARCHITECTURE}"
            NO_DEFAULT_PATH)
    endif()
    set(GN_CARES_DIR "${dir}" PARENT_SCOPE)
    set(GN_CARES_LIBRARY "${library}" PARENT_SCOPE)
    set(GN_CARES_VERSION "${version}" PARENT_SCOPE)
    message(STATUS "c-ares ${version}: ${dir} ${library}")
endfunction()

# gn_find_installed(NAME SPEC PACKAGE SET) finds what pkg-config knows as SPEC,
# such as libuv>=1.44: target PkgConfig::NAME. PACKAGE is Debian's name, SET that
# of script/setup which has it.
function(gn_find_installed name spec package set)
    find_package(PkgConfig REQUIRED)
    pkg_check_modules(${name} QUIET IMPORTED_TARGET GLOBAL "${spec}")
    string(REGEX REPLACE ">=.*" "" module "${spec}")
    if(NOT ${name}_FOUND)
        string(REGEX REPLACE ">=(.*)" " \\1 or newer" wanted "${spec}")
        message(FATAL_ERROR "${wanted} is missing (pkg-config does not know "
            "it): run script/setup ${set}, install ${package}, or name the "
            "folder of its ${module}.pc in PKG_CONFIG_PATH")
    endif()
    set(${name}_VERSION "${${name}_VERSION}" PARENT_SCOPE)
    message(STATUS "${module} ${${name}_VERSION}")
endfunction()

set(GN_LIBUV_LEAST 1.44)
set(GN_LIBPCAP_LEAST 1.10)
set(GN_OPENSSL_LEAST 3.0)

find_lwip()
find_cares()
gn_find_installed(GN_LIBUV libuv>=${GN_LIBUV_LEAST} libuv1-dev build)
gn_find_installed(GN_LIBPCAP libpcap>=${GN_LIBPCAP_LEAST} libpcap-dev build)
set(GN_TLS_REQUIRES "")
if(GUESTNET_TLS)
    gn_find_installed(GN_TLS openssl>=${GN_OPENSSL_LEAST} libssl-dev build)
    set(GN_TLS_REQUIRES ", openssl >= ${GN_OPENSSL_LEAST}")
endif()
