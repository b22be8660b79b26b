# What `cmake --install` puts where, and what `cpack -G DEB` makes of it: a component is a package.
#   library  libemoengine0         the shared library; needs neither OpenCV nor FFmpeg
#   media    libemoengine-media0   its plug-ins for pictures, faces, sounds and videos
#   dev      libemoengine-dev      headers, CMake's and pkg-config's files
#   models   emoengine-models      the weight files and their licence
#   tool     emoengine             the command line
include(CMakePackageConfigHelpers)
set(config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/emoengine)

install(TARGETS emo_c_api EXPORT emoengine
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library NAMELINK_COMPONENT dev
        INCLUDES DESTINATION include)
install(DIRECTORY include/ DESTINATION include COMPONENT dev)
install(EXPORT emoengine NAMESPACE emoengine:: FILE emoengineConfig.cmake DESTINATION ${config_dir} COMPONENT dev)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/emoengineConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/emoengineConfigVersion.cmake DESTINATION ${config_dir} COMPONENT dev)
file(RELATIVE_PATH prefix_from_pc /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
string(REGEX REPLACE "/$" "" prefix_from_pc ${prefix_from_pc})
configure_file(cmake/emoengine.pc.in emoengine.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/emoengine.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT dev)

foreach(plugin IN ITEMS emo_media emo_opencv emo_photos emo_video emo_cuda)
  if(TARGET ${plugin})
    string(REPLACE emo_ "" component ${plugin})
    string(REGEX REPLACE "opencv|photos|video" media component ${component})
    install(TARGETS ${plugin} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/emoengine COMPONENT ${component})
  endif()
endforeach()
install(FILES weights/generator.safetensors weights/generator-lite.safetensors weights/speech.safetensors weights/reader.safetensors
              weights/README.md
              weights/EVALUATION.md weights/LICENSE
        DESTINATION share/emoengine/weights COMPONENT models)
if(TARGET emoengine)
  install(TARGETS emoengine RUNTIME COMPONENT tool)
endif()
if(EMO_PYTHON OR NOT PROJECT_IS_TOP_LEVEL)
  return()
endif()

set(CPACK_PACKAGE_CONTACT "The emoengine authors <maintainers@emoengine.invalid>")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL "")
set(same "(= ${PROJECT_VERSION})")
# emo_deb(COMPONENT PACKAGE SECTION DEPENDS DESCRIPTION)
macro(emo_deb component package section depends description)
  list(APPEND CPACK_COMPONENTS_ALL ${component})
  string(TOUPPER ${component} upper)
  set(CPACK_DEBIAN_${upper}_PACKAGE_NAME ${package})
  set(CPACK_DEBIAN_${upper}_PACKAGE_SECTION ${section})
  set(CPACK_DEBIAN_${upper}_PACKAGE_DEPENDS "${depends}")
  set(CPACK_DEBIAN_${upper}_PACKAGE_SHLIBDEPS ON)
  set(CPACK_COMPONENT_${upper}_DESCRIPTION "${description}")
endmacro()
emo_deb(library libemoengine0 libs "" "Makes a photographed face wear the emotion of a voice: library")
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SUGGESTS "libemoengine-media0 ${same}, emoengine-models ${same}")
emo_deb(dev libemoengine-dev libdevel "libemoengine0 ${same}" "Makes a photographed face wear the emotion of a voice: headers")
emo_deb(models emoengine-models non-free/science "" "Weight files of emoengine, under a licence of their own")
set(CPACK_DEBIAN_MODELS_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_MODELS_PACKAGE_SHLIBDEPS OFF)
install(FILES weights/LICENSE DESTINATION share/doc/emoengine-models RENAME copyright COMPONENT models)
set(licensed library:libemoengine0 dev:libemoengine-dev)
if(TARGET emo_media)
  emo_deb(media libemoengine-media0 libs "" "Plug-ins of libemoengine0 for pictures, faces, sounds and videos")
  list(APPEND licensed media:libemoengine-media0)
endif()
if(EMO_TOOLS)
  emo_deb(tool emoengine graphics "libemoengine-media0 ${same}, emoengine-models ${same}"
          "Makes a photographed face wear the emotion of a voice: command line")
  list(APPEND licensed tool:emoengine)
endif()
foreach(pair IN LISTS licensed)
  string(REGEX MATCH "^(.*):(.*)$" _ ${pair})
  install(FILES LICENSE DESTINATION share/doc/${CMAKE_MATCH_2} RENAME copyright COMPONENT ${CMAKE_MATCH_1})
endforeach()
include(CPack)
