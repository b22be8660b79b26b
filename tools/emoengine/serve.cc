#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/ip/address.hpp>
#include <cstdio>
#include <memory>

#include "tools/emoengine/commands.h"
#include "tools/emoengine/options.h"
#include "tools/emoengine/report.h"
#include "tools/emoengine/serve/server.h"

namespace emo::cli {
namespace {

struct ServeOptions {
  serve::Options server;
  int max_batch = 0;
  ModelOptions model;
};

void serve(const ServeOptions& options) {
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(options.server.host, error);
  if (options.server.api_key_file.empty() && !(options.server.host == "localhost" || (!error && address.is_loopback()))) {
    std::fprintf(messages(), "emoengine: warning: everyone who reaches %s may use this server; give --api-key-file\n",
                 one_line(options.server.host).c_str());
  }
  const auto open = [&] {
    EngineOptions engine = engine_options(options.model, Needs::kBoth);
    engine.scheduler = {.max_batch = options.max_batch, .max_queue = limits::kMaxQueue, .max_contexts = 0};
    return std::make_unique<const Engine>(engine);
  };
  const auto told = [&](const std::string& url) {
    if (options.model.quiet) return;
    std::printf("emoengine serves %s\n", url.c_str());
    std::fflush(stdout);
  };
  // What decoders print would come between the log's lines, and wait for its reader.
  const int log = ::fileno(messages()), nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  ::dup2(nowhere, 2);
  ::close(nowhere);
  serve::run(options.server, open, log, told);
}

}  // namespace

void add_serve(CLI::App& app) {
  auto* command = add_command(app, "serve", "serve a page to play with, and an HTTP interface to programs", "--port 8080");
  auto options = std::make_shared<ServeOptions>();
  serve::Options& server = options->server;
  command->add_option("--host", server.host, "address to listen on; 0.0.0.0: every one of this machine")
      ->capture_default_str();
  command->add_option("--port", server.port, "port to listen on; 0: any that is free")
      ->capture_default_str()
      ->check(whole(0, 65535));
  command
      ->add_option("--max-batch", options->max_batch,
                   "the most faces that are drawn together; 0: as many as suit the machine")
      ->capture_default_str()
      ->check(whole(0, limits::kMaxBatch));
  command
      ->add_option("--max-queue", server.max_queue,
                   "the most requests that wait or are worked on; others are answered with 503")
      ->capture_default_str()
      ->check(whole(1, 10'000));
  command
      ->add_option("--max-per-client", server.max_per_client,
                   "the same of one client (a key, else an address), who is answered with 429; 0: no limit [default: 16, "
                   "none for clients on this machine]")
      ->check(whole(0, 10'000));
  command
      ->add_option("--max-connections", server.max_connections, "the most open connections; idle ones make room for others")
      ->capture_default_str()
      ->check(whole(8, 100'000));
  command
      ->add_option("--timeout-ms", server.timeout_ms,
                   "time that a request may take; of an animation, its first bytes, and from each piece to the next")
      ->capture_default_str()
      ->check(whole(100, 3'600'000));
  command
      ->add_option("--workers", server.workers,
                   "threads that read photos and sounds, find faces and encode; 0: one a processor")
      ->capture_default_str()
      ->check(whole(0, limits::kMaxContexts));
  command->add_option("--clips", server.clips, "animations that are drawn at the same time; others wait")
      ->capture_default_str()
      ->check(whole(1, limits::kMaxContexts));
  command->add_option("--api-key-file", server.api_key_file, "keys, one a line; who has none of them is answered with 401");
  command->add_option("--allowed-host", server.allowed_hosts,
                      "name under which clients reach this server, besides localhost and --host; several: repeat it");
  command->add_option("--allowed-origin", server.allowed_origins,
                      "site whose pages may use this server, for example https://example.org; several: repeat it");
  add_image_limits(*command, server.image);
  add_audio_limits(*command, server.audio);
  add_model_options(*command, options->model, Needs::kBoth);
  command->callback([options] { serve(*options); });
}

}  // namespace emo::cli
