#pragma once

#include <memory>

#include "binding.h"

namespace emo::python {

/// An engine that Python closes, or that goes with its object.
class Engine {
 public:
  explicit Engine(const emo_options& options);

  /// Throws where it was closed, and in a child of the process that opened it.
  std::shared_ptr<Opened> opened() const;
  void close();
  bool closed() const { return !opened_; }

 private:
  std::shared_ptr<Opened> opened_;
};

/// A clip that was heard.
struct Voice {
  std::shared_ptr<Opened> engine;
  emoengine::Voice voice;
};

}  // namespace emo::python
