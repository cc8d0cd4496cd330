# Writes OUTPUT, a C++ file with the texts of the files NAMES (joined by "|"), each under ROOT, as HEADER declares them:
# NAMESPACE::FUNCTION() gives a span of TYPE, {name, text}. Run by the build:
# cmake -DROOT=... -DNAMES=... -DHEADER=... -DNAMESPACE=... -DTYPE=... -DFUNCTION=... -DOUTPUT=... -P this.
#
# A compiler need not take a string literal above 64 KiB in one piece, and some stop at 16: pieces end at a newline below
# that, and stand side by side.
set(PIECE_BYTES 15000)
set(DELIMITER "amk_text")

# The text as adjacent raw string literals.
function(literal_of text result)
  set(literal "")
  string(FIND "${text}" ")${DELIMITER}\"" clash)
  if(NOT clash EQUAL -1)
    message(FATAL_ERROR "a text holds )${DELIMITER}\", which ends the literal that it is written into")
  endif()
  string(LENGTH "${text}" left)
  while(left GREATER 0)
    string(SUBSTRING "${text}" 0 ${PIECE_BYTES} piece)
    if(left GREATER PIECE_BYTES)
      string(FIND "${piece}" "\n" cut REVERSE)
      if(cut EQUAL -1)
        message(FATAL_ERROR "a text holds a line of more than ${PIECE_BYTES} bytes")
      endif()
      math(EXPR cut "${cut} + 1")
      string(SUBSTRING "${text}" 0 ${cut} piece)
    else()
      set(cut ${left})
    endif()
    string(APPEND literal "\n    R\"${DELIMITER}(${piece})${DELIMITER}\"")
    string(SUBSTRING "${text}" ${cut} -1 text)
    string(LENGTH "${text}" left)
  endwhile()
  if(literal STREQUAL "")
    set(literal " \"\"")
  endif()
  set(${result} "${literal}" PARENT_SCOPE)
endfunction()

string(REPLACE "|" ";" names "${NAMES}")
set(texts "")
set(rows "")
set(index 0)
foreach(name IN LISTS names)
  file(READ "${ROOT}/${name}" text)
  literal_of("${text}" literal)
  string(APPEND texts "// ${name}\nconstexpr char kText${index}[] =${literal};\n")
  string(APPEND rows "    {\"${name}\", {kText${index}, sizeof(kText${index}) - 1}},\n")
  math(EXPR index "${index} + 1")
endforeach()

file(WRITE "${OUTPUT}.tmp"
  "// Made by cmake/EmbedTexts.cmake from the files it names.\n"
  "#include \"${HEADER}\"\n\n"
  "namespace ${NAMESPACE} {\nnamespace {\n\n${texts}\n"
  "constexpr ${TYPE} kTexts[] = {\n${rows}};\n\n}  // namespace\n\n"
  "std::span<const ${TYPE}> ${FUNCTION}() { return kTexts; }\n\n}  // namespace ${NAMESPACE}\n")
file(RENAME "${OUTPUT}.tmp" "${OUTPUT}")
