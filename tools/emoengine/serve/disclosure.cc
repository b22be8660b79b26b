#include "tools/emoengine/serve/disclosure.h"

#include <zlib.h>

#include "base/error.h"

namespace emo::serve {

std::string_view disclosure() {
  return "<?xpacket begin=\"\xEF\xBB\xBF\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>"
         "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">"
         "<rdf:Description rdf:about=\"\" xmlns:Iptc4xmpExt=\"http://iptc.org/std/Iptc4xmpExt/2008-02-29/\">"
         "<Iptc4xmpExt:DigitalSourceType>"
         "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
         "</Iptc4xmpExt:DigitalSourceType></rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end=\"r\"?>";
}

std::string disclosed_png(const std::vector<std::uint8_t>& png) {
  constexpr std::size_t kHeader = 8 + 25;  // signature and IHDR
  EMO_CHECK(png.size() > kHeader, "a PNG of ", png.size(), " bytes");
  std::string chunk("iTXtXML:com.adobe.xmp\0\0\0\0\0", 4 + 17 + 5);  // neither compressed nor translated
  chunk += disclosure();
  const auto big = [](std::size_t number) {
    return std::string{char(number >> 24), char(number >> 16), char(number >> 8), char(number)};
  };
  const auto crc = ::crc32(0, reinterpret_cast<const Bytef*>(chunk.data()), uInt(chunk.size()));
  std::string out(png.begin(), png.begin() + kHeader);
  out += big(chunk.size() - 4) + chunk + big(crc);
  out.append(png.begin() + kHeader, png.end());
  return out;
}

std::string gif_disclosure() {
  std::string extension("\x21\xFF\x0BXMP DataXMP");
  extension += disclosure();
  // A reader that knows nothing of XMP takes the text for blocks and ends up somewhere in these lengths, then at the 0.
  extension += '\x01';
  for (int i = 255; i >= 0; --i) extension += char(i);
  return extension + '\0';
}

std::size_t gif_header_bytes(std::string_view gif) {
  constexpr std::size_t kScreen = 13;
  if (gif.size() < kScreen) return 0;
  const auto flags = std::uint8_t(gif[10]);
  const std::size_t whole = kScreen + (flags & 0x80 ? std::size_t(3) << ((flags & 7) + 1) : 0);
  return gif.size() < whole ? 0 : whole;
}

}  // namespace emo::serve
