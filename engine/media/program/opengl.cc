// OpenCV's static core mentions OpenGL, which nothing here reaches, so that its library need not be there.
extern "C" void* glXGetProcAddressARB(const unsigned char*) { return nullptr; }
