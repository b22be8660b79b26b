#include "base/version.h"

#include "emoengine.h"

uint32_t emo_abi() { return EMO_ABI; }
const char* emo_version() { return emo::version(); }
