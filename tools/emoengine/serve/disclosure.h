#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace emo::serve {

/// That a picture was changed by a model, for whoever gets the file: an XMP packet with IPTC's DigitalSourceType
/// compositeWithTrainedAlgorithmicMedia. Source: IPTC Photo Metadata Standard 2023.1.
std::string_view disclosure();

/// A PNG with the packet, in an iTXt chunk after its header.
std::string disclosed_png(const std::vector<std::uint8_t>& png);

/// A GIF's application extension with the packet, to stand behind its header and colour table.
/// Source: XMP specification part 3, section 1.1.2.
std::string gif_disclosure();

/// Where a GIF's extension may stand; 0 while too little of it has come.
std::size_t gif_header_bytes(std::string_view gif);

}  // namespace emo::serve
