#include "binding.h"

namespace emo::python {
namespace {

/// emoengine.errors.of(status): the exception class of a failure.
void raise(const std::exception_ptr& error, void*) {
  try {
    std::rethrow_exception(error);
  } catch (const emoengine::Error& e) {
    const nb::object kind = nb::module_::import_("emoengine.errors").attr("of")(e.status());
    PyErr_SetString(kind.ptr(), e.what());
  }
}

}  // namespace
}  // namespace emo::python

NB_MODULE(core, m) {
  using namespace emo::python;
  m.doc() = "libemoengine.so.0 for the package; use the package.";
  nb::set_leak_warnings(false);  // at exit they frighten users; the tests turn them on
  m.def("set_leak_warnings", &nb::set_leak_warnings, nb::arg("on"));
  m.def("end", &Call::end, "Waits for the calls of other threads; from then on none begins. Before Python ends.");
  m.def("after_fork", &Call::forget, "In a child: the calls of the parent's threads are not its own.");
  nb::register_exception_translator(raise);
  m.def(
      "version", [] { return emo_version(); }, "The library's version.");
  bind_engine(m);
  bind_frames(m);
  bind_media(m);
}
