#include <emoengine.hpp>
#include <iostream>

int main(int argc, char** argv) try {
  if (argc != 4) throw emoengine::Error(EMO_ARGUMENT, "usage: example face.jpg voice.wav out.png");
  const emoengine::Engine engine;
  const emoengine::Picture photo = emoengine::read_picture(argv[1]);
  const emoengine::Voice voice = engine.hear(emoengine::read_sound(argv[2], engine.sample_rate()));
  engine.redraw(photo, engine.find_faces(photo).at(0), voice.whole());
  emoengine::write_picture(photo, argv[3]);
} catch (const std::exception& e) {
  std::cerr << e.what() << '\n';
  return 1;
}
