// Whether a text is well-formed XML: tags nest and close, attributes are quoted and not repeated, text is escaped. For
// pages that are written as XHTML: <!DOCTYPE html> may come first, and <style> is text like any other.
#pragma once

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>
#include <vector>

namespace amk::test {

class XmlCheck {
 public:
  /// What is wrong, with the text around it; empty: nothing.
  static std::string problem(std::string_view text) { return XmlCheck(text).run(); }

 private:
  explicit XmlCheck(std::string_view text) : text_(text) {}

  std::string run() {
    if (text_.starts_with("<!DOCTYPE html>")) at_ = 15;
    while (at_ < text_.size() && wrong_.empty()) {
      if (text_[at_] == '<') {
        tag();
      } else {
        character("text");
      }
    }
    if (wrong_.empty() && !open_.empty()) wrong_ = "not closed: " + open_.back();
    return wrong_;
  }

  void fail(const std::string& what) {
    if (wrong_.empty()) wrong_ = what + " at '" + std::string(text_.substr(at_, 60)) + "'";
  }

  void character(const char* where) {
    const char c = text_[at_];
    if (c == '&') {
      const size_t end = text_.find(';', at_);
      const std::string_view name = text_.substr(at_, end == std::string_view::npos ? 8 : end - at_ + 1);
      constexpr std::string_view kKnown[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
      if (std::ranges::count(kKnown, name) == 0) return fail(std::string("no entity in ") + where);
      at_ = end;
    } else if (c == '<' || (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t')) {
      return fail(std::string("no character of ") + where);
    }
    ++at_;
  }

  std::string name() {
    const size_t begin = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) != 0 || text_[at_] == '-'))
      ++at_;
    if (at_ == begin) fail("no name");
    return std::string(text_.substr(begin, at_ - begin));
  }

  void tag() {
    ++at_;
    const bool closes = at_ < text_.size() && text_[at_] == '/';
    if (closes) ++at_;
    const std::string element = name();
    if (closes) {
      if (open_.empty() || open_.back() != element) return fail("closes what is not open: " + element);
      open_.pop_back();
      if (at_ >= text_.size() || text_[at_] != '>') return fail("no end of a closing tag");
      ++at_;
      return;
    }
    std::vector<std::string> seen;
    while (wrong_.empty() && at_ < text_.size() && text_[at_] == ' ') attribute(seen);
    if (text_.substr(at_).starts_with("/>")) {
      at_ += 2;
    } else if (at_ < text_.size() && text_[at_] == '>') {
      ++at_;
      open_.push_back(element);
    } else {
      fail("no end of a tag");
    }
  }

  void attribute(std::vector<std::string>& seen) {
    ++at_;
    const std::string key = name();
    if (std::ranges::count(seen, key) > 0) return fail("twice: " + key);
    seen.push_back(key);
    if (!text_.substr(at_).starts_with("=\"")) return fail("no quoted value");
    at_ += 2;
    while (wrong_.empty() && at_ < text_.size() && text_[at_] != '"') character("a value");
    ++at_;
  }

  std::string_view text_;
  size_t at_ = 0;
  std::vector<std::string> open_;
  std::string wrong_;
};

}  // namespace amk::test
