"""What was compiled: libemoengine.so.0, its plug-ins, and the modules `core` and `command` over them."""
