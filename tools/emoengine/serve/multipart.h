#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace emo::serve {

/// A field of a form; it points into the body.
struct Part {
  std::string name, filename;
  std::string_view content;
};

/// multipart/form-data, as RFC 7578 has it. `type` is the request's Content-Type.
/// Throws HttpError(415) for another type, HttpError(400) for what is no such body, for a name that stands there twice and
/// for more than limits::kMaxParts.
class Form {
 public:
  Form(std::string_view type, std::string_view body);

  const std::vector<Part>& parts() const { return parts_; }
  /// Null: there is none.
  const Part* find(std::string_view name) const;
  /// Throws HttpError(400) when it is missing or empty.
  std::string_view needed(std::string_view name) const;
  /// Empty when it is missing.
  std::string_view text(std::string_view name) const;
  /// Throws HttpError(400) for a number that cannot be read or lies outside these.
  double number(std::string_view name, double otherwise, double least, double most) const;
  /// Throws HttpError(400) for a field with another name than these.
  void only(std::initializer_list<std::string_view> names) const;

 private:
  std::vector<Part> parts_;
};

}  // namespace emo::serve
