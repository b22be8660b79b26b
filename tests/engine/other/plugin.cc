// A plug-in of another release: installation_test.cc.
extern "C" const char* emo_plugin_version() { return "0.0.1-other"; }
extern "C" void emo_test_v1() {}
