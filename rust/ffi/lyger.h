/* The C boundary of Lyger's engine. Generated from rust/ffi/ by `LYGER_BLESS=1 cargo test --test abi`: don't edit.
 *
 * A pointer and a length: null with length 0 is empty, null with more is LYGER_STATUS_NULL_POINTER, a length above the
 * documented maximum is LYGER_STATUS_TOO_LONG. An output `(buf, cap, needed)`: *needed is always set, and buf is
 * written only when all of it fits; call with (NULL, 0, &needed) to ask. Ids are below 2^53 and never 0. Every call
 * but lyger_last_error sets the calling thread's last error. A pointer that isn't null is believed: a length that
 * reaches past the caller's memory is a mistake that nobody can find.
 */

#ifndef LYGER_H
#define LYGER_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/*
 The version of this boundary. It grows with every change that an older caller can't live with.
 */
#define LYGER_ABI_VERSION 1

/*
 What became of a call. 0 is success; the text of anything else comes from `lyger_last_error`.
 */
enum lyger_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /*
     Done.
     */
    LYGER_STATUS_OK = 0,
    /*
     A pointer that must not be null is null.
     */
    LYGER_STATUS_NULL_POINTER = 1,
    /*
     A length is above the documented maximum.
     */
    LYGER_STATUS_TOO_LONG = 2,
    /*
     A text isn't UTF-8.
     */
    LYGER_STATUS_INVALID_UTF8 = 3,
    /*
     An id is forged, stale, freed before, or of another kind.
     */
    LYGER_STATUS_INVALID_HANDLE = 4,
    /*
     An argument has a value that makes no sense here.
     */
    LYGER_STATUS_INVALID_ARGUMENT = 5,
    /*
     The buffer is smaller than `*needed`; nothing was written to it.
     */
    LYGER_STATUS_BUFFER_TOO_SMALL = 6,
    /*
     The engine was started before a fork and this is the child.
     */
    LYGER_STATUS_WRONG_PROCESS = 7,
    /*
     The engine has a bug: it panicked, and the call was undone at the boundary.
     */
    LYGER_STATUS_PANIC = 8,
    /*
     The time given has passed.
     */
    LYGER_STATUS_TIMEOUT = 9,
    /*
     A signal came: run its handlers and call again.
     */
    LYGER_STATUS_INTERRUPTED = 10,
    /*
     The server has drained: leave the loop.
     */
    LYGER_STATUS_STOPPED = 11,
    /*
     There is no such key, header or part.
     */
    LYGER_STATUS_NOT_FOUND = 12,
    /*
     About a million ids are live: something isn't freed.
     */
    LYGER_STATUS_HANDLES_EXHAUSTED = 13,
    /*
     An operation has finished: ask `lyger_async_wait` which.
     */
    LYGER_STATUS_FINISHED = 14,
    /*
     A DSN can't be read.
     */
    LYGER_STATUS_INVALID_DSN = 20,
    /*
     The database can't be reached or refused the connection.
     */
    LYGER_STATUS_CONNECTION_FAILED = 21,
    /*
     The database refused the statement; `sqlstate` says why.
     */
    LYGER_STATUS_QUERY_FAILED = 22,
    /*
     A column has a type that Lyger doesn't know; the message names both.
     */
    LYGER_STATUS_UNSUPPORTED_TYPE = 23,
    /*
     A result is larger than `db.result_bytes_max`.
     */
    LYGER_STATUS_RESULT_TOO_LARGE = 24,
    /*
     No connection became free within `db.acquire_timeout_ms`.
     */
    LYGER_STATUS_POOL_EXHAUSTED = 25,
    /*
     The packed parameters can't be read or don't fit the statement.
     */
    LYGER_STATUS_INVALID_PARAMS = 26,
    /*
     Another socket listens on the address.
     */
    LYGER_STATUS_ADDRESS_IN_USE = 30,
    /*
     The server runs already.
     */
    LYGER_STATUS_SERVER_RUNNING = 31,
    /*
     No server runs.
     */
    LYGER_STATUS_SERVER_NOT_RUNNING = 32,
    /*
     The request has its response.
     */
    LYGER_STATUS_ALREADY_ANSWERED = 33,
    /*
     A key or a value of the configuration is wrong; the message names it.
     */
    LYGER_STATUS_INVALID_CONFIG = 34,
    /*
     The server couldn't start or failed.
     */
    LYGER_STATUS_SERVER_FAILED = 35,
    /*
     An entry is larger than the cache allows.
     */
    LYGER_STATUS_CACHE_VALUE_TOO_LARGE = 40,
    /*
     A vector has another number of elements than its index, one that isn't finite, or can't be read.
     */
    LYGER_STATUS_INVALID_VECTOR = 41,
    /*
     A vector index would be larger than `vector.bytes_max`, or than the memory that there is.
     */
    LYGER_STATUS_INDEX_TOO_LARGE = 42,
    /*
     The system refuses something of an index's file.
     */
    LYGER_STATUS_INDEX_FILE_FAILED = 43,
    /*
     A file isn't a whole vector index: cut, changed or of another program.
     */
    LYGER_STATUS_INDEX_DAMAGED = 44,
    /*
     A value of the cache is no number, or its sum would be none.
     */
    LYGER_STATUS_NOT_A_NUMBER = 45,
    /*
     A cache that was opened refuses: its server's own words.
     */
    LYGER_STATUS_CACHE_FAILED = 46,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum lyger_status lyger_status;
#else
typedef int32_t lyger_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/*
 The part of a request that `lyger_request_read` reads.
 */
enum lyger_request_part
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /*
     The method, as it came: `GET`.
     */
    LYGER_REQUEST_PART_METHOD = 1,
    /*
     The path, still percent-encoded.
     */
    LYGER_REQUEST_PART_PATH = 2,
    /*
     The query, still percent-encoded, without its `?`.
     */
    LYGER_REQUEST_PART_QUERY = 3,
    /*
     One header by name, in any case. Several lines are joined by `, `, those of Cookie by `; `.
     */
    LYGER_REQUEST_PART_HEADER = 4,
    /*
     All header lines: name, NUL, value, NUL, and so on; names in lower case.
     */
    LYGER_REQUEST_PART_HEADERS = 5,
    /*
     The body.
     */
    LYGER_REQUEST_PART_BODY = 6,
    /*
     The client's IP address.
     */
    LYGER_REQUEST_PART_CLIENT_ADDRESS = 7,
    /*
     The client's port in digits; `0` for a client behind a trusted proxy.
     */
    LYGER_REQUEST_PART_CLIENT_PORT = 8,
    /*
     `http` or `https`.
     */
    LYGER_REQUEST_PART_SCHEME = 9,
    /*
     `1.1` or `1.0`.
     */
    LYGER_REQUEST_PART_HTTP_VERSION = 10,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum lyger_request_part lyger_request_part;
#else
typedef uint32_t lyger_request_part;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/*
 How statements are run, and what came of the last one. It is the caller's, who fills it once, changes between two calls what
 changes, and frees it. The engine reads it anew with each call, and keeps neither its address nor one that it holds. One
 thread at a time uses it.

 Zeroes and `size`, `dsn` and `dsn_len` are enough for what writes no rows.
 */
typedef struct lyger_call {
    /*
     `sizeof(lyger_call)`, so that a caller who has another structure in mind gets a status.
     */
    uint32_t size;
    /*
     1 sends the statement once more when its connection breaks under it, although it may have been carried out; 2 gives decimals
     as numbers, 4 dates with a time as SQL writes them.
     */
    uint32_t flags;
    /*
     Stops the statement earlier than `db.statement_timeout_ms` does, in milliseconds; 0 is no wish.
     */
    uint32_t timeout_ms;
    /*
     How `lyger_db_fetch` and `lyger_async_fetch` write rows: 0 is what `lyger_result_rows` writes, 1 the same of the first row
     alone, 2 what `lyger_result_column` writes of column 0 (no columns give an empty list), 3 what `lyger_result_json` writes.
     */
    uint32_t form;
    /*
     Who asks. A statement's call enters this strand as `lyger_strand_enter` does, and the calls that follow are in it too.
     */
    uint64_t strand;
    /*
     `postgres://…`, `postgresql://…`, `mysql://…`, `mariadb://…`, `sqlite:…` or a path; `dsn_len` bytes of UTF-8, at most 4,096.
     */
    const char *dsn;
    /*
     Its bytes.
     */
    size_t dsn_len;
    /*
     Where rows are written, `cap` bytes.
     */
    char *buf;
    /*
     Its bytes.
     */
    size_t cap;
    /*
     Set by what writes rows: how many bytes they have, 0 on an error.
     */
    size_t needed;
    /*
     Set by each call: the id that it gives, 0 when it gives none.
     */
    uint64_t id;
} lyger_call;

/*
 What an index holds.
 */
typedef struct lyger_vector_info {
    /*
     Elements of a vector.
     */
    uint64_t dimension;
    /*
     How many vectors there are.
     */
    uint64_t count;
    /*
     Bytes that are allocated for it.
     */
    uint64_t memory_bytes;
} lyger_vector_info;

/*
 The sizes of a request that was taken.
 */
typedef struct lyger_request_head {
    /*
     Names the request in every other call.
     */
    uint64_t id;
    /*
     The body's length in bytes.
     */
    uint64_t body_len;
    /*
     The method's length in bytes; it is at the buffer's beginning.
     */
    uint32_t method_len;
    /*
     The path's length in bytes; it follows the method.
     */
    uint32_t path_len;
    /*
     The query's length in bytes; it follows the path.
     */
    uint32_t query_len;
    /*
     How many header lines there are.
     */
    uint32_t header_count;
} lyger_request_head;

/*
 What a result holds.
 */
typedef struct lyger_result_info {
    /*
     How many rows the statement returned.
     */
    uint64_t rows;
    /*
     How many columns it returned, also where there are no rows.
     */
    uint64_t columns;
    /*
     How many rows it inserted, updated or deleted.
     */
    uint64_t affected;
    /*
     How many bytes the values take in the engine.
     */
    uint64_t bytes;
    /*
     The id that an INSERT generated; 0 where the database gave none. Above `INT64_MAX` (MySQL) its bits are those of an
     unsigned integer.
     */
    int64_t last_insert_id;
    /*
     1 when `last_insert_id` was given, 2 when it is to be read as unsigned, else 0.
     */
    uint32_t has_last_insert_id;
    /*
     Always 0.
     */
    uint32_t reserved;
} lyger_result_info;

/*
 Where values are written: a structure of the caller's, filled once for many calls of `lyger_store_find`. The engine keeps
 neither its address nor one that it holds. One thread at a time uses it.

 What a call tells of the value it found lets its caller keep a copy of it: as long as `*sequence` is `version` and the time is
 before `expires_at`, nobody has changed that value.
 */
typedef struct lyger_reader {
    /*
     `sizeof(lyger_reader)`, so that a caller who has another structure in mind gets a status.
     */
    uint64_t size;
    /*
     Which cache.
     */
    uint64_t store;
    /*
     Where values are written, `cap` bytes.
     */
    char *buf;
    /*
     Its bytes.
     */
    size_t cap;
    /*
     Set by a call: a number that changes with every change of the value, and of others beside it; null where there is none to
     follow. It stays readable until the process ends, and in a forked child it is 0, which no `version` is, or goes on.
     */
    const uint64_t *sequence;
    /*
     Set by a call: the number when the value was read.
     */
    uint64_t version;
    /*
     Set by a call: when the value goes, in milliseconds since 1970; 0 when it stays.
     */
    uint64_t expires_at;
    /*
     Taken and set to 0 by a call: how often copies have been read since the last one, which is counted as hits.
     */
    uint64_t hits;
} lyger_reader;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 Adds `by` to the integer under `key`, which is 0 if there is none, and sets `*sum`. The expiry stays.

 Errors: `NOT_A_NUMBER` (the value is no integer of 64 bits, or the sum would be none), `CACHE_VALUE_TOO_LARGE`, `INVALID_HANDLE`,
 `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`; the value before stays. Any thread.

 Promised by the caller:
 `key` must be null with length 0 or readable for its length; `sum` must be null or writable for one `int64_t`.
 */
lyger_status lyger_store_increment(uint64_t store,
                                   const char *key,
                                   size_t key_len,
                                   int64_t by,
                                   int64_t *sum);

/*
 Adds `by` to the number under `key`, which is 0 if there is none, and sets `*sum`. The expiry stays. The value is then the
 shortest decimal text that reads as the same double.

 Errors: `NOT_A_NUMBER` (the value is none, or the sum isn't finite), and those of `lyger_store_increment`; the value before
 stays. Any thread.

 Promised by the caller:
 `key` must be null with length 0 or readable for its length; `sum` must be null or writable for one `double`.
 */
lyger_status lyger_store_increment_float(uint64_t store,
                                         const char *key,
                                         size_t key_len,
                                         double by,
                                         double *sum);

/*
 Adds bytes at the end of the value under `key`, which is made if there is none, and sets `*len` to its length then.

 Errors: those of `lyger_store_put`. Any thread.

 Promised by the caller:
 `key` and `value` must be null with length 0 or readable for their length; `len` must be null or writable for one `size_t`.
 */
lyger_status lyger_store_append(uint64_t store,
                                const char *key,
                                size_t key_len,
                                const char *value,
                                size_t value_len,
                                size_t *len);

/*
 A part of the value under `key`, to `buf`: from byte `first` to `last`, which is part of it. Negative numbers count from the end.
 No value is an empty one.

 Errors: `BUFFER_TOO_SMALL` (see `lyger_store_output`), `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`. Any thread.

 Promised by the caller:
 `key` must be null with length 0 or readable for its length, `buf` writable for `cap` bytes, `needed` for one `size_t`.
 */
lyger_status lyger_store_get_range(uint64_t store,
                                   const char *key,
                                   size_t key_len,
                                   int64_t first,
                                   int64_t last,
                                   char *buf,
                                   size_t cap,
                                   size_t *needed);

/*
 Writes bytes at an offset of the value under `key`, with zeros in a gap, and sets `*len` to its length then. No bytes change nothing.

 Errors: those of `lyger_store_put`. Any thread.

 Promised by the caller:
 `key` and `value` must be null with length 0 or readable for their length; `len` must be null or writable for one `size_t`.
 */
lyger_status lyger_store_set_range(uint64_t store,
                                   const char *key,
                                   size_t key_len,
                                   size_t offset,
                                   const char *value,
                                   size_t value_len,
                                   size_t *len);

/*
 The value under `key`, to `buf`, which is forgotten (GETDEL).

 Errors: `NOT_FOUND`, `BUFFER_TOO_SMALL` (it is forgotten, and `lyger_store_output` has it), `INVALID_HANDLE`, `NULL_POINTER`,
 `TOO_LONG`, `WRONG_PROCESS`. Any thread.

 Promised by the caller:
 `key` must be null with length 0 or readable for its length, `buf` writable for `cap` bytes, `needed` for one `size_t`.
 */
lyger_status lyger_store_take(uint64_t store,
                              const char *key,
                              size_t key_len,
                              char *buf,
                              size_t cap,
                              size_t *needed);

/*
 The value under `key`, to `buf`, whose expiry is changed (GETEX).

 Errors: `NOT_FOUND`, `BUFFER_TOO_SMALL` (the expiry is changed, and `lyger_store_output` has the value), and those of
 `lyger_store_expire`. Any thread.

 Promised by the caller:
 `key` must be null with length 0 or readable for its length, `buf` writable for `cap` bytes, `needed` for one `size_t`.
 */
lyger_status lyger_store_touch(uint64_t store,
                               const char *key,
                               size_t key_len,
                               uint32_t expiry,
                               uint64_t ms,
                               char *buf,
                               size_t cap,
                               size_t *needed);

/*
 Keeps `value` under `key`, in place of the value before.

 Both are C strings: `key` of at most 64 KiB, `value` of at most 1 GiB and of what `cache.bytes_max` allows. On an error
 nothing is stored, and `lyger_last_error` says `NULL_POINTER`, `TOO_LONG`, `CACHE_VALUE_TOO_LARGE`, `INVALID_CONFIG`
 (in the environment) or `WRONG_PROCESS`. The engine copies both. Any thread.

 Promised by the caller:
 Each pointer must be null or readable up to its NUL.
 */
void lyger_cache_set(const char *key, const char *value);

/*
 The value under `key`, as a string that the caller gives back to `lyger_free_string`.

 `""` when there is none, and then `lyger_last_error` says `NOT_FOUND`. NULL on an error: `NULL_POINTER`, `TOO_LONG`
 (above 64 KiB), `INVALID_ARGUMENT` (the value has a NUL byte: use `lyger_cache_fetch`), `WRONG_PROCESS`. Any thread.

 Promised by the caller:
 `key` must be null or readable up to its NUL.
 */
char *lyger_cache_get(const char *key);

/*
 Forgets `key`. A key that isn't there is no error.

 `lyger_last_error` says `NULL_POINTER`, `TOO_LONG` (above 64 KiB) or `WRONG_PROCESS` when nothing was done. Any thread.

 Promised by the caller:
 `key` must be null or readable up to its NUL.
 */
void lyger_cache_delete(const char *key);

/*
 Forgets every key. `lyger_last_error` says `WRONG_PROCESS` when nothing was done. Any thread.
 */
void lyger_cache_clear(void);

/*
 How many keys the cache has; 0 on an error (`WRONG_PROCESS`). Any thread.
 */
uint64_t lyger_cache_size(void);

/*
 Keeps `value` under `key`, in place of the value before. Both may hold any bytes, and the engine copies them.

 Errors: `NULL_POINTER`, `TOO_LONG` (a key above 64 KiB, a value above 1 GiB), `CACHE_VALUE_TOO_LARGE` (key and value
 are more than `cache.bytes_max`, or the value more than 512 MiB; the value before stays), `INVALID_CONFIG` (in the environment),
 `WRONG_PROCESS`. Any thread.

 Promised by the caller:
 Each pointer must be null with length 0, or readable for its length.
 */
lyger_status lyger_cache_store(const char *key,
                               size_t key_len,
                               const char *value,
                               size_t value_len);

/*
 Copies the value under `key` to `buf` when `cap` bytes hold it, and sets `*needed` to its length.

 Errors: `NOT_FOUND`, `BUFFER_TOO_SMALL`, `NULL_POINTER`, `TOO_LONG` (a key above 64 KiB), `WRONG_PROCESS`. Any thread; another
 one may change the value between two calls, and during one: after `NOT_FOUND` and `BUFFER_TOO_SMALL` what is in `buf` means
 nothing.

 Promised by the caller:
 `key` must be null with length 0 or readable for its length, `buf` writable for `cap` bytes, `needed` for one `size_t`.
 */
lyger_status lyger_cache_fetch(const char *key,
                               size_t key_len,
                               char *buf,
                               size_t cap,
                               size_t *needed);

/*
 Forgets `key`.

 Errors: `NOT_FOUND`, `NULL_POINTER`, `TOO_LONG` (above 64 KiB), `WRONG_PROCESS`. Any thread.

 Promised by the caller:
 `key` must be null with length 0 or readable for its length.
 */
lyger_status lyger_cache_remove(const char *key, size_t key_len);

/*
 Forgets every key. Errors: `WRONG_PROCESS`. Any thread.
 */
lyger_status lyger_cache_purge(void);

/*
 Sets `*out` to how many keys the cache has. Errors: `NULL_POINTER`, `WRONG_PROCESS`. Any thread.

 Promised by the caller:
 `out` must be null or writable for one `uint64_t`.
 */
lyger_status lyger_cache_count(uint64_t *out);

/*
 Runs one statement and returns the id of its result, which the caller gives back to `lyger_free_result`.

 Both are C strings in UTF-8: `dsn` of at most 4,096 bytes, `query` of at most 16 MiB. Blocks until the result is there
 or `db.statement_timeout_ms` have passed.

 0 on an error, and `lyger_last_error` says what it is: those of `lyger_db_execute`, and `NULL_POINTER` for a null.
 Any thread.

 Promised by the caller:
 Each pointer must be null or readable up to its NUL.
 */
uint64_t lyger_db_query(const char *dsn, const char *query);

/*
 Runs one statement with bound parameters and sets `*result` to the id of its result, which the caller gives back to
 `lyger_result_free`. Without a result `*result` is 0.

 `dsn` (at most 4,096 bytes) is `postgres://…`, `postgresql://…`, `mysql://…`, `mariadb://…`, `sqlite:…` or a path. `sql` (at
 most 16 MiB) is one statement with `?` or `:name` for each parameter. `params` (at most 64 MiB) is a little-endian u32 count,
 then for each parameter a tag byte and its value: 0 null, 1 false, 2 true, 3 integer (i64), 4 float (f64), 5 text (u32
 length, UTF-8), 6 bytes (u32 length, bytes), 7 a list (u32 count, then as many tags and values), which stands for as many
 placeholders. Named ones begin with 0xFFFFFFFF and then the u32 count, and before each value stands its name (u32 length,
 UTF-8). Empty for none. Blocks until the result is there or `db.statement_timeout_ms` have
 passed; a signal doesn't interrupt it. In a worker of a fleet the front's connections carry out what isn't SQLite's, under
 the front's limits; should the front die meanwhile, that is `CONNECTION_FAILED`.

 Errors: `NULL_POINTER`, `TOO_LONG`, `INVALID_UTF8`, `INVALID_ARGUMENT` (a NUL byte in `sql`), `INVALID_DSN`, `INVALID_PARAMS`, `CONNECTION_FAILED`, `POOL_EXHAUSTED`,
 `QUERY_FAILED` (with the database's SQLSTATE), `UNSUPPORTED_TYPE`, `RESULT_TOO_LARGE`, `TIMEOUT`, `HANDLES_EXHAUSTED`,
 `INVALID_CONFIG` (in the environment), `WRONG_PROCESS`. Any thread.

 Promised by the caller:
 Each input must be null with length 0 or readable for its length; `result` must be null or writable for one `uint64_t`.
 */
lyger_status lyger_db_execute(const char *dsn,
                              size_t dsn_len,
                              const char *sql,
                              size_t sql_len,
                              const uint8_t *params,
                              size_t params_len,
                              uint64_t *result);

/*
 As `lyger_db_execute`, as a call says: sets its `id` to the result's, 0 without a result.

 What the statement leaves on its connection (an open transaction, a setting, a lock, a temporary table) stays with the
 request of a fleet's worker until its answer, and with any other process until `lyger_db_end`: its further statements run
 there.

 Errors: as `lyger_db_execute`; `INVALID_ARGUMENT` also for another `size` (nothing is set then) and for other bits in
 `flags`. Any thread.

 Promised by the caller:
 `call` must be null or readable and writable for one `lyger_call`; its `dsn`, and each other input, null with length 0 or
 readable for its length.
 */
lyger_status lyger_db_run(struct lyger_call *call,
                          const char *sql,
                          size_t sql_len,
                          const char *params,
                          size_t params_len);

/*
 Ends what the statements of this client have left on their connections: rolls back, puts settings back, and gives the
 connections to whoever comes next. In a fleet's worker the front does the same by itself for each request that is answered.

 The client is the current strand's (`lyger_strand_enter`). With 0 it is all strands of the request that runs now, or of the
 process.

 Errors: `WRONG_PROCESS`. Any thread.
 */
lyger_status lyger_db_end(void);

/*
 Says which strand of the request that runs now, or of the process, makes the calls that follow; 0 is the first. Each is a
 client of its own: what a statement leaves (a transaction, a setting) is its strand's.

 The number is the caller's own. A request's strands end with it, and none goes on in another one.

 Errors: `WRONG_PROCESS`. Any thread.
 */
lyger_status lyger_strand_enter(uint64_t strand);

/*
 Sets `*keeps` to 1 when this process itself keeps a connection to the database, so that whoever asks elsewhere (the front, for
 `lyger_request_respond_sql`) would not see what its statements have done; else to 0.

 Errors: `NULL_POINTER`, `TOO_LONG`, `INVALID_UTF8`, `INVALID_DSN`, `WRONG_PROCESS`. Any thread.

 Promised by the caller:
 `dsn` must be null with length 0 or readable for `dsn_len` bytes; `keeps` must be null or writable for one byte.
 */
lyger_status lyger_db_keeps(const char *dsn,
                            size_t dsn_len,
                            uint8_t *keeps);

/*
 Sets `*state` to where the client's transaction on the database stands: 0 none is open, 1 one is open, 2 one is open in which
 a statement has failed, so that only a rollback helps (PostgreSQL).

 Errors: `NULL_POINTER`, `TOO_LONG`, `INVALID_UTF8`, `INVALID_DSN`, `CONNECTION_FAILED` (the front has died), `WRONG_PROCESS`.
 Any thread.

 Promised by the caller:
 `dsn` must be null with length 0 or readable for `dsn_len` bytes; `state` must be null or writable for one `int32_t`.
 */
lyger_status lyger_db_state(const char *dsn,
                            size_t dsn_len,
                            int32_t *state);

/*
 The version of this boundary, 1. A caller compares it with the one it was written for before it calls anything
 else. Any thread, any process; never fails.
 */
uint32_t lyger_abi_version(void);

/*
 The greeting `Hello from Rust! 🦀`, as a string that the caller gives back to `lyger_free_string`.
 Any thread, any process.
 */
char *lyger_hello_world(void);

/*
 The sum of `sqrt(i) * sin(i)` over `i` in `0..iterations`, computed by the kernels on the calling thread: about half a
 second for 10^9 iterations with AVX-512, half a minute without any vector unit.

 Each sine is within 2 units in the last place, for every `i` up to 2^53, and the sum within 4 epsilons (2^-52) of the sum of the terms'
 absolute values; the same bits on every machine.

 NaN on an error: `INVALID_CONFIG` (`LYGER_KERNELS`). NaN also, without an error, above 2^53 iterations, which would take
 weeks. Any thread, any process.
 */
double lyger_heavy_computation(uint64_t iterations);

/*
 What the engine is and does, as a JSON object in a string that the caller gives back to `lyger_free_string`.

 `framework` ("Lyger v0.1"), `status` ("running"), `tokio_runtime` ("active" once a query or a server needed it, else
 "idle"), `async_enabled` (true), `total_memory` (bytes of physical memory of the machine, 0 where it doesn't say),
 `version`, `abi`, `kernels` (the variant in use), `cpu`, `shape` ("plain", or "solo" while the server runs), `pid`.

 NULL on an error: `INVALID_CONFIG` (`LYGER_KERNELS`). Any thread, any process.
 */
char *lyger_system_info(void);

/*
 Writes what `lyger_system_info` returns to `buf` when `cap` bytes hold it, and sets `*needed` to its length.

 Errors: `INVALID_CONFIG` (`LYGER_KERNELS`), `BUFFER_TOO_SMALL` (nothing is written), `NULL_POINTER`. Any thread, any process.

 Promised by the caller:
 `buf` must be writable for `cap` bytes and `needed` for one `size_t`.
 */
lyger_status lyger_engine_info(char *buf,
                               size_t cap,
                               size_t *needed);

/*
 Checks the environment that the engine will read: `LYGER_KERNELS`, `LYGER_DB_*`, `LYGER_CACHE_BYTES_MAX`
 and `LYGER_VECTOR_*`.
 A caller does so once, after `lyger_abi_version`, so that a mistake surfaces at the start and not in the first query.

 Errors: `INVALID_CONFIG`, whose message names the variable and its value. Any thread, any process.
 */
lyger_status lyger_engine_check(void);

/*
 Sets the limits of the plain shape from JSON: `{"db":{"connections_max":16,"acquire_timeout_ms":3000,
 "statement_timeout_ms":30000,"result_bytes_max":67108864},"cache":{"bytes_max":67108864},"vector":{"dimension_max":65536,"bytes_max":4294967296,"threads":0}}`,
 any of it.

 What is given here goes before the environment; what isn't keeps its value. On an error nothing is changed.
 The server that `lyger_server_start` starts takes its own configuration, and so does the front of a fleet, which runs its
 workers' queries of PostgreSQL and MySQL.

 Errors: `INVALID_CONFIG` (not JSON, an unknown key, a value out of range, or one that is in use with another value
 until `lyger_engine_release`; the message names the key), `NULL_POINTER`, `TOO_LONG` (above 1 MiB), `WRONG_PROCESS`.
 Any thread.

 Promised by the caller:
 `json` must be null with length 0 or readable for `len` bytes.
 */
lyger_status lyger_engine_configure(const char *json,
                                    size_t len);

/*
 Lets go of everything that the plain shape holds: closes connections, drops results and the cache (what a fleet's workers share
 or Redis clients use stays), ends the runtime.

 The next call starts afresh, with settings that may have changed; ids given before stay stale. Unless a server
 runs, the process is no longer claimed: children forked from now on have an engine of their own. Strings that were
 issued stay valid until they are freed. It waits for a query that another thread is running.

 Errors: `WRONG_PROCESS`. Any thread.
 */
lyger_status lyger_engine_release(void);

/*
 The seeds' name of `lyger_engine_release`. There is one engine and no pointer to it: `engine` must be NULL, and
 anything else is left alone with `INVALID_ARGUMENT` as the last error. Any thread.

 Promised by the caller:
 None: `engine` is compared, never followed.
 */
void lyger_free_engine(void *engine);

/*
 Describes the calling thread's last error as JSON:
 `{"status":22,"name":"QUERY_FAILED","message":"…","sqlstate":"42P01","value":null}`.

 `sqlstate` is the database's code or null; `value` is the id, length, key or position that was wrong, or null. After
 a successful call, and before the first, it is `{"status":0,"name":"OK","message":"","sqlstate":null,"value":null}`.

 Writes the JSON to `buf` when `cap` bytes hold it, without a NUL, and its length to `*needed` always.
 It doesn't change the last error, whatever it returns.

 Errors: `NULL_POINTER` (`needed`, or `buf` while `cap` isn't 0), `BUFFER_TOO_SMALL`. Any thread, any process.

 Promised by the caller:
 `buf` must be writable for `cap` bytes and `needed` for one `size_t`.
 */
lyger_status lyger_last_error(char *buf, size_t cap, size_t *needed);

/*
 Runs one statement as `lyger_db_run` does and writes its rows to the call's `buf` in its `form` when `cap` bytes hold them, sets
 `needed` to their length, and keeps nothing: `id` is 0.

 When `buf` is too small, what it holds is of no use, and the result is kept: `id` is its id, which the caller reads by the
 functions that `form` names and gives back to `lyger_result_free`.

 Errors: `BUFFER_TOO_SMALL`; as `lyger_db_run`; `INVALID_ARGUMENT` also for another `form`; `INVALID_CONFIG` also for
 `LYGER_KERNELS`, with `form` 3. Any thread.

 Promised by the caller:
 As `lyger_db_run`; the call's `buf` must be writable for `cap` bytes.
 */
lyger_status lyger_db_fetch(struct lyger_call *call,
                            const char *sql,
                            size_t sql_len,
                            const char *params,
                            size_t params_len);

/*
 Writes the rows of a finished operation as `lyger_db_fetch` does those of its statement, by the `form` and the `buf` that its call
 has now; what has no room is kept in the same way. The operation's id is stale afterwards.

 Errors: `BUFFER_TOO_SMALL`; as `lyger_async_result`; `INVALID_ARGUMENT` also for another `size` or `form`, and for an operation
 that gives a stream or rows of one (its id stays valid then); `INVALID_CONFIG` also for `LYGER_KERNELS`, with `form` 3.
 Any thread.

 Promised by the caller:
 `call` must be null or readable and writable for one `lyger_call`, and its `buf` writable for `cap` bytes.
 */
lyger_status lyger_async_fetch(struct lyger_call *call,
                               uint64_t operation);

/*
 Serves with a fleet of processes until a signal ends it, and sets `*exit_code` to what the process should exit with.

 `spec` is a JSON object (at most 1 MiB): `app` (the application's folder), `control` (the path of the socket for `rawr status`
 and `rawr reload`, `{port}` replaced, or null), `host`, `port`, `workers`, `watch` (null, or the `folder` whose code is watched and whether to `poll`), `drain_timeout_ms`, `cache_bytes_max` (of the cache that the
 workers share), `config` (a string: the front's
 configuration, as `lyger_server_start` takes it; with `resp.listen` the front serves Redis clients, too), `front` and `zygote` (lists: program and arguments of a process that calls
 `lyger_fleet_front` or `lyger_fleet_fork`), `announcement` (printed to standard output when the first workers serve, `{port}`
 and `{redis}`, the address for Redis clients, replaced). SIGTERM and SIGINT drain, a second one ends at once; SIGHUP starts new workers and then retires the old ones.

 Errors: `ADDRESS_IN_USE`, `INVALID_CONFIG`, `SERVER_FAILED`, `NULL_POINTER`, `TOO_LONG`, `INVALID_UTF8`, `WRONG_PROCESS`.
 Any thread that is its process's only one.

 Promised by the caller:
 `spec` must be null with length 0 or readable for `len` bytes; `exit_code` must be null or writable for one `int32_t`.
 */
lyger_status lyger_fleet_run(const char *spec,
                             size_t len,
                             int32_t *exit_code);

/*
 Is the front of a fleet until its master needs it no more. Standard input is the link to the master.

 Errors: `SERVER_FAILED`, `INVALID_CONFIG` (`LYGER_KERNELS`), `WRONG_PROCESS`. Any thread that is its process's only one.
 */
lyger_status lyger_fleet_front(void);

/*
 Forks workers as the master asks. Returns `OK` in each worker, with its number in `*worker`, and `STOPPED` in the calling
 process when the master needs it no more. Standard input is the link to the master.

 A worker loads its application and goes on with `lyger_worker_next`.

 Errors: `SERVER_FAILED`, `NULL_POINTER`, `WRONG_PROCESS`. Any thread that is its process's only one.

 Promised by the caller:
 `worker` must be null or writable for one `uint32_t`.
 */
lyger_status lyger_fleet_fork(uint32_t *worker);

/*
 Tells the fleet how much memory this worker uses, and with `leaving` not 0 that it wants to be replaced: requests go on
 coming until its replacement is there, then `lyger_worker_next` returns `STOPPED`. In a solo server nobody hears it.

 Errors: `SERVER_NOT_RUNNING`, `WRONG_PROCESS`. Any thread.
 */
lyger_status lyger_worker_report(uint64_t memory_bytes, uint8_t leaving);

/*
 Leaves the reason why this worker of a fleet doesn't boot, for whoever has asked for the reload; the worker ends then.

 `reason` has at most 64 KiB of UTF-8.

 Errors: `SERVER_NOT_RUNNING` (no worker of a fleet), `SERVER_FAILED`, `NULL_POINTER`, `TOO_LONG`, `INVALID_UTF8`, `WRONG_PROCESS`.
 Any thread.

 Promised by the caller:
 `reason` must be null with length 0 or readable for `len` bytes.
 */
lyger_status lyger_worker_boot_failed(const char *reason,
                                      size_t len);

/*
 Multiplies each of `count` strengths by `2^(-age / half_life)`, in place: what has lain for one half-life is half as
 strong. Within 1.5 units in the last place of the true product, and the same bits on every machine.

 An age of 0 or below leaves a strength as it is, an infinite one leaves 0 with the strength's sign. An infinite strength
 stays. Where either isn't a number the result is the NaN 0x7fc00000. The arrays are aligned as floats are, and don't
 overlap; `count` is at most 2^32 - 1.

 Errors, after which the strengths are as they were: `INVALID_ARGUMENT` (the half-life isn't above 0 and finite, an array
 isn't aligned, they overlap), `INVALID_CONFIG` (`LYGER_KERNELS`), `NULL_POINTER`, `TOO_LONG`. Any thread, any process.

 Promised by the caller:
 `strengths` must be readable and writable and `ages_seconds` readable for `count` floats, which no other thread
 writes.
 */
lyger_status engram_apply_decay(float *strengths,
                                const float *ages_seconds,
                                size_t count,
                                float half_life_seconds);

/*
 Spreads activation along the edges of a graph in compressed sparse rows, in place and in steps: the edges of node `n` are
 those from `offsets[n]` up to, not including, `offsets[n + 1]`; `offsets` has `nodes + 1` numbers, `targets` and `weights` have
 `edges`, `activations` has `nodes`.

 In each of `steps` steps every node keeps `retention` (0 to 1) of its activation. Every node above `threshold` (at least 0)
 that doesn't rest adds `activation * transmission * weight` (`transmission` from 0 to 1, the activation from before the step)
 to the target of each of its edges, and rests for `refractory_steps`. `normalization` is 0 for none, 1 to divide what a
 node sends by the number of its edges, 2 to divide all activations after each step by the largest absolute value when that
 is above 1 and finite.

 Every product and sum is rounded to a float as it comes, by ascending source and then in the graph's order: the same bits on
 every machine. What isn't a number doesn't fire and is the NaN 0x7fc00000 in the end.

 `scratch` has room for `scratch_len` numbers, at least `2 * nodes`; what it holds doesn't matter before and means nothing
 after. Nothing is allocated. The arrays are aligned to 4 bytes; activations and scratch overlap neither each other nor the
 rest. Each length is at most 2^32 - 1. Every call checks all offsets and targets.

 Errors, after which the activations are as they were: `INVALID_ARGUMENT` (offsets that don't ascend from 0 to `edges`, a
 target that isn't a node, a number out of its range, a scratch too short, arrays that overlap or aren't aligned),
 `INVALID_CONFIG` (`LYGER_KERNELS`), `NULL_POINTER`, `TOO_LONG`. Any thread, any process.

 Promised by the caller:
 The pointers must be readable, those of activations and scratch also writable, for as many numbers as said above, which
 no other thread writes.
 */
lyger_status engram_spread_activation(const uint32_t *offsets,
                                      const uint32_t *targets,
                                      const float *weights,
                                      size_t nodes,
                                      size_t edges,
                                      float *activations,
                                      uint32_t steps,
                                      float retention,
                                      float transmission,
                                      float threshold,
                                      uint32_t refractory_steps,
                                      uint32_t normalization,
                                      uint32_t *scratch,
                                      size_t scratch_len);

/*
 Makes an empty index of vectors with `dimension` floats and sets `*index` to its id, which the caller gives back to
 `lyger_vector_free`.

 Its memory is this process's: a child that is forked later can't use it, and each worker of a fleet has its own.

 Errors: `INVALID_ARGUMENT` (a dimension of 0, or above `vector.dimension_max`), `HANDLES_EXHAUSTED`, `INVALID_CONFIG` (in the
 environment), `NULL_POINTER`, `WRONG_PROCESS`; `*index` is 0 then. Any thread.

 Promised by the caller:
 `index` must be null or writable for one `uint64_t`.
 */
lyger_status lyger_vector_new(size_t dimension,
                              uint64_t *index);

/*
 Gives an index back; its id is stale afterwards. What another thread does with it ends first, and then its memory is freed.

 Errors: `INVALID_HANDLE`, `WRONG_PROCESS`. Any thread.
 */
lyger_status lyger_vector_free(uint64_t index);

/*
 Adds vectors: `ids` has 8 bytes for each, `vectors` 4 bytes for each float, one vector behind the other. One whose id is there
 is replaced; of several under one id the last counts. All are added, or none.

 Errors: `INVALID_VECTOR` (bytes that aren't whole numbers, not as many vectors as ids, or NaN or an infinity, whose id is the
 error's value), `INDEX_TOO_LARGE`, `INVALID_HANDLE`, `INVALID_CONFIG` (`LYGER_KERNELS`), `NULL_POINTER`, `TOO_LONG`,
 `WRONG_PROCESS`. Any thread; it waits for searches that are under way.

 Promised by the caller:
 Each input must be null with length 0 or readable for its length.
 */
lyger_status lyger_vector_add(uint64_t index,
                              const char *ids,
                              size_t ids_len,
                              const char *vectors,
                              size_t vectors_len);

/*
 Takes out the vectors of these ids, 8 bytes each, and sets `*removed` to how many there were; ids that have none are passed over.

 Errors: `INVALID_VECTOR` (bytes that aren't whole ids), `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`; `*removed` is
 0 then. Any thread; it waits for searches that are under way.

 Promised by the caller:
 `ids` must be null with length 0 or readable for its length; `removed` must be null or writable for one `uint64_t`.
 */
lyger_status lyger_vector_remove(uint64_t index,
                                 const char *ids,
                                 size_t ids_len,
                                 uint64_t *removed);

/*
 Writes the vector of an id to `buf`, 4 bytes a float, when `cap` bytes hold it, and sets `*needed` to its length. Without a
 buffer, `BUFFER_TOO_SMALL` says that the id is there.

 Errors: `NOT_FOUND` (no vector has the id), `BUFFER_TOO_SMALL` (nothing is written), `INVALID_HANDLE`, `NULL_POINTER`,
 `TOO_LONG`, `WRONG_PROCESS`. Any thread.

 Promised by the caller:
 `buf` must be writable for `cap` bytes and `needed` for one `size_t`.
 */
lyger_status lyger_vector_get(uint64_t index,
                              int64_t id,
                              char *buf,
                              size_t cap,
                              size_t *needed);

/*
 Finds the `k` vectors that are most alike to `query`, the best first, all of them when there are fewer. `metric` is 0 for the
 scalar product, 1 for the cosine, 2 for the Euclidean distance; the best have the highest products and cosines, and the lowest
 distances. Of equal scores the lower id comes first; a score that is NaN (of infinite products) is the last.

 `among` holds the ids that may be found, 8 bytes each; those that have no vector are passed over. Null is no such wish, and
 not null with length 0 finds nothing.

 Writes to `buf`, when `cap` bytes hold it, the n ids (8 bytes each) and behind them their n scores (4 bytes each), and sets
 `*needed` to 12 * n. `12 * k` bytes always hold it.

 Errors: `INVALID_VECTOR` (the query has another number of floats, or one that isn't finite; bytes that aren't whole numbers),
 `INVALID_ARGUMENT` (an unknown metric), `BUFFER_TOO_SMALL` (nothing is written), `INDEX_TOO_LARGE` (no memory for as many
 results), `INVALID_HANDLE`, `INVALID_CONFIG` (`LYGER_KERNELS`), `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`. Any thread; several
 may search at once.

 Promised by the caller:
 Each input must be null with length 0 or readable for its length; `buf` must be writable for `cap` bytes and `needed` for one
 `size_t`.
 */
lyger_status lyger_vector_search(uint64_t index,
                                 const char *query,
                                 size_t query_len,
                                 uint32_t metric,
                                 size_t k,
                                 const char *among,
                                 size_t among_len,
                                 char *buf,
                                 size_t cap,
                                 size_t *needed);

/*
 Runs a statement of two columns, an integer id and a vector, and adds its rows as `lyger_vector_add` does, without a
 value of PHP's; sets `*loaded` to how many rows it had, and the call's `id` to 0. They are read as a stream is, and added when
 the last has come: all of them, or none.

 A vector is bytes (bytea, blob) of floats as above, `vector` or `halfvec` of pgvector, which come in binary, or a JSON array of
 numbers: text, JSON, PostgreSQL's arrays. A number in JSON is read as a double and rounded to a float.

 Errors: those of `lyger_db_run`; `INVALID_VECTOR` (a vector that is NULL, has another number of elements or one that isn't finite, or
 can't be read: its id is the error's value; an id that is NULL), `UNSUPPORTED_TYPE` (other columns), `INDEX_TOO_LARGE`,
 `INVALID_HANDLE`; `*loaded` is 0 then. Any thread.

 Promised by the caller:
 As `lyger_db_run`; `loaded` must be null or writable for one `uint64_t`.
 */
lyger_status lyger_vector_load(uint64_t index,
                               struct lyger_call *call,
                               const char *sql,
                               size_t sql_len,
                               const char *params,
                               size_t params_len,
                               uint64_t *loaded);

/*
 Writes an index to a file, in the place of one that is there: beside it first, forced to the disk, and then renamed, so that a
 file under this name is whole. docs/vectors.md describes its bytes.

 Errors: `INDEX_FILE_FAILED`, `INVALID_ARGUMENT` (an empty path, or one with a NUL byte), `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`
 (above 4,096 bytes), `WRONG_PROCESS`. Any thread. While the bytes are handed to the system the index can be searched, but a change
 waits, and searches that come behind it; while the disk is waited for both go on, and aren't in the file.

 Promised by the caller:
 `path` must be null with length 0 or readable for its length.
 */
lyger_status lyger_vector_save(uint64_t index,
                               const char *path,
                               size_t path_len);

/*
 Reads an index from a file and sets `*index` to its id, which the caller gives back to `lyger_vector_free`.

 Errors: `INDEX_FILE_FAILED`, `INDEX_DAMAGED` (cut, changed, or no index), `INDEX_TOO_LARGE`, and those of `lyger_vector_new` and
 `lyger_vector_save`; `*index` is 0 then. Any thread.

 Promised by the caller:
 `path` must be null with length 0 or readable for its length; `index` must be null or writable for one `uint64_t`.
 */
lyger_status lyger_vector_open(const char *path,
                               size_t path_len,
                               uint64_t *index);

/*
 Sets `*out` to what an index holds.

 Errors: `INVALID_HANDLE`, `NULL_POINTER`, `WRONG_PROCESS`; `*out` is written on success only. Any thread.

 Promised by the caller:
 `out` must be null or writable for one `lyger_vector_info`.
 */
lyger_status lyger_vector_stat(uint64_t index, struct lyger_vector_info *out);

/*
 Takes the lock of a name for `ttl_ms`, and sets `*token` to its fencing token, or to 0 when somebody has it. Of two tokens of a
 cache the later one is the larger, so who guards what a lock is for refuses tokens below the last one it saw.

 Errors: `CACHE_VALUE_TOO_LARGE` (no room for locks), `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`. Any thread.

 Promised by the caller:
 `name` must be null with length 0 or readable for its length; `token` must be null or writable for one `uint64_t`.
 */
lyger_status lyger_lock_take(uint64_t store,
                             const char *name,
                             size_t name_len,
                             uint64_t ttl_ms,
                             uint64_t *token);

/*
 Gives a lock back; `*held` is 0 when it wasn't the token's any more.

 Errors: `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`. Any thread.

 Promised by the caller:
 `name` must be null with length 0 or readable for its length; `held` must be null or writable for one `uint8_t`.
 */
lyger_status lyger_lock_release(uint64_t store, const char *name, size_t name_len, uint64_t token, uint8_t *held);

/*
 Keeps a lock for `ttl_ms` from now on; `*held` is 0 when it isn't the token's any more.

 Errors: those of `lyger_lock_take`. Any thread.

 Promised by the caller:
 `name` must be null with length 0 or readable for its length; `held` must be null or writable for one `uint8_t`.
 */
lyger_status lyger_lock_extend(uint64_t store,
                               const char *name,
                               size_t name_len,
                               uint64_t token,
                               uint64_t ttl_ms,
                               uint8_t *held);

/*
 Sets `*token` to that of the lock's holder, 0 when nobody has it.

 Errors: `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`. Any thread.

 Promised by the caller:
 `name` must be null with length 0 or readable for its length; `token` must be null or writable for one `uint64_t`.
 */
lyger_status lyger_lock_holder(uint64_t store, const char *name, size_t name_len, uint64_t *token);

/*
 Counts one more time of what `name` names, in a window of `window_ms` that begins with the first time. Sets `*count` to how often it
 was in this window, this time included, and `*ends_at` to the window's end in milliseconds since 1970.

 Errors: `CACHE_VALUE_TOO_LARGE` (no room for counters), `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`. Any thread.

 Promised by the caller:
 `name` must be null with length 0 or readable for its length; `count` and `ends_at` must be null or writable for one `uint64_t`.
 */
lyger_status lyger_rate_count(uint64_t store,
                              const char *name,
                              size_t name_len,
                              uint64_t window_ms,
                              uint64_t *count,
                              uint64_t *ends_at);

/*
 What `lyger_rate_count` last said, without counting; both are 0 when no window is under way.

 Errors: `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`. Any thread.

 Promised by the caller:
 `name` must be null with length 0 or readable for its length; `count` and `ends_at` must be null or writable for one `uint64_t`.
 */
lyger_status lyger_rate_read(uint64_t store,
                             const char *name,
                             size_t name_len,
                             uint64_t *count,
                             uint64_t *ends_at);

/*
 Ends the window of a name, so that the next time is the first of another one.

 Errors: `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`. Any thread.

 Promised by the caller:
 `name` must be null with length 0 or readable for its length.
 */
lyger_status lyger_rate_reset(uint64_t store, const char *name, size_t name_len);

/*
 The value under `key`, to `buf`, with `*token` 0. When there is none, the first one to ask is to make it within `patience_ms`, and
 then `*token` isn't 0: `lyger_flight_land` puts the value, `lyger_flight_abandon` lets another make it. To all others `NOT_FOUND`
 with a `*token` of 0 says to ask again a little later. Where there is no room for one more maker's lock, whoever asks is to make it.

 Errors: `NOT_FOUND`, `BUFFER_TOO_SMALL` (see `lyger_store_output`), `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`; of
 a full server `CACHE_VALUE_TOO_LARGE`. Any thread.

 Promised by the caller:
 `key` must be null with length 0 or readable for its length, `buf` writable for `cap` bytes, `needed` for one `size_t`; `token` must
 be null or writable for one `uint64_t`.
 */
lyger_status lyger_flight_take_off(uint64_t store,
                                   const char *key,
                                   size_t key_len,
                                   uint64_t patience_ms,
                                   uint64_t *token,
                                   char *buf,
                                   size_t cap,
                                   size_t *needed);

/*
 Puts the value that `lyger_flight_take_off` asked for. `*landed` is 0 when it took longer than `patience_ms`, so that somebody else
 may be making it: nothing is stored then.

 Errors: those of `lyger_store_put`, `INVALID_ARGUMENT` (an unknown expiry); whoever asks next is to make it. Any thread.

 Promised by the caller:
 `key` and `value` must be null with length 0 or readable for their length; `landed` must be null or writable for one `uint8_t`.
 */
lyger_status lyger_flight_land(uint64_t store,
                               const char *key,
                               size_t key_len,
                               uint64_t token,
                               const char *value,
                               size_t value_len,
                               uint32_t expiry,
                               uint64_t ms,
                               uint8_t *landed);

/*
 Lets somebody else make the value that `lyger_flight_take_off` asked for. Another's token changes nothing.

 Errors: `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`. Any thread.

 Promised by the caller:
 `key` must be null with length 0 or readable for its length.
 */
lyger_status lyger_flight_abandon(uint64_t store, const char *key, size_t key_len, uint64_t token);

/*
 The values under packed keys, packed in their order, to `buf`: all of the same moment.

 Errors: `BUFFER_TOO_SMALL` (see `lyger_store_output`), `INVALID_ARGUMENT` (`keys` ends amid one), `INVALID_HANDLE`, `NULL_POINTER`,
 `TOO_LONG` (a key above 64 KiB, all above 1 GiB), `WRONG_PROCESS`. Any thread.

 Promised by the caller:
 `keys` must be null with length 0 or readable for its length, `buf` writable for `cap` bytes, `needed` for one `size_t`.
 */
lyger_status lyger_store_get_many(uint64_t store,
                                  const char *keys,
                                  size_t keys_len,
                                  char *buf,
                                  size_t cap,
                                  size_t *needed);

/*
 Keeps values under keys, packed by turns, and with an `if_missing` that isn't 0 only if none of these keys is there (MSETNX);
 `*stored` says whether that was so. Nobody sees a part of them, but for a cluster's keys in several slots.

 Errors: `CACHE_VALUE_TOO_LARGE` (the pairs before the one that has no room are stored), `INVALID_ARGUMENT` (`pairs` ends amid one, an
 unknown expiry), `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG` (a key above 64 KiB, all above 1 GiB), `WRONG_PROCESS`.
 Any thread.

 Promised by the caller:
 `pairs` must be null with length 0 or readable for its length; `stored` must be null or writable for one `uint8_t`.
 */
lyger_status lyger_store_set_many(uint64_t store,
                                  const char *pairs,
                                  size_t pairs_len,
                                  uint8_t if_missing,
                                  uint32_t expiry,
                                  uint64_t ms,
                                  uint8_t *stored);

/*
 Forgets packed keys, and sets `*removed` to how many of them were there.

 Errors: `INVALID_ARGUMENT` (`keys` ends amid one), `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG` (a key above 64 KiB, all above 1 GiB),
 `WRONG_PROCESS`. Any thread.

 Promised by the caller:
 `keys` must be null with length 0 or readable for its length; `removed` must be null or writable for one `uint64_t`.
 */
lyger_status lyger_store_delete_many(uint64_t store,
                                     const char *keys,
                                     size_t keys_len,
                                     uint64_t *removed);

/*
 Tells some keys, packed, to `buf`: about `count`, and sets `*next` to the cursor to go on with. A scan begins with cursor 0 and has
 ended when `*next` is 0. Every key that is there from its beginning to its end is told, perhaps twice.

 Errors: `BUFFER_TOO_SMALL` (`*next` is right, and `lyger_store_output` has the keys), `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`,
 `WRONG_PROCESS`. Any thread.

 Promised by the caller:
 `buf` must be writable for `cap` bytes, `needed` for one `size_t`; `next` must be null or writable for one `uint64_t`.
 */
lyger_status lyger_store_scan(uint64_t store,
                              uint64_t cursor,
                              uint64_t count,
                              uint64_t *next,
                              char *buf,
                              size_t cap,
                              size_t *needed);

/*
 Sets `*keys` to how many keys there are, with those that have expired and that nobody has met since.

 Errors: `INVALID_HANDLE`, `NULL_POINTER`, `WRONG_PROCESS`. Any thread.

 Promised by the caller:
 `keys` must be null or writable for one `uint64_t`.
 */
lyger_status lyger_store_size(uint64_t store, uint64_t *keys);

/*
 Forgets every key. Locks, counters, tokens and sessions stay.

 Errors: `INVALID_HANDLE`, `WRONG_PROCESS`. Any thread.
 */
lyger_status lyger_store_clear(uint64_t store);

/*
 What there is and what has happened, as a JSON object of numbers, to `buf`: `keys`, `keys_expiring`, `bytes`, `bytes_max`,
 `memory_bytes`, `hits`, `misses`, `evictions`, `expirations`, `recoveries`, and how full the shares are that nothing is evicted
 from: `rate_bytes`, `lock_bytes`, `flight_bytes` (makers' locks), `session_bytes`, each with its `_max`. Of a cache that was opened
 only `keys`, as its server counts them.

 Errors: `BUFFER_TOO_SMALL`, `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`. Any thread.

 Promised by the caller:
 `buf` must be writable for `cap` bytes, `needed` for one `size_t`.
 */
lyger_status lyger_store_stats(uint64_t store,
                               char *buf,
                               size_t cap,
                               size_t *needed);

/*
 Begins one statement, sets the call's `id` to that of what is under way, and returns. The arguments are those of
 `lyger_db_run`. It goes on while a call waits: for a query, or in `lyger_async_wait`. SQLite's has run when this returns. A
 worker of a fleet has at most 1,024 under way.

 What a statement leaves on its connection is its client's, as with `lyger_db_run`; statements of one client that has such a
 connection run one after the other.

 Errors: as `lyger_db_run` for what can be told before it runs, and `POOL_EXHAUSTED` for one too many; the rest comes from
 `lyger_async_result`. Any thread.

 Promised by the caller:
 As `lyger_db_run`.
 */
lyger_status lyger_async_run(struct lyger_call *call,
                             const char *sql,
                             size_t sql_len,
                             const char *params,
                             size_t params_len);

/*
 As `lyger_async_run` for `lyger_stream_open`: the operation's result is the stream's id.

 Errors: as `lyger_async_run`. Any thread.

 Promised by the caller:
 As `lyger_db_run`.
 */
lyger_status lyger_async_open(struct lyger_call *call,
                              const char *sql,
                              size_t sql_len,
                              const char *params,
                              size_t params_len);

/*
 As `lyger_async_run` for `lyger_stream_next`: the operation's result is that of the chunk, 0 behind the last. A stream has one
 such operation at a time.

 Errors: `INVALID_HANDLE`, `INVALID_ARGUMENT` (another one is under way), `NULL_POINTER`, `WRONG_PROCESS`. Any thread.

 Promised by the caller:
 `operation` must be null or writable for one `uint64_t`.
 */
lyger_status lyger_async_next(uint64_t stream,
                              uint64_t *operation);

/*
 Waits up to `timeout_ms` until an operation has finished, while those under way go on. Writes the ids of those that have
 finished since this was asked, at most `cap`, to `operations`, and their number to `*count`; 0 when the time is over, and in a
 fleet's worker also when a signal came. What had no room is told by the next call.

 Errors: `NULL_POINTER`, `TOO_LONG` (a `cap` above 65,536), `WRONG_PROCESS`. Any thread.

 Promised by the caller:
 `operations` must be writable for `cap` ids, and `count` null or writable for one `size_t`.
 */
lyger_status lyger_async_wait(uint32_t timeout_ms,
                              uint64_t *operations,
                              size_t cap,
                              size_t *count);

/*
 Sets `*result` to what a finished operation gave, or returns its error. The operation's id is stale afterwards.

 Errors: those of the function whose work it was; `INVALID_ARGUMENT` while it is under way (its id stays valid then),
 `INVALID_HANDLE`, `HANDLES_EXHAUSTED`, `NULL_POINTER`, `WRONG_PROCESS`. Any thread.

 Promised by the caller:
 `result` must be null or writable for one `uint64_t`.
 */
lyger_status lyger_async_result(uint64_t operation, uint64_t *result);

/*
 Gives an operation back; its id is stale afterwards. A statement that is under way is stopped on its server, over a
 connection of its own, and with it what its client had on that connection: a transaction is lost (08003 until it is rolled
 back). Outside of a fleet this waits until the server has been told, at most a second.

 Errors: `INVALID_HANDLE`, `WRONG_PROCESS`. Any thread.
 */
lyger_status lyger_async_cancel(uint64_t operation);

/*
 Waits up to `timeout_ms` for the next request, takes it, and writes its method, path and query one after the other to `buf`
 and their lengths to `*out`.

 The path and the query are as the client sent them, percent-encoded; the query is without its `?`. A request whose three
 don't fit `cap` bytes is left as the next one: `BUFFER_TOO_SMALL`, and `*needed` says how many they need. Whoever takes a
 request answers it, with `lyger_request_respond`, `lyger_request_respond_sql` or `lyger_request_pass`.

 Errors: `TIMEOUT`, `INTERRUPTED` (a signal came: run its handlers and call again), `FINISHED` (no request, but an operation has
 finished, which `lyger_async_wait` has not told), `STOPPED` (the server has drained: leave
 the loop), `BUFFER_TOO_SMALL`, `SERVER_NOT_RUNNING`, `NULL_POINTER`, `WRONG_PROCESS`; `*out` is written on success only.
 Any thread.

 Promised by the caller:
 `out` must be null or writable for one `lyger_request_head`, `buf` writable for `cap` bytes, `needed` for one `size_t`.
 */
lyger_status lyger_worker_next(uint32_t timeout_ms,
                               struct lyger_request_head *out,
                               char *buf,
                               size_t cap,
                               size_t *needed);

/*
 Writes a part of a request to `buf` when `cap` bytes hold it, and sets `*needed` to its length.

 `part` is a `lyger_request_part`; `name` (at most 64 KiB) is the header's for `LYGER_REQUEST_PART_HEADER`, else it is ignored.

 Errors: `INVALID_HANDLE`, `INVALID_ARGUMENT` (no such part), `NOT_FOUND` (no such header), `BUFFER_TOO_SMALL` (nothing is
 written), `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`. Any thread.

 Promised by the caller:
 `name` must be null with length 0 or readable for its length, `buf` writable for `cap` bytes, `needed` for one `size_t`.
 */
lyger_status lyger_request_read(uint64_t id,
                                uint32_t part,
                                const char *name,
                                size_t name_len,
                                char *buf,
                                size_t cap,
                                size_t *needed);

/*
 Answers a request; its id is stale afterwards.

 `http_status` is 200 to 599. `headers` (at most 1 MiB) is name, NUL, value, NUL, and so on; Content-Length, Transfer-Encoding and
 Connection are the engine's and left out. `body` has at most 1 GiB. The engine copies all of it. A client that has
 gone meanwhile is no error.

 Errors: `INVALID_HANDLE` (also when it is answered already), `INVALID_ARGUMENT` (the status, or a header with a byte that HTTP
 forbids; the request still waits for its answer), `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`. Any thread.

 Promised by the caller:
 Each pointer must be null with length 0 or readable for its length.
 */
lyger_status lyger_request_respond(uint64_t id,
                                   uint16_t http_status,
                                   const char *headers,
                                   size_t headers_len,
                                   const char *body,
                                   size_t body_len);

/*
 Answers a request with the rows of a statement and returns at once: the server runs it and the worker is free.
 The id is stale afterwards.

 `http_status` and `headers` are as in `lyger_request_respond`, with the shape's `content-type` unless given; `dsn`, `sql` and
 `params` as in `lyger_db_execute`. `options` (at most 64 KiB) is empty for a JSON array of objects, or a JSON object: `shape` is
 `list`, `keyed` (by the column `key`), `single`, `envelope`, `paged` (`page` and `per_page`), `ndjson` or `csv`; `etag` is
 `true` for an ETag; `timeout_ms`, `retries` and `decimals` (`string` or `number`) and `times` (`rfc3339` or `sql`) say how the statement runs. A statement that fails becomes a 500 or 503 with a JSON body to the client, a single row that
 isn't there a 404; what fails after the first megabyte has left ends the connection.

 Errors: those of `lyger_request_respond`, and `INVALID_UTF8` and `INVALID_ARGUMENT` (a NUL byte in `sql`, `options` that
 are none). Any thread.

 Promised by the caller:
 Each pointer must be null with length 0 or readable for its length.
 */
lyger_status lyger_request_respond_sql(uint64_t id,
                                       uint16_t http_status,
                                       const char *headers,
                                       size_t headers_len,
                                       const char *dsn,
                                       size_t dsn_len,
                                       const char *sql,
                                       size_t sql_len,
                                       const uint8_t *params,
                                       size_t params_len,
                                       const char *options,
                                       size_t options_len);

/*
 Leaves a request to the engine, because the application has no route for it: `GET /` gets the engine's own page, everything
 else its 404. The id is stale afterwards.

 Errors: `INVALID_HANDLE`, `WRONG_PROCESS`. Any thread.
 */
lyger_status lyger_request_pass(uint64_t id);

/*
 Says which of several claimed requests the worker goes on with, until the next call of this or of `lyger_worker_next`, whose
 request runs from the start. Should the process crash, that one is to blame: the others may be tried again.

 Errors: `INVALID_HANDLE`, `WRONG_PROCESS`. Any thread.
 */
lyger_status lyger_request_enter(uint64_t id);

/*
 Says that a request must not be tried again: without this a fleet gives a GET or HEAD whose worker is killed by a SIGKILL
 that isn't the server's own to another worker, once. Its client gets 502 instead. Call it before the handler runs.

 Errors: `INVALID_HANDLE`, `WRONG_PROCESS`. Any thread.
 */
lyger_status lyger_request_once(uint64_t id);

/*
 Serves this process's cache to Redis clients, with threads of its own, and returns; `*port` is where it listens.

 `config` is a JSON object (at most 1 MiB), any of: `listen` (`"127.0.0.1:6380"`; port 0 is any free one), `threads` (0: one for each
 core), `password` (needed where not only this machine can come), `snapshot` (a file: loaded now, unless the cache was loaded from it before,
 and saved by `SAVE` and `lyger_resp_stop`), `backlog`, `buffer_bytes`, `clients_max` and the other limits, named as the keys `resp.*` without that word. NULL with
 length 0 is the defaults. In a worker of a fleet the cache is the one that all share.

 Errors: `SERVER_RUNNING`, `ADDRESS_IN_USE`, `INVALID_CONFIG` (the message names the key; also where a password is missing),
 `SERVER_FAILED` (a snapshot that is damaged, too), `NULL_POINTER`, `TOO_LONG`, `INVALID_UTF8`, `WRONG_PROCESS`; `*port` is 0 then, and nothing
 runs. Any thread.

 Promised by the caller:
 `config` must be null with length 0 or readable for `len` bytes; `port` must be null or writable for one `uint16_t`.
 */
lyger_status lyger_resp_start(const char *config,
                              size_t len,
                              uint16_t *port);

/*
 Where the server for Redis clients listens, as `127.0.0.1:6380`; also the one that `lyger_server_start` has started.

 Errors: `SERVER_NOT_RUNNING` (in a worker of a fleet it is the front that serves), `BUFFER_TOO_SMALL`, `NULL_POINTER`,
 `WRONG_PROCESS`. Any thread.

 Promised by the caller:
 `buf` must be writable for `cap` bytes and `needed` for one `size_t`.
 */
lyger_status lyger_resp_address(char *buf, size_t cap, size_t *needed);

/*
 Ends the server for Redis clients: its connections, its threads; then the cache is saved where `snapshot` names a file. The
 cache stays.

 Errors: `SERVER_NOT_RUNNING`, `SERVER_FAILED` (nothing was saved; the server has ended all the same), `WRONG_PROCESS`. Any thread.
 */
lyger_status lyger_resp_stop(void);

/*
 Encodes a result as a JSON array of objects, in a string that the caller gives back to `lyger_free_string`.

 The result stays. NULL on an error: `INVALID_HANDLE`, `INVALID_CONFIG` (`LYGER_KERNELS`), `WRONG_PROCESS`. Any thread.
 */
char *lyger_jsonify_result(uint64_t ptr);

/*
 Gives a result back; its id is stale afterwards. An id that isn't a result's does nothing, and `lyger_last_error` says
 `INVALID_HANDLE` or `WRONG_PROCESS`. Any thread.
 */
void lyger_free_result(uint64_t ptr);

/*
 Sets `*out` to what a result holds.

 Errors: `INVALID_HANDLE`, `NULL_POINTER`, `WRONG_PROCESS`; `*out` is written on success only. Any thread.

 Promised by the caller:
 `out` must be null or writable for one `lyger_result_info`.
 */
lyger_status lyger_result_describe(uint64_t result, struct lyger_result_info *out);

/*
 Writes a result as a JSON array of objects to `buf` when `cap` bytes hold it, and sets `*needed` to its length.

 It is encoded at the first call and kept until the result is freed, so asking for the length first costs nothing.

 Errors: `INVALID_HANDLE`, `BUFFER_TOO_SMALL` (nothing is written), `NULL_POINTER`, `INVALID_CONFIG` (`LYGER_KERNELS`),
 `WRONG_PROCESS`. Any thread.

 Promised by the caller:
 `buf` must be writable for `cap` bytes and `needed` for one `size_t`.
 */
lyger_status lyger_result_json(uint64_t result, char *buf, size_t cap, size_t *needed);

/*
 Writes a result's rows, which are a list of associative arrays for PHP, to `buf` when `cap` bytes hold them, and sets `*needed`
 to their length: fewer than 32 in the format of PHP's `serialize()`, which begins with `a`; more of them by columns.

 By columns they are a `c`, a u32 count of columns and for each its name (u32 length, bytes), then blocks of up to 1,024 rows: a
 u32 count of rows, and for each column its kind, a u32 count of nulls, a u32 length of its cells, then the keys of the nulls (u32
 each) and the cells: `i` integers (i64), `d` doubles, the keys counted from 1; `b` the keys of booleans that are false (u32), counted
 from 0; `t` strings with a NUL byte between each two, the keys counted from
 0; `s` a serialized list, its nulls in it. Numbers are little-endian, and no name is there twice.

 Types are kept and bytes are raw; an unsigned integer above PHP's `PHP_INT_MAX` is a string of its digits. It is encoded
 at the first call and kept until the result is freed.

 Errors: `INVALID_HANDLE`, `BUFFER_TOO_SMALL` (nothing is written), `NULL_POINTER`, `WRONG_PROCESS`. Any thread.

 Promised by the caller:
 `buf` must be writable for `cap` bytes and `needed` for one `size_t`.
 */
lyger_status lyger_result_rows(uint64_t result,
                               char *buf,
                               size_t cap,
                               size_t *needed);

/*
 Writes a result in a shape to `buf` when `cap` bytes hold it, and sets `*needed` to its length.

 `options` (at most 64 KiB) are those of `lyger_request_respond_sql`, of which `etag` means nothing here; `total` is the number of
 rows on all pages, for the shape `paged`. The last shape that was asked for is kept until the result is freed.

 Errors: `INVALID_HANDLE`, `NOT_FOUND` (a single row that isn't there), `INVALID_ARGUMENT` (`options` that are none, a column to
 be keyed by that isn't there or has a NULL), `BUFFER_TOO_SMALL` (nothing is written), `NULL_POINTER`, `TOO_LONG`, `INVALID_CONFIG`
 (`LYGER_KERNELS`), `WRONG_PROCESS`. Any thread.

 Promised by the caller:
 `options` must be null with length 0 or readable for its length, `buf` writable for `cap` bytes, `needed` for one `size_t`.
 */
lyger_status lyger_result_shaped(uint64_t result,
                                 const char *options,
                                 size_t options_len,
                                 uint64_t total,
                                 char *buf,
                                 size_t cap,
                                 size_t *needed);

/*
 Writes at most `count` rows of a result, from row `from` (counted from 0) on, to `buf` as `lyger_result_rows` writes all:
 a list that is numbered from 0, and empty behind the last row. Only the last slice is kept, so a large result can be read
 in pieces without a second copy of it.

 Errors: `INVALID_HANDLE`, `BUFFER_TOO_SMALL` (nothing is written), `NULL_POINTER`, `WRONG_PROCESS`. Any thread.

 Promised by the caller:
 `buf` must be writable for `cap` bytes and `needed` for one `size_t`.
 */
lyger_status lyger_result_slice(uint64_t result,
                                uint64_t from,
                                uint64_t count,
                                char *buf,
                                size_t cap,
                                size_t *needed);

/*
 Writes the values of one column, counted from 0, in the format of PHP's `serialize()`, a list, to `buf` when `cap` bytes
 hold it, and sets `*needed` to its length. It is encoded at each call.

 Errors: `INVALID_HANDLE`, `INVALID_ARGUMENT` (there is no such column), `BUFFER_TOO_SMALL` (nothing is written),
 `NULL_POINTER`, `WRONG_PROCESS`. Any thread.

 Promised by the caller:
 `buf` must be writable for `cap` bytes and `needed` for one `size_t`.
 */
lyger_status lyger_result_column(uint64_t result,
                                 uint64_t column,
                                 char *buf,
                                 size_t cap,
                                 size_t *needed);

/*
 Writes the JSON of rows that `lyger_result_rows` or `lyger_db_fetch` has written by columns to `buf` when `cap` bytes hold it, and
 sets `*needed` to its length: that of the arrays which PHP makes of them, so raw bytes and texts of JSON are strings.

 Errors: `NOT_FOUND` for rows of which PHP writes another JSON (fewer than 32, cells of several kinds, names that PHP takes for
 integers, floats that need an exponent) and for bytes that aren't such rows; `BUFFER_TOO_SMALL` (what is in `buf` is of no use),
 `NULL_POINTER`, `TOO_LONG` (above 1 GiB), `INVALID_CONFIG` (`LYGER_KERNELS`). Any thread, any process.

 Promised by the caller:
 `rows` must be null with length 0 or readable for its length, `buf` writable for `cap` bytes and `needed` for one `size_t`.
 */
lyger_status lyger_rows_json(const char *rows,
                             size_t rows_len,
                             char *buf,
                             size_t cap,
                             size_t *needed);

/*
 Gives a result back; its id is stale afterwards. Errors: `INVALID_HANDLE`, `WRONG_PROCESS`. Any thread.
 */
lyger_status lyger_result_free(uint64_t result);

/*
 Starts the server with its defaults at 127.0.0.1 and `port`, and returns; the caller goes on with `lyger_worker_next`.

 Port 0 takes any free one, which only `lyger_server_start` tells. On an error nothing runs, and `lyger_last_error` says
 what: those of `lyger_server_start`. Any thread.
 */
void lyger_start_server(uint16_t port);

/*
 Begins the server's drain and returns at once. `lyger_last_error` says `SERVER_NOT_RUNNING` or `WRONG_PROCESS` when there
 is none. Any thread.
 */
void lyger_stop_server(void);

/*
 Starts the server and returns; the caller goes on with `lyger_worker_next`. `*port` is the port that it listens on.

 `config` is a JSON object (at most 1 MiB; empty for the defaults) with any of `host`, `port` (0 takes any free one),
 `queue_max`, `queue_timeout_ms`, `half_close_timeout_ms`, `request_timeout_ms`, `head_timeout_ms`,
 `body_idle_timeout_ms`, `idle_timeout_ms`, `write_timeout_ms`, `head_bytes_max`, `header_count_max`, `uri_bytes_max`, `body_bytes_max`, `drain_timeout_ms`, `debug`,
 `trusted_proxies`, `db`, an object of `connections_max`, `acquire_timeout_ms`, `statement_timeout_ms`, `result_bytes_max`, and
 `resp`, an object of what `lyger_resp_start` takes: with its `listen` Redis clients are served until this server has ended.

 SIGINT and SIGTERM begin the drain. When its time is over and the answer to a claimed request is still owed, the process
 ends with 1; a second signal ends it at once, with 130 or 143.

 Errors: `SERVER_RUNNING`, `ADDRESS_IN_USE`, `INVALID_CONFIG` (the message names the key; also `LYGER_KERNELS`),
 `SERVER_FAILED`, `NULL_POINTER`, `TOO_LONG`, `INVALID_UTF8`, `WRONG_PROCESS`; `*port` is 0 then, and nothing runs.
 Any thread.

 Promised by the caller:
 `config` must be null with length 0 or readable for `len` bytes; `port` must be null or writable for one `uint16_t`.
 */
lyger_status lyger_server_start(const char *config,
                                size_t len,
                                uint16_t *port);

/*
 Begins the server's drain and returns at once: it accepts no connection any more, and what runs and waits is finished
 within `drain_timeout_ms`. The worker goes on until `lyger_worker_next` returns `STOPPED`. A second call does nothing.

 Errors: `SERVER_NOT_RUNNING`, `SERVER_FAILED` (in a worker of a fleet, which has no server of its own), `WRONG_PROCESS`.
 Any thread.
 */
lyger_status lyger_server_stop(void);

/*
 Waits up to `timeout_ms` until the server has drained and its threads have ended. It doesn't begin the drain.

 Afterwards there is no server: every call about it is `SERVER_NOT_RUNNING`, signal handlers are those of before, and
 another may be started.

 Errors: `TIMEOUT`, `SERVER_NOT_RUNNING`, `WRONG_PROCESS`. Any thread.
 */
lyger_status lyger_server_wait(uint32_t timeout_ms);

/*
 Opens a session for `ttl_ms`, whether it is there or not, and sets `*token` to what it is written with, or to 0 when somebody else
 has it open: ask again a little later. It is free again by `lyger_session_close`, by its time, and, but for a cache that was
 opened, with the death of the process.

 Errors: `CACHE_VALUE_TOO_LARGE` (no room for locks), `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`. Any thread.

 Promised by the caller:
 `id` must be null with length 0 or readable for its length; `token` must be null or writable for one `uint64_t`.
 */
lyger_status lyger_session_open(uint64_t store,
                                const char *id,
                                size_t id_len,
                                uint64_t ttl_ms,
                                uint64_t *token);

/*
 Lets others open a session; `*held` is 0 when it wasn't the token's any more.

 Errors: `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`. Any thread.

 Promised by the caller:
 `id` must be null with length 0 or readable for its length; `held` must be null or writable for one `uint8_t`.
 */
lyger_status lyger_session_close(uint64_t store, const char *id, size_t id_len, uint64_t token, uint8_t *held);

/*
 A session's data, to `buf`, whoever has it open.

 Errors: `NOT_FOUND`, `BUFFER_TOO_SMALL` (see `lyger_store_output`), `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`.
 Any thread.

 Promised by the caller:
 `id` must be null with length 0 or readable for its length, `buf` writable for `cap` bytes, `needed` for one `size_t`.
 */
lyger_status lyger_session_read(uint64_t store,
                                const char *id,
                                size_t id_len,
                                char *buf,
                                size_t cap,
                                size_t *needed);

/*
 Puts a session's data, at most 60 KiB (a server that was opened takes 512 MiB), for `ttl_ms` from now on. `*written` is 0, and nothing was
 written, when the token hasn't the session open any more: somebody else may have changed it since. With a token of 0 nobody has to
 have it open, and the last one to write wins.

 Errors: `CACHE_VALUE_TOO_LARGE` (too long, or no room for sessions: what was there stays), `INVALID_HANDLE`, `NULL_POINTER`,
 `TOO_LONG`, `WRONG_PROCESS`. Any thread.

 Promised by the caller:
 `id` and `data` must be null with length 0 or readable for their length; `written` must be null or writable for one `uint8_t`.
 */
lyger_status lyger_session_write(uint64_t store,
                                 const char *id,
                                 size_t id_len,
                                 uint64_t token,
                                 const char *data,
                                 size_t data_len,
                                 uint64_t ttl_ms,
                                 uint8_t *written);

/*
 Keeps a session for `ttl_ms` from now on; `*found` is 0 when there is none.

 Errors: `CACHE_VALUE_TOO_LARGE` (no room for sessions), `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`. Any thread.

 Promised by the caller:
 `id` must be null with length 0 or readable for its length; `found` must be null or writable for one `uint8_t`.
 */
lyger_status lyger_session_touch(uint64_t store,
                                 const char *id,
                                 size_t id_len,
                                 uint64_t ttl_ms,
                                 uint8_t *found);

/*
 Removes a session; `*found` is 0 when there was none. Who has it open has lost it: what he writes by his token is refused.

 Errors: `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`. Any thread.

 Promised by the caller:
 `id` must be null with length 0 or readable for its length; `found` must be null or writable for one `uint8_t`.
 */
lyger_status lyger_session_destroy(uint64_t store,
                                   const char *id,
                                   size_t id_len,
                                   uint8_t *found);

/*
 Copies the value under `key` to the reader's buffer and returns its length: a length above `cap` wrote nothing, and
 `lyger_store_output` has the value. This is the way for who reads often: fewer arguments, of which each costs PHP's FFI some
 300 instructions.

 An error is its status with a minus: `-NOT_FOUND`, `-INVALID_HANDLE`, `-INVALID_ARGUMENT` (a reader of another size),
 `-NULL_POINTER`, `-TOO_LONG` (a key above 64 KiB), `-WRONG_PROCESS`, and what a store that was opened answers; what is in the
 buffer means nothing then. Any thread.

 Promised by the caller:
 `reader` must be null or readable and writable for a `lyger_reader`, whose `buf` is null with `cap` 0 or writable for `cap` bytes.
 `key` must be null with length 0 or readable for its length.
 */
int64_t lyger_store_find(struct lyger_reader *reader,
                         const char *key,
                         size_t key_len);

/*
 Writes the calling thread's last output of a `lyger_store_`, `lyger_lock_`, `lyger_rate_` or `lyger_flight_` function that didn't
 fit its buffer. It is gone then.

 Errors: `NOT_FOUND` (there is none, or an empty one), `BUFFER_TOO_SMALL` (it stays), `NULL_POINTER`, `TOO_LONG`. Any thread, any
 process.

 Promised by the caller:
 `buf` must be writable for `cap` bytes and `needed` for one `size_t`.
 */
lyger_status lyger_store_output(char *buf,
                                size_t cap,
                                size_t *needed);

/*
 The value under `key`, to `buf`.

 Errors: `NOT_FOUND`, `BUFFER_TOO_SMALL` (see `lyger_store_output`), `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`.
 Any thread.

 Promised by the caller:
 `key` must be null with length 0 or readable for its length, `buf` writable for `cap` bytes, `needed` for one `size_t`.
 */
lyger_status lyger_store_get(uint64_t store,
                             const char *key,
                             size_t key_len,
                             char *buf,
                             size_t cap,
                             size_t *needed);

/*
 Keeps `value` under `key`, in place of the value before, for `ttl_ms`, or with 0 until it is evicted: `lyger_store_set` with fewer
 arguments.

 Errors: `CACHE_VALUE_TOO_LARGE` (the value before stays), `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`, `INVALID_CONFIG` (in the
 environment), `WRONG_PROCESS`. Any thread.

 Promised by the caller:
 Each pointer must be null with length 0, or readable for its length.
 */
lyger_status lyger_store_put(uint64_t store,
                             const char *key,
                             size_t key_len,
                             const char *value,
                             size_t value_len,
                             uint64_t ttl_ms);

/*
 Keeps `value` under `key` if the condition holds, and sets `*stored` to whether it did. With a `needed` that isn't null the value
 before goes to `buf` as well (SET's GET): `*needed` is `SIZE_MAX` when there was none.

 Errors: those of `lyger_store_put`, `INVALID_ARGUMENT` (an unknown condition or expiry), `BUFFER_TOO_SMALL` (the value is
 stored, `*stored` is right, and `lyger_store_output` has the one before). Any thread.

 Promised by the caller:
 `key` and `value` must be null with length 0 or readable for their length, `buf` writable for `cap` bytes, `needed` null or
 writable for one `size_t`, `stored` null or writable for one `uint8_t`.
 */
lyger_status lyger_store_set(uint64_t store,
                             const char *key,
                             size_t key_len,
                             const char *value,
                             size_t value_len,
                             uint32_t condition,
                             uint32_t expiry,
                             uint64_t ms,
                             uint8_t *stored,
                             char *buf,
                             size_t cap,
                             size_t *needed);

/*
 Keeps `value` in place of `expected` and of nothing else, with the expiry that is there; `*stored` says whether it did.

 Errors: those of `lyger_store_put`. Any thread.

 Promised by the caller:
 Each input must be null with length 0 or readable for its length; `stored` must be null or writable for one `uint8_t`.
 */
lyger_status lyger_store_compare_and_set(uint64_t store,
                                         const char *key,
                                         size_t key_len,
                                         const char *expected,
                                         size_t expected_len,
                                         const char *value,
                                         size_t value_len,
                                         uint8_t *stored);

/*
 Forgets `key`; `*removed` says whether it was there.

 Errors: `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`. Any thread.

 Promised by the caller:
 `key` must be null with length 0 or readable for its length; `removed` must be null or writable for one `uint8_t`.
 */
lyger_status lyger_store_delete(uint64_t store, const char *key, size_t key_len, uint8_t *removed);

/*
 Sets `*ttl_ms` to how long the value under `key` stays: -1 when it has no expiry, -2 when there is none. It doesn't count as a use.

 Errors: `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`. Any thread.

 Promised by the caller:
 `key` must be null with length 0 or readable for its length; `ttl_ms` must be null or writable for one `int64_t`.
 */
lyger_status lyger_store_ttl(uint64_t store,
                             const char *key,
                             size_t key_len,
                             int64_t *ttl_ms);

/*
 Sets `*found` to whether there is a value under `key`. It doesn't count as a use.

 Errors: `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`. Any thread.

 Promised by the caller:
 `key` must be null with length 0 or readable for its length; `found` must be null or writable for one `uint8_t`.
 */
lyger_status lyger_store_exists(uint64_t store, const char *key, size_t key_len, uint8_t *found);

/*
 Changes when the value under `key` goes (with expiry 0 it stays: PERSIST); `*found` says whether there is one.

 Errors: `CACHE_VALUE_TOO_LARGE` (no room for an expiry), `INVALID_ARGUMENT`, `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`,
 `WRONG_PROCESS`. Any thread.

 Promised by the caller:
 `key` must be null with length 0 or readable for its length; `found` must be null or writable for one `uint8_t`.
 */
lyger_status lyger_store_expire(uint64_t store,
                                const char *key,
                                size_t key_len,
                                uint32_t expiry,
                                uint64_t ms,
                                uint8_t *found);

/*
 Opens the cache that a DSN names (`redis://…`, `rediss://…`, `redis+unix://…`, `redis-cluster://…`, `redis-sentinel://…`: docs/cache.md) and sets
 `*store` to its id, which the caller gives back to `lyger_store_close`. It connects when it is first used.

 Errors: `INVALID_DSN`, `HANDLES_EXHAUSTED`, `NULL_POINTER`, `TOO_LONG` (above 4,096 bytes), `INVALID_UTF8`, `WRONG_PROCESS`; `*store`
 is 0 then, which is the process's own. Any thread.

 Promised by the caller:
 `dsn` must be null with length 0 or readable for its length; `store` must be null or writable for one `uint64_t`.
 */
lyger_status lyger_store_open(const char *dsn,
                              size_t dsn_len,
                              uint64_t *store);

/*
 Closes a cache that `lyger_store_open` has opened, with its connections; its id is stale afterwards. What another thread does with it
 ends first. What it holds stays on its server.

 Errors: `INVALID_HANDLE` (0 as well: the process's own stays), `WRONG_PROCESS`. Any thread.
 */
lyger_status lyger_store_close(uint64_t store);

/*
 Runs one statement whose rows are read chunk by chunk, and sets the call's `id` to the stream's, which the caller gives back
 to `lyger_stream_close`. Returns when the first rows are there.

 Errors: as `lyger_db_run`. Any thread.

 Promised by the caller:
 As `lyger_db_run`.
 */
lyger_status lyger_stream_open(struct lyger_call *call,
                               const char *sql,
                               size_t sql_len,
                               const char *params,
                               size_t params_len);

/*
 Waits for the next rows and sets `*result` to the id of a result with them, which the caller gives back to
 `lyger_result_free`; to 0 behind the last. The first result has the columns also where there are no rows.

 Errors: those of `lyger_db_run`, after which the stream has ended; `INVALID_ARGUMENT` while `lyger_async_next` reads them,
 `INVALID_HANDLE`, `NULL_POINTER`. Any thread.

 Promised by the caller:
 `result` must be null or writable for one `uint64_t`.
 */
lyger_status lyger_stream_next(uint64_t stream,
                               uint64_t *result);

/*
 Gives a stream back; its id is stale afterwards. One that has not ended is stopped. Errors: `INVALID_HANDLE`,
 `WRONG_PROCESS`. Any thread.
 */
lyger_status lyger_stream_close(uint64_t stream);

/*
 Gives back a string that `lyger_hello_world`, `lyger_system_info`, `lyger_jsonify_result` or
 `lyger_cache_get` returned. The pointer is invalid afterwards.

 NULL does nothing. Anything that isn't an issued string (freed before, never issued, issued to the parent of a forked
 child) is left alone, and `lyger_last_error` says `INVALID_ARGUMENT`. Any thread, any process.

 Promised by the caller:
 None beyond C's own: `ptr` is compared, never followed. Nobody may use the string afterwards.
 */
void lyger_free_string(char *ptr);

/*
 Writes the cosine of the query and each candidate to `scores`: candidate `i` is the `query_len` floats from
 `candidates[i * query_len]` on.

 A cosine is `dot / (norm * norm)`, cut to -1 and 1, each operation rounded to float in an order that is the same on every
 machine. It is 0 where a vector has the norm 0, and the NaN 0x7fc00000 where either holds a NaN, or infinities that give one.
 Never -0. With `query_len` 0 all are 0.

 Squares have to be floats: a vector of length 2^64 (1.8e19) or more gives 0, or NaN where the dot is infinite too; one whose
 elements all are below about 2^-63 (1.1e-19) loses digits, the more the smaller they are, and gives 0 from 2^-75 (2.6e-23)
 down. Multiply such a vector by a power of two before, which changes no true cosine, or divide it by its length in doubles.

 On an error no score is written, and `lyger_last_error` says which: `NULL_POINTER`, `TOO_LONG` (more than 2^32 - 1 candidates,
 floats of the query, or floats of all candidates; the query's also without candidates), `INVALID_ARGUMENT` (an array isn't
 aligned, or scores overlap what is read), `INVALID_CONFIG` (`LYGER_KERNELS`). Any thread, any process.

 Promised by the caller:
 `query` must be readable for `query_len` floats, `candidates` for `query_len * num_candidates`, and `scores` writable for
 `num_candidates`; nobody changes them during the call. What has no elements may be null.
 */
void engram_vector_similarity(const float *query,
                              const float *candidates,
                              float *scores,
                              size_t query_len,
                              size_t num_candidates);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* LYGER_H */
