#include "engine/c_api/guard.h"

#include <cstdio>
#include <new>
#include <system_error>

namespace emo::c_api {
namespace {

thread_local char last_error[1024];  // of fixed size: kept also when there is no memory

emo_status status_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInternal: return EMO_INTERNAL;
    case ErrorKind::kUsage: return EMO_ARGUMENT;
    case ErrorKind::kInput: return EMO_INPUT;
    case ErrorKind::kModel: return EMO_MODEL;
    case ErrorKind::kDevice: return EMO_DEVICE;
    case ErrorKind::kSomeInputs: return EMO_INPUT;
    case ErrorKind::kMemory: return EMO_MEMORY;
    case ErrorKind::kBusy: return EMO_BUSY;
    case ErrorKind::kCancelled: return EMO_CANCELLED;
    case ErrorKind::kTimeout: return EMO_TIMEOUT;
  }
  return EMO_INTERNAL;
}

}  // namespace

emo_status describe(const std::exception_ptr& error, char* text, std::size_t size) noexcept {
  const auto say = [&](const char* what) { std::snprintf(text, size, "%s", what); };
  try {
    std::rethrow_exception(error);
  } catch (const Error& e) {
    say(e.what());
    return status_of(e.kind());
  } catch (const std::bad_alloc&) {
    say("out of memory; use a smaller picture or a shorter clip");
    return EMO_MEMORY;
  } catch (const std::system_error& e) {  // a thread that cannot be started
    std::snprintf(text, size, "the system refuses: %s; end other programs", e.what());
    return EMO_DEVICE;
  } catch (const std::exception& e) {
    std::snprintf(text, size, "internal error: %s", e.what());
  } catch (...) {
    say("internal error");
  }
  return EMO_INTERNAL;
}

emo_status keep(const std::exception_ptr& error) noexcept { return describe(error, last_error, sizeof last_error); }

SourceFile::SourceFile(const emo_source& source, const char* name) : name_(name) {
  if (source.data) {
    if (source.bytes == 0) refuse("`", name, ".bytes`: 0 came with data; the size of the data is needed");
    memory_ = std::make_unique<MemoryFile>(std::span(static_cast<const std::byte*>(source.data), source.bytes));
    path_ = memory_->path();
  } else {
    if (!source.path || !*source.path) refuse("`", name, "`: neither a path nor data came; one of them is needed");
    path_ = source.path;
  }
}

Error SourceFile::renamed(const Error& error) const {
  std::string text = error.what();
  const std::string file = path_.string();
  for (std::size_t at; memory_ && (at = text.find(file)) != std::string::npos;) text.replace(at, file.size(), name_);
  return Error(error.kind(), text);
}

}  // namespace emo::c_api

const char* emo_error() { return emo::c_api::last_error; }
