# Fails where PROGRAM has the code that opens the CUDA driver: only amk-worker touches a GPU. Run by ctest:
# cmake -DPROGRAM=... -P this.
file(STRINGS "${PROGRAM}" found REGEX "libcuda\\.so\\.1" LIMIT_COUNT 1)
if(found)
  message(FATAL_ERROR "expected ${PROGRAM} to leave the CUDA driver to amk-worker, found that it names '${found}'")
endif()
