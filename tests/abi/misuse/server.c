/* The server and its requests, with a client in the same thread: what it sends waits in the socket until the worker asks. */
#include <arpa/inet.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define SECONDS_5 5000

static uint16_t port;

static int32_t start(const char *config) {
    return lyger_server_start(config, strlen(config), &port);
}

static int ask(const char *request) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval patience = {.tv_sec = 5};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    CHECK(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    CHECK(write(fd, request, strlen(request)) == (ssize_t)strlen(request));
    return fd;
}

/* What the server sent until it closed the connection. */
static const char *answer(int fd) {
    static char text[8192];
    size_t len = 0;
    ssize_t n;
    while ((n = read(fd, text + len, sizeof text - 1 - len)) > 0) len += n;
    text[len] = 0;
    close(fd);
    return text;
}

static void without_a_server(void) {
    size_t needed = 7;
    char buf[64];
    lyger_request_head head;
    GIVES(LYGER_STATUS_SERVER_NOT_RUNNING, lyger_server_stop());
    GIVES(LYGER_STATUS_SERVER_NOT_RUNNING, lyger_server_wait(0));
    GIVES(LYGER_STATUS_SERVER_NOT_RUNNING, lyger_worker_next(0, &head, buf, sizeof buf, &needed));
    lyger_stop_server();
    CHECK(last_status() == LYGER_STATUS_SERVER_NOT_RUNNING);
    GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_request_pass(1ull << 50 | 1 << 16));
    GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_request_enter(1ull << 50 | 1 << 16));
    GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_request_once(1ull << 50 | 1 << 16));
    GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_request_read(0, 1, NULL, 0, buf, sizeof buf, &needed));
}

static void configurations(void) {
    port = 7;
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_server_start("{}", 2, NULL));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_server_start(NULL, 2, &port));
    CHECK(port == 0);
    GIVES(LYGER_STATUS_TOO_LONG, lyger_server_start(NOWHERE, (1 << 20) + 1, &port));
    GIVES(LYGER_STATUS_INVALID_UTF8, start("{\"host\":\"\xff\"}"));
    GIVES(LYGER_STATUS_INVALID_CONFIG, lyger_server_start("{}\0", 3, &port));
    GIVES(LYGER_STATUS_INVALID_CONFIG, start("{\"prot\":1}"));
    CHECK(strstr(last_error(), "prot"));
    GIVES(LYGER_STATUS_INVALID_CONFIG, start("{\"port\":65536}"));
    GIVES(LYGER_STATUS_SERVER_FAILED, start("{\"host\":\"203.0.113.1\",\"port\":0}"));
    GIVES(LYGER_STATUS_OK, start("{\"port\":0,\"drain_timeout_ms\":2000}"));
    CHECK(port != 0);
    uint16_t running = port;
    GIVES(LYGER_STATUS_SERVER_RUNNING, start("{\"port\":0}"));
    lyger_start_server(0);
    CHECK(last_status() == LYGER_STATUS_SERVER_RUNNING);
    port = running;
}

static void taking(void) {
    size_t needed = 7;
    char buf[64] = {0}, same[64] = {0};
    lyger_request_head head;
    GIVES(LYGER_STATUS_TIMEOUT, lyger_worker_next(1, &head, buf, sizeof buf, &needed));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_worker_next(0, NULL, buf, sizeof buf, &needed));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_worker_next(0, &head, buf, sizeof buf, NULL));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_worker_next(0, &head, NULL, 1, &needed));
    GIVES(LYGER_STATUS_TOO_LONG, lyger_worker_next(0, &head, buf, SIZE_MAX, &needed));

    int client = ask("POST /a%20b?c=d HTTP/1.1\r\nHost: x\r\nX-Two: 1\r\nX-Two: 2\r\nContent-Length: 3\r\nConnection: close\r\n\r\na\1b");
    GIVES(LYGER_STATUS_BUFFER_TOO_SMALL, lyger_worker_next(SECONDS_5, &head, buf, 4, &needed));
    CHECK(needed == 13 && !buf[0]);
    GIVES(LYGER_STATUS_BUFFER_TOO_SMALL, lyger_worker_next(SECONDS_5, &head, NULL, 0, &needed));
    GIVES(LYGER_STATUS_OK, lyger_worker_next(SECONDS_5, &head, buf, sizeof buf, &needed));
    WROTE(buf, needed, "POST/a%20bc=d");
    CHECK(head.method_len == 4 && head.path_len == 6 && head.query_len == 3 && head.body_len == 3);
    CHECK(head.id > 0 && head.id < (1ull << 53));

    GIVES(LYGER_STATUS_OK, lyger_request_read(head.id, LYGER_REQUEST_PART_HEADER, "x-tWO", 5, buf, sizeof buf, &needed));
    WROTE(buf, needed, "1, 2");
    for (uint32_t part = LYGER_REQUEST_PART_METHOD; part <= LYGER_REQUEST_PART_HTTP_VERSION; part++) {
        const char *name = part == LYGER_REQUEST_PART_HEADER ? "host" : NULL;
        GIVES(LYGER_STATUS_BUFFER_TOO_SMALL, lyger_request_read(head.id, part, name, name ? 4 : 0, NULL, 0, &needed));
        GIVES(needed <= 64 ? LYGER_STATUS_OK : LYGER_STATUS_BUFFER_TOO_SMALL,
              lyger_request_read(head.id, part, name, name ? 4 : 0, same, sizeof same, &needed));
    }
    GIVES(LYGER_STATUS_OK, lyger_request_read(head.id, LYGER_REQUEST_PART_BODY, NULL, 0, buf, sizeof buf, &needed));
    WROTE(buf, needed, "a\1b");
    GIVES(LYGER_STATUS_NOT_FOUND, lyger_request_read(head.id, LYGER_REQUEST_PART_HEADER, "a\0b\xff", 4, buf, 64, &needed));
    GIVES(LYGER_STATUS_NOT_FOUND, lyger_request_read(head.id, LYGER_REQUEST_PART_HEADER, NULL, 0, buf, 64, &needed));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, lyger_request_read(head.id, 0, NULL, 0, buf, 64, &needed));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, lyger_request_read(head.id, UINT32_MAX, NULL, 0, buf, 64, &needed));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_request_read(head.id, 4, NULL, 1, buf, 64, &needed));
    GIVES(LYGER_STATUS_TOO_LONG, lyger_request_read(head.id, 4, NOWHERE, SIZE_MAX, buf, 64, &needed));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_request_read(head.id, 1, NULL, 0, buf, 64, NULL));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_request_read(head.id, 1, NULL, 0, NULL, 64, &needed));

    /* A refused answer leaves the request waiting; an id with a bit flipped names no request. */
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, lyger_request_respond(head.id, 99, NULL, 0, NULL, 0));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, lyger_request_respond(head.id, 200, "x\0a\r\nb: c\0", 10, NULL, 0));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, lyger_request_respond(head.id, 200, "x\0unfinished", 12, NULL, 0));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_request_respond(head.id, 200, NULL, 1, NULL, 0));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_request_respond(head.id, 200, NULL, 0, NULL, 1));
    GIVES(LYGER_STATUS_TOO_LONG, lyger_request_respond(head.id, 200, NOWHERE, (1 << 20) + 1, NULL, 0));
    GIVES(LYGER_STATUS_TOO_LONG, lyger_request_respond(head.id, 200, NULL, 0, NOWHERE, (1u << 30) + 1));
    for (int bit = 0; bit < 64; bit++) {
        uint64_t forged = head.id ^ (1ull << bit);
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_request_read(forged, 1, NULL, 0, buf, sizeof buf, &needed));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_request_respond(forged, 200, NULL, 0, NULL, 0));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_request_enter(forged));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_request_once(forged));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_request_pass(forged));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_result_free(forged));
    }
    GIVES(LYGER_STATUS_OK, lyger_request_enter(head.id));
    GIVES(LYGER_STATUS_OK, lyger_request_once(head.id));
    GIVES(LYGER_STATUS_OK, lyger_request_respond(head.id, 201, "x-own\0yes\0", 10, "a\0b", 3));
    const char *text = answer(client);
    CHECK(strstr(text, "HTTP/1.1 201") && strstr(text, "x-own: yes") && strstr(text, "content-length: 3"));
    GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_request_respond(head.id, 200, NULL, 0, NULL, 0));
    GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_request_pass(head.id));
    GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_request_enter(head.id));
    GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_request_once(head.id));
    GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_request_read(head.id, 1, NULL, 0, buf, sizeof buf, &needed));
}

static void answering_with_sql(void) {
    size_t needed;
    char buf[64];
    lyger_request_head head;
    const uint8_t lie[] = {9, 0, 0, 0};
    int client = ask("GET /sql HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    GIVES(LYGER_STATUS_OK, lyger_worker_next(SECONDS_5, &head, buf, sizeof buf, &needed));
#define RESPOND_SQL(status, headers, hlen, dsn, dlen, sql, slen, params, plen) \
    lyger_request_respond_sql(head.id, status, headers, hlen, dsn, dlen, sql, slen, params, plen, NULL, 0)
#define RESPOND_SHAPED(options, olen) \
    lyger_request_respond_sql(head.id, 200, NULL, 0, "sqlite::memory:", 15, "SELECT 7 AS n", 13, NULL, 0, options, olen)
    GIVES(LYGER_STATUS_NULL_POINTER, RESPOND_SHAPED(NULL, 1));
    GIVES(LYGER_STATUS_TOO_LONG, RESPOND_SHAPED(NOWHERE, SIZE_MAX));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, RESPOND_SHAPED("\xff", 1));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, RESPOND_SHAPED("{\"shape\":\"star\"}", 16));
    GIVES(LYGER_STATUS_NULL_POINTER, RESPOND_SQL(200, NULL, 1, "x", 1, "SELECT 1", 8, NULL, 0));
    GIVES(LYGER_STATUS_NULL_POINTER, RESPOND_SQL(200, NULL, 0, NULL, 1, "SELECT 1", 8, NULL, 0));
    GIVES(LYGER_STATUS_NULL_POINTER, RESPOND_SQL(200, NULL, 0, "x", 1, NULL, 8, NULL, 0));
    GIVES(LYGER_STATUS_NULL_POINTER, RESPOND_SQL(200, NULL, 0, "x", 1, "SELECT 1", 8, NULL, 1));
    GIVES(LYGER_STATUS_TOO_LONG, RESPOND_SQL(200, NULL, 0, NOWHERE, 4097, "SELECT 1", 8, NULL, 0));
    GIVES(LYGER_STATUS_TOO_LONG, RESPOND_SQL(200, NULL, 0, "x", 1, NOWHERE, SIZE_MAX, NULL, 0));
    GIVES(LYGER_STATUS_INVALID_UTF8, RESPOND_SQL(200, NULL, 0, "\xff", 1, "SELECT 1", 8, NULL, 0));
    GIVES(LYGER_STATUS_INVALID_UTF8, RESPOND_SQL(200, NULL, 0, "x", 1, "\xff", 1, NULL, 0));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, RESPOND_SQL(200, NULL, 0, "x", 1, "SELECT 1\0;", 10, NULL, 0));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, RESPOND_SQL(600, NULL, 0, "x", 1, "SELECT 1", 8, NULL, 0));
    GIVES(LYGER_STATUS_OK, RESPOND_SQL(200, NULL, 0, "sqlite::memory:", 15, "SELECT 7 AS n", 13, NULL, 0));
    GIVES(LYGER_STATUS_INVALID_HANDLE, RESPOND_SQL(200, NULL, 0, "x", 1, "SELECT 1", 8, NULL, 0));
    const char *text = answer(client);
    CHECK(strstr(text, "HTTP/1.1 200") && strstr(text, "[{\"n\":7}]"));

    client = ask("GET /sql HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    GIVES(LYGER_STATUS_OK, lyger_worker_next(SECONDS_5, &head, buf, sizeof buf, &needed));
    GIVES(LYGER_STATUS_OK, RESPOND_SHAPED("{\"shape\":\"csv\"}", 15));
    CHECK(strstr(answer(client), "\r\n\r\nn\r\n7\r\n"));

    /* What fails later is the client's to hear. */
    client = ask("GET /sql HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    GIVES(LYGER_STATUS_OK, lyger_worker_next(SECONDS_5, &head, buf, sizeof buf, &needed));
    GIVES(LYGER_STATUS_OK, RESPOND_SQL(200, NULL, 0, "sqlite::memory:", 15, "SELECT ?", 8, lie, sizeof lie));
    CHECK(strstr(answer(client), "HTTP/1.1 500"));

    client = ask("GET /none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    GIVES(LYGER_STATUS_OK, lyger_worker_next(SECONDS_5, &head, buf, sizeof buf, &needed));
    GIVES(LYGER_STATUS_OK, lyger_request_pass(head.id));
    GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_request_pass(head.id));
    CHECK(strstr(answer(client), "HTTP/1.1 404"));
}

static void forking_beside_a_server(void) {
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        size_t needed;
        char buf[1024];
        lyger_request_head head;
        alarm(20);
        failures = 0;
        GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_server_start("{}", 2, &port));
        lyger_start_server(0);
        CHECK(last_status() == LYGER_STATUS_WRONG_PROCESS);
        lyger_stop_server();
        CHECK(last_status() == LYGER_STATUS_WRONG_PROCESS);
        GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_server_stop());
        GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_server_wait(0));
        GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_worker_next(0, &head, buf, sizeof buf, &needed));
        GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_request_read(1, 1, NULL, 0, buf, sizeof buf, &needed));
        GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_request_respond(1, 200, NULL, 0, NULL, 0));
        GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_request_respond_sql(1, 200, NULL, 0, "x", 1, "y", 1, NULL, 0, NULL, 0));
        GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_request_pass(1));
        GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_request_enter(1));
        GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_request_once(1));
        GIVES(LYGER_STATUS_OK, lyger_engine_info(buf, sizeof buf, &needed));
        /* The child's own signals are its own: this one ends it, and the parent's server doesn't hear of it. */
        if (!failures) raise(SIGTERM);
        _exit(1);
    }
    waitpid(child, &status, 0);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    size_t needed;
    char buf[64];
    lyger_request_head head;
    GIVES(LYGER_STATUS_TIMEOUT, lyger_worker_next(100, &head, buf, sizeof buf, &needed));
}

void misuse_server(void) {
    size_t needed;
    char buf[64];
    lyger_request_head head, before;
    without_a_server();
    configurations();
    taking();
    answering_with_sql();
    forking_beside_a_server();

    /* A release leaves the server alone, and the process claimed by it. */
    GIVES(LYGER_STATUS_OK, lyger_engine_release());
    int client = ask("GET /late HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    GIVES(LYGER_STATUS_OK, lyger_worker_next(SECONDS_5, &before, buf, sizeof buf, &needed));
    GIVES(LYGER_STATUS_OK, lyger_server_stop());
    GIVES(LYGER_STATUS_OK, lyger_server_stop());
    GIVES(LYGER_STATUS_TIMEOUT, lyger_server_wait(1));
    GIVES(LYGER_STATUS_OK, lyger_request_respond(before.id, 200, NULL, 0, "x", 1));
    CHECK(strstr(answer(client), "HTTP/1.1 200"));
    GIVES(LYGER_STATUS_STOPPED, lyger_worker_next(SECONDS_5, &head, buf, sizeof buf, &needed));
    GIVES(LYGER_STATUS_OK, lyger_server_wait(SECONDS_5));
    without_a_server();

    /* An id of a server that is gone names no request of the next, however often that one uses the same slot. */
    GIVES(LYGER_STATUS_OK, start("{\"port\":0}"));
    for (int round = 0; round < 10; round++) {
        client = ask("GET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        GIVES(LYGER_STATUS_OK, lyger_worker_next(SECONDS_5, &head, buf, sizeof buf, &needed));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_request_pass(before.id));
        GIVES(LYGER_STATUS_OK, lyger_request_pass(head.id));
        answer(client);
    }
    lyger_stop_server();
    CHECK(last_status() == LYGER_STATUS_OK);
    GIVES(LYGER_STATUS_OK, lyger_server_wait(SECONDS_5));
    lyger_start_server(0);
    CHECK(last_status() == LYGER_STATUS_OK);
    GIVES(LYGER_STATUS_OK, lyger_server_stop());
    GIVES(LYGER_STATUS_OK, lyger_server_wait(SECONDS_5));
}
