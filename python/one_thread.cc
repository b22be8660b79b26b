// OpenMP with one thread, in the wheel's place of libgomp.so.1. The engine has threads of its own and runs oneDNN and soxr
// on one each, so no more is needed. A second real OpenMP in a process, beside PyTorch's, slows both and may fail to load.
#include <atomic>
#include <cstdint>

extern "C" {
void GOMP_parallel(void (*body)(void*), void* data, unsigned, unsigned) { body(data); }
void GOMP_barrier() {}
int omp_get_max_threads() { return 1; }
int omp_get_num_threads() { return 1; }
int omp_get_thread_num() { return 0; }
int omp_in_parallel() { return 0; }
void omp_set_num_threads(int) {}

// soxr locks tables that callers of several threads share. GCC's omp_lock_t has four bytes.
void omp_init_lock(std::uint32_t* lock) { *lock = 0; }
void omp_destroy_lock(std::uint32_t*) {}
void omp_set_lock(std::uint32_t* lock) {
  std::atomic_ref held(*lock);
  while (held.exchange(1) != 0) held.wait(1);
}
void omp_unset_lock(std::uint32_t* lock) {
  std::atomic_ref held(*lock);
  held = 0;
  held.notify_one();
}
}
