// A Redis-compatible server in front of a C++ store: derive from lyger::resp::Store, hand an object to a lyger::resp::Server, and
// link with liblyger_resp.a. C++17. This header defines the three functions of lyger_resp.h that the server calls; any number of
// sources may include it.
//
//     struct Map : lyger::resp::Store {
//         bool get(std::string_view key, std::string &value) override { ... }
//         void set(std::string_view key, std::string_view value) override { ... }
//     };
//     int main() {
//         Map map;
//         lyger::resp::Server server(map, 4);
//         ...
//     }
#ifndef LYGER_RESP_HPP
#define LYGER_RESP_HPP

#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>

#include "lyger_resp.h"

namespace lyger::resp {

// A store. All threads of the server call it at once. What it throws is the client's error reply: "ERR " and what().
class Store {
public:
    virtual ~Store() = default;

    // Called once by each thread before any of them accepts a client. When it throws, each request to this thread fails with
    // that text.
    virtual void begin_thread(std::size_t thread) { (void)thread; }

    // Puts the value into `value`, which is empty and belongs to the thread, and returns true; false when there is none.
    virtual bool get(std::string_view key, std::string &value) = 0;

    virtual void set(std::string_view key, std::string_view value) = 0;
};

namespace detail {

// A larger buffer is given back after its request.
inline constexpr std::size_t kept_bytes_max = 1 << 20;

inline Store *store = nullptr;

// What a thread's begin_thread() has thrown.
inline thread_local std::string broken;

// The value that the thread's last GET has found.
inline thread_local std::string value;

inline void fail(const char *text) noexcept { rust_fail(text, std::strlen(text)); }

template <typename Body> bool guarded(Body body) noexcept {
    try {
        return body();
    } catch (const std::exception &exception) {
        fail(exception.what());
    } catch (...) {
        fail("the store has thrown something that is no std::exception");
    }
    return false;
}

} // namespace detail

// The server, from construction to destruction. One at a time; the store must outlive it.
class Server {
public:
    // Throws std::runtime_error when the server can't start; why is on stderr.
    Server(Store &store, std::size_t threads) {
        if (detail::store != nullptr) throw std::runtime_error("a lyger::resp::Server runs already");
        detail::store = &store;
        if (!rust_init(threads)) {
            detail::store = nullptr;
            throw std::runtime_error("the RESP server has not started");
        }
    }

    ~Server() {
        rust_stop();
        detail::store = nullptr;
    }

    Server(const Server &) = delete;
    Server &operator=(const Server &) = delete;

    std::uint16_t port() const { return rust_port(); }
};

} // namespace lyger::resp

// `used`: nothing in C++ calls them, and an inline function that nobody calls would be in no object.
extern "C" {

inline __attribute__((used)) void cpp_worker_thread_init(size_t thread_id) {
    using namespace lyger::resp::detail;
    try {
        store->begin_thread(thread_id);
    } catch (const std::exception &exception) {
        broken = std::string("the thread's beginning has failed: ") + exception.what();
    } catch (...) {
        broken = "the thread's beginning has failed";
    }
}

inline __attribute__((used)) bool cpp_execute_request_sync(uint32_t op, const uint8_t *key_ptr, size_t key_len,
                                                           const uint8_t *val_ptr, size_t val_len, uint8_t **out_ptr,
                                                           size_t *out_len) {
    using namespace lyger::resp::detail;
    return guarded([&] {
        if (!broken.empty()) throw std::runtime_error(broken);
        const std::string_view key(reinterpret_cast<const char *>(key_ptr), key_len);
        if (op == LYGER_RESP_SET) {
            store->set(key, {reinterpret_cast<const char *>(val_ptr), val_len});
            return true;
        }
        if (op != LYGER_RESP_GET) throw std::runtime_error("a request that this header doesn't know");
        value.clear();
        if (store->get(key, value)) {
            *out_ptr = reinterpret_cast<uint8_t *>(value.data());
            *out_len = value.size();
        }
        return true;
    });
}

inline __attribute__((used)) void cpp_free_buf(uint8_t *ptr, size_t len) {
    (void)ptr;
    if (len > lyger::resp::detail::kept_bytes_max) std::string().swap(lyger::resp::detail::value);
}

} // extern "C"

#endif
