# The target tidemark_cbc: COIN-OR's solver of integer programs, where it is found. TIDEMARK_CBC goes off where not.

# Static copies need a LAPACK besides, which machines that lack the libraries lack as well.
if(TIDEMARK_CBC AND TIDEMARK_PORTABLE)
  set(TIDEMARK_CBC OFF)
  message(STATUS "Strategy integer-program: off in a portable build")
elseif(TIDEMARK_CBC)
  find_path(CBC_INCLUDE_DIR coin/CbcModel.hpp)
  set(cbc_libraries "")
  foreach(library Cbc Cgl OsiClp Clp Osi CoinUtils)
    find_library(CBC_${library}_LIBRARY ${library})
    list(APPEND cbc_libraries ${CBC_${library}_LIBRARY})
  endforeach()
  if(CBC_INCLUDE_DIR AND NOT cbc_libraries MATCHES "NOTFOUND")
    message(STATUS "Strategy integer-program: on, with ${CBC_Cbc_LIBRARY}")
    add_library(tidemark_cbc INTERFACE)
    # Its headers include each other without the folder's name.
    target_include_directories(tidemark_cbc SYSTEM INTERFACE ${CBC_INCLUDE_DIR} ${CBC_INCLUDE_DIR}/coin)
    target_link_libraries(tidemark_cbc INTERFACE ${cbc_libraries})
  else()
    set(TIDEMARK_CBC OFF)
    message(STATUS "Strategy integer-program: off; for it, install CBC (Debian: coinor-libcbc-dev)")
  endif()
endif()
