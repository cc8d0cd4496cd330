#include "eval/svg.h"

#include <doctest/doctest.h>

using namespace amk::eval;

TEST_CASE("numbers have at most two decimals and no trailing zeros") {
  CHECK(svg_number(1.5) == "1.5");
  CHECK(svg_number(2) == "2");
  CHECK(svg_number(0.256) == "0.26");
  CHECK(svg_number(-0.001) == "0");
  CHECK(svg_number(100) == "100");
}

TEST_CASE("text is escaped, and an empty path is none") {
  Svg svg(10, 20);
  svg.text(1, 2, "a<b>&\"c\"\n", Anchor::kEnd);
  svg.path("", "#000000", 1);
  const std::string document = svg.document();
  CHECK(document.find("a&lt;b&gt;&amp;&quot;c&quot;?</text>") != std::string::npos);
  CHECK(document.find("text-anchor=\"end\"") != std::string::npos);
  CHECK(document.find("<path") == std::string::npos);
  CHECK(document.starts_with("<svg xmlns="));
  CHECK(document.ends_with("</svg>\n"));
}
