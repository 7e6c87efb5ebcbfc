/* A Redis-compatible server in front of a store of your own: link with liblyger_resp.a.
 *
 * You define the three functions whose names begin with cpp_; the server calls them. In C++, lyger_resp.hpp does that for you.
 * Clients may send GET and SET, and what is about the connection or the server: PING, HELLO, AUTH, CLIENT, COMMAND, INFO, CONFIG,
 * SUBSCRIBE and others. Whatever GET and SET can't express gets an error that names it, SET's options (EX, NX, ...) as well.
 *
 * The server listens on 127.0.0.1:6380 unless LYGER_RESP_LISTEN says otherwise. LYGER_RESP_PASSWORD and the other variables that
 * `lyger-resp --help` names hold, too, but for LYGER_RESP_THREADS and LYGER_RESP_BYTES_MAX. Keys have at most 65,536 bytes, values
 * 512 MiB; both are any bytes.
 */
#ifndef LYGER_RESP_H
#define LYGER_RESP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What cpp_execute_request_sync is asked for. */
#define LYGER_RESP_GET 1u
#define LYGER_RESP_SET 2u

/* Starts the server with so many threads, which have all signals blocked, and returns when each has had its
 * cpp_worker_thread_init. False, and a line on stderr that says why, when it can't: the address is taken, a variable is wrong, the
 * server runs already. */
bool rust_init(size_t n_threads);

/* Ends all connections and waits for the threads: then no function of yours is called any more. Not to be called by one; it does nothing
 * until rust_init has returned. */
void rust_stop(void);

/* The port that the server listens on, for who asked for port 0; 0 when it doesn't run, and until rust_init has returned. */
uint16_t rust_port(void);

/* Says why the request fails that this thread is executing: before cpp_execute_request_sync returns false. The client reads
 * "ERR " and the text; at most 1,024 bytes are kept. */
void rust_fail(const char *text, size_t len);

/* Yours. Called once by each thread, from 0 on, before any of them accepts a client. Must not throw. */
void cpp_worker_thread_init(size_t thread_id);

/* Yours. Executes a request to its end, for one of the thread's clients; the threads call it at the same time. Must not throw.
 *
 * LYGER_RESP_GET: true with *out_ptr left NULL when there is no value; true with a pointer and its length when there is one, a
 * pointer and length 0 when it is empty. LYGER_RESP_SET: true when the value was kept. False is a failure, in both cases an
 * error reply; what *out_ptr is then is not looked at. Key and value are valid during the call. Without a value (GET) val_len is 0. */
bool cpp_execute_request_sync(uint32_t op, const uint8_t *key_ptr, size_t key_len, const uint8_t *val_ptr, size_t val_len,
                              uint8_t **out_ptr, size_t *out_len);

/* Yours. Takes back what cpp_execute_request_sync has given with true, once, in the same thread and before its next request. */
void cpp_free_buf(uint8_t *ptr, size_t len);

#ifdef __cplusplus
}
#endif

#endif
