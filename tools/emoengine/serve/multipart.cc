#include "tools/emoengine/serve/multipart.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "tools/emoengine/serve/http.h"
#include "tools/emoengine/serve/limits.h"

namespace emo::serve {
namespace {

template <typename... Why>
[[noreturn]] void refuse(const Why&... why) {
  throw HttpError(400, concat("form: ", why...));
}

std::string lower(std::string_view text) {
  std::string small(text);
  for (char& c : small) {
    if (c >= 'A' && c <= 'Z') c = char(c - 'A' + 'a');
  }
  return small;
}

/// The value of `name` in "form-data; name="a"; filename="b"": quoted, with \" for a quote, or a bare word. Empty: none.
std::string parameter(std::string_view header, std::string_view name) {
  auto at = header.find(';');
  while (at != header.npos) {
    header.remove_prefix(at + 1);
    header = trim(header);
    const auto equals = header.find('=');
    if (equals == header.npos) return "";
    const bool wanted = lower(trim(header.substr(0, equals))) == name;
    header = trim(header.substr(equals + 1));
    std::string value;
    if (header.starts_with('"')) {
      std::size_t i = 1;
      for (; i < header.size() && header[i] != '"'; ++i) {
        if (header[i] == '\\' && i + 1 < header.size()) ++i;
        value += header[i];
      }
      at = header.find(';', std::min(i, header.size()));
    } else {
      at = header.find(';');
      value = trim(header.substr(0, at));
    }
    if (wanted) return value;
  }
  return "";
}

Part read_part(std::string_view text) {
  const auto head_end = text.starts_with("\r\n") ? 0 : text.find("\r\n\r\n");
  if (head_end == text.npos) refuse("a part has no end of its headers");
  if (head_end > limits::kMaxHttpHeaderBytes) {
    refuse("a part's headers are of ", head_end, " bytes; at most ", limits::kMaxHttpHeaderBytes, " are taken");
  }
  Part part;
  part.content = text.substr(head_end + (head_end == 0 ? 2 : 4));
  for (auto line : split(text.substr(0, head_end), '\n')) {
    const auto colon = line.find(':');
    if (colon == line.npos || lower(line.substr(0, colon)) != "content-disposition") continue;
    line.remove_prefix(colon + 1);
    part.name = parameter(line, "name");
    part.filename = parameter(line, "filename");
  }
  if (part.name.empty()) refuse("a part has no name; Content-Disposition: form-data; name=\"...\" is needed");
  return part;
}

}  // namespace

Form::Form(std::string_view type, std::string_view body) {
  const std::string boundary = parameter(type, "boundary");
  if (lower(trim(type.substr(0, type.find(';')))) != "multipart/form-data" || boundary.empty() || boundary.size() > 70) {
    throw HttpError(415, concat("Content-Type: '", printable(type),
                                "' came; multipart/form-data with a boundary is needed, as curl -F sends it"));
  }
  const std::string delimiter = "--" + boundary;
  if (!body.starts_with(delimiter)) {
    const auto start = body.find("\r\n" + delimiter);  // what stands before the first part means nothing
    if (start == body.npos) refuse("the body does not hold the boundary that Content-Type names");
    body.remove_prefix(start + 2);
  }
  body.remove_prefix(delimiter.size());
  while (!body.starts_with("--")) {
    const auto line_end = body.find("\r\n");
    if (line_end == body.npos || !trim(body.substr(0, line_end)).empty())
      refuse("a boundary is not followed by a line break");
    body.remove_prefix(line_end + 2);
    const auto end = body.find("\r\n" + delimiter);
    if (end == body.npos) refuse("the last part has no end; the body was cut");
    if (parts_.size() == limits::kMaxParts) refuse("more than ", limits::kMaxParts, " fields came");
    Part part = read_part(body.substr(0, end));
    if (find(part.name)) refuse("`", printable(part.name), "` came twice");
    parts_.push_back(std::move(part));
    body.remove_prefix(end + 2 + delimiter.size());
  }
}

const Part* Form::find(std::string_view name) const {
  const auto found = std::ranges::find(parts_, name, &Part::name);
  return found == parts_.end() ? nullptr : &*found;
}

std::string_view Form::text(std::string_view name) const {
  const Part* part = find(name);
  return part ? part->content : std::string_view();
}

std::string_view Form::needed(std::string_view name) const {
  const Part* part = find(name);
  if (!part) throw HttpError(400, concat("`", name, "`: the field is missing; send it as in curl -F ", name, "=@FILE"));
  if (part->content.empty()) throw HttpError(400, concat("`", name, "`: came empty; a file with contents is needed"));
  return part->content;
}

double Form::number(std::string_view name, double otherwise, double least, double most) const {
  if (!find(name)) return otherwise;
  const auto value = parse_number(trim(text(name)));
  if (value && *value >= least && *value <= most) return *value;
  throw HttpError(
      400, concat("`", name, "`: '", printable(text(name)), "' came; a number from ", least, " to ", most, " is needed"));
}

void Form::only(std::initializer_list<std::string_view> names) const {
  for (const Part& part : parts_) {
    if (std::ranges::find(names, std::string_view(part.name)) != names.end()) continue;
    std::string known;
    for (const auto name : names) known += (known.empty() ? "`" : ", `") + std::string(name) + "`";
    refuse("`", printable(part.name), "` is no field of this request; ", known, " are");
  }
}

}  // namespace emo::serve
