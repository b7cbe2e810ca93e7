// The threads that serve connections. One that is about to sleep leaves what it
// keeps free to the others: an arena at its limit has that back at once.
//
// Thread-safe.
#ifndef MYONLY_EXAMPLES_TENANT_SERVER_WORKERS_H_
#define MYONLY_EXAMPLES_TENANT_SERVER_WORKERS_H_

#include <httplib.h>

#include <atomic>
#include <cstddef>
#include <functional>
#include <utility>

#include "myonly/myonly.h"

namespace myonly::tenant_server {

class Workers : public httplib::TaskQueue {
 public:
  explicit Workers(size_t threads) : pool_(threads) {}

  // Nothing, or in newer versions of the library whether there was room, which
  // there always is.
  using Enqueued = decltype(std::declval<httplib::ThreadPool&>().enqueue({}));

  Enqueued enqueue(std::function<void()> connection) override {
    ++waiting_;
    return pool_.enqueue([this, connection = std::move(connection)] {
      --waiting_;
      connection();
      if (waiting_ == 0) myonly_thread_idle();
    });
  }

  void shutdown() override { pool_.shutdown(); }

 private:
  std::atomic<size_t> waiting_{0};  // connections that no thread has yet
  httplib::ThreadPool pool_;
};

}  // namespace myonly::tenant_server

#endif  // MYONLY_EXAMPLES_TENANT_SERVER_WORKERS_H_
