# Fails unless PROGRAM asks the loader for nothing but the C and C++ runtimes (and those of the sanitizers SANITIZE, when
# it is built with any). Run by ctest: cmake -DREADELF=... -DPROGRAM=... -DSANITIZE=... -P this.
set(allowed "libc\\.so|libm\\.so|libstdc\\+\\+\\.so|libgcc_s\\.so|ld-linux")
if(SANITIZE)
  string(APPEND allowed "|lib[a-z]+san\\.so")
endif()
execute_process(COMMAND "${READELF}" --dynamic --wide "${PROGRAM}" OUTPUT_VARIABLE dynamic RESULT_VARIABLE failed
  COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "\\(NEEDED\\)[^\n]*\\[[^]\n]*\\]" needed "${dynamic}")
if(needed STREQUAL "")
  message(FATAL_ERROR "expected ${PROGRAM} to need libc at least, found no NEEDED entry")
endif()
foreach(entry IN LISTS needed)
  string(REGEX REPLACE ".*\\[(.*)\\]" "\\1" library "${entry}")
  if(NOT library MATCHES "^(${allowed})")
    message(SEND_ERROR "expected ${PROGRAM} to need only libc and libstdc++, found ${library}: link its archive")
  endif()
  message(STATUS "needs ${library}")
endforeach()
