/* The C boundary of Lyger's engine for FFI::cdef. Generated from rust/ffi/ by `LYGER_BLESS=1 cargo test --test abi`: don't edit. lyger.h documents it. */
enum lyger_status
 {
    LYGER_STATUS_OK = 0,
    LYGER_STATUS_NULL_POINTER = 1,
    LYGER_STATUS_TOO_LONG = 2,
    LYGER_STATUS_INVALID_UTF8 = 3,
    LYGER_STATUS_INVALID_HANDLE = 4,
    LYGER_STATUS_INVALID_ARGUMENT = 5,
    LYGER_STATUS_BUFFER_TOO_SMALL = 6,
    LYGER_STATUS_WRONG_PROCESS = 7,
    LYGER_STATUS_PANIC = 8,
    LYGER_STATUS_TIMEOUT = 9,
    LYGER_STATUS_INTERRUPTED = 10,
    LYGER_STATUS_STOPPED = 11,
    LYGER_STATUS_NOT_FOUND = 12,
    LYGER_STATUS_HANDLES_EXHAUSTED = 13,
    LYGER_STATUS_FINISHED = 14,
    LYGER_STATUS_INVALID_DSN = 20,
    LYGER_STATUS_CONNECTION_FAILED = 21,
    LYGER_STATUS_QUERY_FAILED = 22,
    LYGER_STATUS_UNSUPPORTED_TYPE = 23,
    LYGER_STATUS_RESULT_TOO_LARGE = 24,
    LYGER_STATUS_POOL_EXHAUSTED = 25,
    LYGER_STATUS_INVALID_PARAMS = 26,
    LYGER_STATUS_ADDRESS_IN_USE = 30,
    LYGER_STATUS_SERVER_RUNNING = 31,
    LYGER_STATUS_SERVER_NOT_RUNNING = 32,
    LYGER_STATUS_ALREADY_ANSWERED = 33,
    LYGER_STATUS_INVALID_CONFIG = 34,
    LYGER_STATUS_SERVER_FAILED = 35,
    LYGER_STATUS_CACHE_VALUE_TOO_LARGE = 40,
    LYGER_STATUS_INVALID_VECTOR = 41,
    LYGER_STATUS_INDEX_TOO_LARGE = 42,
    LYGER_STATUS_INDEX_FILE_FAILED = 43,
    LYGER_STATUS_INDEX_DAMAGED = 44,
    LYGER_STATUS_NOT_A_NUMBER = 45,
    LYGER_STATUS_CACHE_FAILED = 46,
};
typedef int32_t lyger_status;

enum lyger_request_part
 {
    LYGER_REQUEST_PART_METHOD = 1,
    LYGER_REQUEST_PART_PATH = 2,
    LYGER_REQUEST_PART_QUERY = 3,
    LYGER_REQUEST_PART_HEADER = 4,
    LYGER_REQUEST_PART_HEADERS = 5,
    LYGER_REQUEST_PART_BODY = 6,
    LYGER_REQUEST_PART_CLIENT_ADDRESS = 7,
    LYGER_REQUEST_PART_CLIENT_PORT = 8,
    LYGER_REQUEST_PART_SCHEME = 9,
    LYGER_REQUEST_PART_HTTP_VERSION = 10,
};
typedef uint32_t lyger_request_part;

typedef struct lyger_call {
    uint32_t size;
    uint32_t flags;
    uint32_t timeout_ms;
    uint32_t form;
    uint64_t strand;
    const char *dsn;
    size_t dsn_len;
    char *buf;
    size_t cap;
    size_t needed;
    uint64_t id;
} lyger_call;

typedef struct lyger_vector_info {
    uint64_t dimension;
    uint64_t count;
    uint64_t memory_bytes;
} lyger_vector_info;

typedef struct lyger_request_head {
    uint64_t id;
    uint64_t body_len;
    uint32_t method_len;
    uint32_t path_len;
    uint32_t query_len;
    uint32_t header_count;
} lyger_request_head;

typedef struct lyger_result_info {
    uint64_t rows;
    uint64_t columns;
    uint64_t affected;
    uint64_t bytes;
    int64_t last_insert_id;
    uint32_t has_last_insert_id;
    uint32_t reserved;
} lyger_result_info;

typedef struct lyger_reader {
    uint64_t size;
    uint64_t store;
    char *buf;
    size_t cap;
    const uint64_t *sequence;
    uint64_t version;
    uint64_t expires_at;
    uint64_t hits;
} lyger_reader;

lyger_status lyger_store_increment(uint64_t store, const char *key, size_t key_len, int64_t by, int64_t *sum);

lyger_status lyger_store_increment_float(uint64_t store, const char *key, size_t key_len, double by, double *sum);

lyger_status lyger_store_append(uint64_t store,
                                const char *key,
                                size_t key_len,
                                const char *value,
                                size_t value_len,
                                size_t *len);

lyger_status lyger_store_get_range(uint64_t store,
                                   const char *key,
                                   size_t key_len,
                                   int64_t first,
                                   int64_t last,
                                   char *buf,
                                   size_t cap,
                                   size_t *needed);

lyger_status lyger_store_set_range(uint64_t store,
                                   const char *key,
                                   size_t key_len,
                                   size_t offset,
                                   const char *value,
                                   size_t value_len,
                                   size_t *len);

lyger_status lyger_store_take(uint64_t store, const char *key, size_t key_len, char *buf, size_t cap, size_t *needed);

lyger_status lyger_store_touch(uint64_t store,
                               const char *key,
                               size_t key_len,
                               uint32_t expiry,
                               uint64_t ms,
                               char *buf,
                               size_t cap,
                               size_t *needed);

void lyger_cache_set(const char *key, const char *value);

char *lyger_cache_get(const char *key);

void lyger_cache_delete(const char *key);

void lyger_cache_clear(void);

uint64_t lyger_cache_size(void);

lyger_status lyger_cache_store(const char *key, size_t key_len, const char *value, size_t value_len);

lyger_status lyger_cache_fetch(const char *key, size_t key_len, char *buf, size_t cap, size_t *needed);

lyger_status lyger_cache_remove(const char *key, size_t key_len);

lyger_status lyger_cache_purge(void);

lyger_status lyger_cache_count(uint64_t *out);

uint64_t lyger_db_query(const char *dsn, const char *query);

lyger_status lyger_db_execute(const char *dsn,
                              size_t dsn_len,
                              const char *sql,
                              size_t sql_len,
                              const uint8_t *params,
                              size_t params_len,
                              uint64_t *result);

lyger_status lyger_db_run(struct lyger_call *call,
                          const char *sql,
                          size_t sql_len,
                          const char *params,
                          size_t params_len);

lyger_status lyger_db_end(void);

lyger_status lyger_strand_enter(uint64_t strand);

lyger_status lyger_db_keeps(const char *dsn, size_t dsn_len, uint8_t *keeps);

lyger_status lyger_db_state(const char *dsn, size_t dsn_len, int32_t *state);

uint32_t lyger_abi_version(void);

char *lyger_hello_world(void);

double lyger_heavy_computation(uint64_t iterations);

char *lyger_system_info(void);

lyger_status lyger_engine_info(char *buf, size_t cap, size_t *needed);

lyger_status lyger_engine_check(void);

lyger_status lyger_engine_configure(const char *json, size_t len);

lyger_status lyger_engine_release(void);

void lyger_free_engine(void *engine);

lyger_status lyger_last_error(char *buf, size_t cap, size_t *needed);

lyger_status lyger_db_fetch(struct lyger_call *call,
                            const char *sql,
                            size_t sql_len,
                            const char *params,
                            size_t params_len);

lyger_status lyger_async_fetch(struct lyger_call *call, uint64_t operation);

lyger_status lyger_fleet_run(const char *spec, size_t len, int32_t *exit_code);

lyger_status lyger_fleet_front(void);

lyger_status lyger_fleet_fork(uint32_t *worker);

lyger_status lyger_worker_report(uint64_t memory_bytes, uint8_t leaving);

lyger_status lyger_worker_boot_failed(const char *reason, size_t len);

lyger_status engram_apply_decay(float *strengths, const float *ages_seconds, size_t count, float half_life_seconds);

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

lyger_status lyger_vector_new(size_t dimension, uint64_t *index);

lyger_status lyger_vector_free(uint64_t index);

lyger_status lyger_vector_add(uint64_t index, const char *ids, size_t ids_len, const char *vectors, size_t vectors_len);

lyger_status lyger_vector_remove(uint64_t index, const char *ids, size_t ids_len, uint64_t *removed);

lyger_status lyger_vector_get(uint64_t index, int64_t id, char *buf, size_t cap, size_t *needed);

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

lyger_status lyger_vector_load(uint64_t index,
                               struct lyger_call *call,
                               const char *sql,
                               size_t sql_len,
                               const char *params,
                               size_t params_len,
                               uint64_t *loaded);

lyger_status lyger_vector_save(uint64_t index, const char *path, size_t path_len);

lyger_status lyger_vector_open(const char *path, size_t path_len, uint64_t *index);

lyger_status lyger_vector_stat(uint64_t index, struct lyger_vector_info *out);

lyger_status lyger_lock_take(uint64_t store, const char *name, size_t name_len, uint64_t ttl_ms, uint64_t *token);

lyger_status lyger_lock_release(uint64_t store, const char *name, size_t name_len, uint64_t token, uint8_t *held);

lyger_status lyger_lock_extend(uint64_t store,
                               const char *name,
                               size_t name_len,
                               uint64_t token,
                               uint64_t ttl_ms,
                               uint8_t *held);

lyger_status lyger_lock_holder(uint64_t store, const char *name, size_t name_len, uint64_t *token);

lyger_status lyger_rate_count(uint64_t store,
                              const char *name,
                              size_t name_len,
                              uint64_t window_ms,
                              uint64_t *count,
                              uint64_t *ends_at);

lyger_status lyger_rate_read(uint64_t store, const char *name, size_t name_len, uint64_t *count, uint64_t *ends_at);

lyger_status lyger_rate_reset(uint64_t store, const char *name, size_t name_len);

lyger_status lyger_flight_take_off(uint64_t store,
                                   const char *key,
                                   size_t key_len,
                                   uint64_t patience_ms,
                                   uint64_t *token,
                                   char *buf,
                                   size_t cap,
                                   size_t *needed);

lyger_status lyger_flight_land(uint64_t store,
                               const char *key,
                               size_t key_len,
                               uint64_t token,
                               const char *value,
                               size_t value_len,
                               uint32_t expiry,
                               uint64_t ms,
                               uint8_t *landed);

lyger_status lyger_flight_abandon(uint64_t store, const char *key, size_t key_len, uint64_t token);

lyger_status lyger_store_get_many(uint64_t store,
                                  const char *keys,
                                  size_t keys_len,
                                  char *buf,
                                  size_t cap,
                                  size_t *needed);

lyger_status lyger_store_set_many(uint64_t store,
                                  const char *pairs,
                                  size_t pairs_len,
                                  uint8_t if_missing,
                                  uint32_t expiry,
                                  uint64_t ms,
                                  uint8_t *stored);

lyger_status lyger_store_delete_many(uint64_t store, const char *keys, size_t keys_len, uint64_t *removed);

lyger_status lyger_store_scan(uint64_t store,
                              uint64_t cursor,
                              uint64_t count,
                              uint64_t *next,
                              char *buf,
                              size_t cap,
                              size_t *needed);

lyger_status lyger_store_size(uint64_t store, uint64_t *keys);

lyger_status lyger_store_clear(uint64_t store);

lyger_status lyger_store_stats(uint64_t store, char *buf, size_t cap, size_t *needed);

lyger_status lyger_async_run(struct lyger_call *call,
                             const char *sql,
                             size_t sql_len,
                             const char *params,
                             size_t params_len);

lyger_status lyger_async_open(struct lyger_call *call,
                              const char *sql,
                              size_t sql_len,
                              const char *params,
                              size_t params_len);

lyger_status lyger_async_next(uint64_t stream, uint64_t *operation);

lyger_status lyger_async_wait(uint32_t timeout_ms, uint64_t *operations, size_t cap, size_t *count);

lyger_status lyger_async_result(uint64_t operation, uint64_t *result);

lyger_status lyger_async_cancel(uint64_t operation);

lyger_status lyger_worker_next(uint32_t timeout_ms,
                               struct lyger_request_head *out,
                               char *buf,
                               size_t cap,
                               size_t *needed);

lyger_status lyger_request_read(uint64_t id,
                                uint32_t part,
                                const char *name,
                                size_t name_len,
                                char *buf,
                                size_t cap,
                                size_t *needed);

lyger_status lyger_request_respond(uint64_t id,
                                   uint16_t http_status,
                                   const char *headers,
                                   size_t headers_len,
                                   const char *body,
                                   size_t body_len);

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

lyger_status lyger_request_pass(uint64_t id);

lyger_status lyger_request_enter(uint64_t id);

lyger_status lyger_request_once(uint64_t id);

lyger_status lyger_resp_start(const char *config, size_t len, uint16_t *port);

lyger_status lyger_resp_address(char *buf, size_t cap, size_t *needed);

lyger_status lyger_resp_stop(void);

char *lyger_jsonify_result(uint64_t ptr);

void lyger_free_result(uint64_t ptr);

lyger_status lyger_result_describe(uint64_t result, struct lyger_result_info *out);

lyger_status lyger_result_json(uint64_t result, char *buf, size_t cap, size_t *needed);

lyger_status lyger_result_rows(uint64_t result, char *buf, size_t cap, size_t *needed);

lyger_status lyger_result_shaped(uint64_t result,
                                 const char *options,
                                 size_t options_len,
                                 uint64_t total,
                                 char *buf,
                                 size_t cap,
                                 size_t *needed);

lyger_status lyger_result_slice(uint64_t result, uint64_t from, uint64_t count, char *buf, size_t cap, size_t *needed);

lyger_status lyger_result_column(uint64_t result, uint64_t column, char *buf, size_t cap, size_t *needed);

lyger_status lyger_rows_json(const char *rows, size_t rows_len, char *buf, size_t cap, size_t *needed);

lyger_status lyger_result_free(uint64_t result);

void lyger_start_server(uint16_t port);

void lyger_stop_server(void);

lyger_status lyger_server_start(const char *config, size_t len, uint16_t *port);

lyger_status lyger_server_stop(void);

lyger_status lyger_server_wait(uint32_t timeout_ms);

lyger_status lyger_session_open(uint64_t store, const char *id, size_t id_len, uint64_t ttl_ms, uint64_t *token);

lyger_status lyger_session_close(uint64_t store, const char *id, size_t id_len, uint64_t token, uint8_t *held);

lyger_status lyger_session_read(uint64_t store, const char *id, size_t id_len, char *buf, size_t cap, size_t *needed);

lyger_status lyger_session_write(uint64_t store,
                                 const char *id,
                                 size_t id_len,
                                 uint64_t token,
                                 const char *data,
                                 size_t data_len,
                                 uint64_t ttl_ms,
                                 uint8_t *written);

lyger_status lyger_session_touch(uint64_t store, const char *id, size_t id_len, uint64_t ttl_ms, uint8_t *found);

lyger_status lyger_session_destroy(uint64_t store, const char *id, size_t id_len, uint8_t *found);

int64_t lyger_store_find(struct lyger_reader *reader, const char *key, size_t key_len);

lyger_status lyger_store_output(char *buf, size_t cap, size_t *needed);

lyger_status lyger_store_get(uint64_t store, const char *key, size_t key_len, char *buf, size_t cap, size_t *needed);

lyger_status lyger_store_put(uint64_t store,
                             const char *key,
                             size_t key_len,
                             const char *value,
                             size_t value_len,
                             uint64_t ttl_ms);

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

lyger_status lyger_store_compare_and_set(uint64_t store,
                                         const char *key,
                                         size_t key_len,
                                         const char *expected,
                                         size_t expected_len,
                                         const char *value,
                                         size_t value_len,
                                         uint8_t *stored);

lyger_status lyger_store_delete(uint64_t store, const char *key, size_t key_len, uint8_t *removed);

lyger_status lyger_store_ttl(uint64_t store, const char *key, size_t key_len, int64_t *ttl_ms);

lyger_status lyger_store_exists(uint64_t store, const char *key, size_t key_len, uint8_t *found);

lyger_status lyger_store_expire(uint64_t store,
                                const char *key,
                                size_t key_len,
                                uint32_t expiry,
                                uint64_t ms,
                                uint8_t *found);

lyger_status lyger_store_open(const char *dsn, size_t dsn_len, uint64_t *store);

lyger_status lyger_store_close(uint64_t store);

lyger_status lyger_stream_open(struct lyger_call *call,
                               const char *sql,
                               size_t sql_len,
                               const char *params,
                               size_t params_len);

lyger_status lyger_stream_next(uint64_t stream, uint64_t *result);

lyger_status lyger_stream_close(uint64_t stream);

void lyger_free_string(char *ptr);

void engram_vector_similarity(const float *query,
                              const float *candidates,
                              float *scores,
                              size_t query_len,
                              size_t num_candidates);
