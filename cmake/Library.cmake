# SPDX-License-Identifier: BSD-3-Clause
#
# The library in its two forms, from the same objects, and what is installed.
# Only gn_* is visible: hidden visibility does it for code of the library, and
# the joined object (netstack/) keeps lwIP's names local.

include(CMakePackageConfigHelpers)

set(targets guestnet_static)
add_library(guestnet_static STATIC)
if(GUESTNET_SHARED)
    add_library(guestnet SHARED)
    list(APPEND targets guestnet)
    set_target_properties(guestnet PROPERTIES
        VERSION ${PROJECT_VERSION}
        SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
    target_link_options(guestnet PRIVATE -Wl,--no-undefined)
    target_link_libraries(guestnet PRIVATE Threads::Threads)
    add_library(guestnet::guestnet ALIAS guestnet)
else()
    add_library(guestnet::guestnet ALIAS guestnet_static)
endif()
add_library(guestnet::guestnet_static ALIAS guestnet_static)
target_link_libraries(guestnet_static PUBLIC Threads::Threads)

foreach(target IN LISTS targets)
    gn_link_all(${target})
    set_target_properties(${target} PROPERTIES
        OUTPUT_NAME guestnet
        LINKER_LANGUAGE C)
    target_include_directories(${target} INTERFACE
        $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
        $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
endforeach()

# The sanitizers' runtime is the program's, not the library's.
if(GUESTNET_SHARED AND CMAKE_C_FLAGS MATCHES "-fsanitize=")
    get_target_property(options guestnet LINK_OPTIONS)
    list(REMOVE_ITEM options -Wl,--no-undefined)
    set_target_properties(guestnet PROPERTIES LINK_OPTIONS "${options}")
endif()

if(NOT PROJECT_IS_TOP_LEVEL)
    return()
endif()

set(config_dir "${CMAKE_INSTALL_LIBDIR}/cmake/guestnet")
install(TARGETS ${targets} EXPORT guestnet
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/guestnet DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
    FILES_MATCHING PATTERN "*.h")
install(EXPORT guestnet NAMESPACE guestnet::
    FILE guestnet-targets.cmake DESTINATION ${config_dir})
configure_package_config_file(cmake/guestnet-config.cmake.in
    guestnet-config.cmake INSTALL_DESTINATION ${config_dir})
write_basic_package_version_file(guestnet-config-version.cmake
    COMPATIBILITY SameMinorVersion)
file(RELATIVE_PATH up_to_prefix
    "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig" "${CMAKE_INSTALL_PREFIX}")
configure_file(cmake/guestnet.pc.in guestnet.pc @ONLY)
install(FILES
    "${CMAKE_CURRENT_BINARY_DIR}/guestnet-config.cmake"
    "${CMAKE_CURRENT_BINARY_DIR}/guestnet-config-version.cmake"
    DESTINATION ${config_dir})
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/guestnet.pc"
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
