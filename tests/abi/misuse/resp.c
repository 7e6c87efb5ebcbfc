/* The server for Redis clients, with a client in the same thread. */
#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static uint16_t port;

static int32_t start(const char *config) {
    return lyger_resp_start(config, strlen(config), &port);
}

/* Whether a request has this reply. */
static int says(const char *request, const char *reply) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval patience = {.tv_sec = 5};
    char text[256] = {0};
    size_t len = 0;
    ssize_t n;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    CHECK(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    CHECK(write(fd, request, strlen(request)) == (ssize_t)strlen(request));
    while (len < strlen(reply) && (n = read(fd, text + len, sizeof text - 1 - len)) > 0) len += n;
    close(fd);
    return !strcmp(text, reply);
}

static void configurations(void) {
    port = 7;
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_resp_start("{}", 2, NULL));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_resp_start(NULL, 2, &port));
    CHECK(port == 0);
    GIVES(LYGER_STATUS_TOO_LONG, lyger_resp_start(NOWHERE, (1 << 20) + 1, &port));
    GIVES(LYGER_STATUS_INVALID_UTF8, start("{\"password\":\"\xff\"}"));
    GIVES(LYGER_STATUS_INVALID_CONFIG, start("[]"));
    GIVES(LYGER_STATUS_INVALID_CONFIG, start("{\"listen\":6380}"));
    GIVES(LYGER_STATUS_INVALID_CONFIG, start("{\"prot\":1}"));
    CHECK(strstr(last_error(), "resp.prot"));
    /* A key of the server for HTTP is none of this one's. */
    GIVES(LYGER_STATUS_INVALID_CONFIG, start("{\"queue_max\":1}"));
    GIVES(LYGER_STATUS_INVALID_CONFIG, start("{\"listen\":\"0.0.0.0:0\"}"));
    CHECK(strstr(last_error(), "a password is needed"));
    GIVES(LYGER_STATUS_SERVER_FAILED, start("{\"listen\":\"203.0.113.1:0\",\"password\":\"x\"}"));
    GIVES(LYGER_STATUS_SERVER_FAILED, start("{\"listen\":\"127.0.0.1:0\",\"snapshot\":\"/dev/null\"}"));
    CHECK(strstr(last_error(), "is damaged") && port == 0);
    GIVES(LYGER_STATUS_SERVER_NOT_RUNNING, lyger_resp_stop());
}

static void in_forked_child(void) {
    size_t needed;
    char buf[64];
    GIVES(LYGER_STATUS_WRONG_PROCESS, start("{\"listen\":\"127.0.0.1:0\"}"));
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_resp_address(buf, sizeof buf, &needed));
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_resp_stop());
}

static void served(void) {
    size_t needed = 7;
    char buf[64] = {0}, expected[64];
    GIVES(LYGER_STATUS_OK, start("{\"listen\":\"127.0.0.1:0\",\"threads\":2}"));
    CHECK(port != 0);
    uint16_t running = port;
    GIVES(LYGER_STATUS_SERVER_RUNNING, start("{\"listen\":\"127.0.0.1:0\"}"));
    port = running;
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_resp_address(buf, sizeof buf, NULL));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_resp_address(NULL, 1, &needed));
    GIVES(LYGER_STATUS_BUFFER_TOO_SMALL, lyger_resp_address(buf, 3, &needed));
    CHECK(needed > 10 && !buf[0]);
    GIVES(LYGER_STATUS_OK, lyger_resp_address(buf, sizeof buf, &needed));
    snprintf(expected, sizeof expected, "127.0.0.1:%u", port);
    CHECK(needed == strlen(expected) && !strcmp(buf, expected));

    GIVES(LYGER_STATUS_OK, lyger_cache_store("color", 5, "blue", 4));
    CHECK(says("GET color\r\n", "$4\r\nblue\r\n"));
    CHECK(says("SET shape round\r\n", "+OK\r\n"));
    GIVES(LYGER_STATUS_OK, lyger_cache_fetch("shape", 5, buf, sizeof buf, &needed));
    CHECK(needed == 5 && !memcmp(buf, "round", 5));
    /* A release leaves alone what others use. */
    GIVES(LYGER_STATUS_OK, lyger_engine_release());
    CHECK(says("GET color\r\n", "$4\r\nblue\r\n"));
    GIVES(LYGER_STATUS_OK, lyger_cache_fetch("shape", 5, buf, sizeof buf, &needed));

    int status;
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        failures = 0;
        in_forked_child();
        _exit(failures);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(says("PING\r\n", "+PONG\r\n"));
    GIVES(LYGER_STATUS_OK, lyger_resp_stop());
    GIVES(LYGER_STATUS_SERVER_NOT_RUNNING, lyger_resp_stop());
    GIVES(LYGER_STATUS_SERVER_NOT_RUNNING, lyger_resp_address(buf, sizeof buf, &needed));
    /* The cache stays. */
    GIVES(LYGER_STATUS_OK, lyger_cache_fetch("shape", 5, buf, sizeof buf, &needed));
}

static int got;

static void note(int signal) {
    (void)signal;
    got++;
}

/* A signal to the process finds a thread of the program's own, and its handler. */
static void signals(void) {
    GIVES(LYGER_STATUS_OK, start("{\"listen\":\"127.0.0.1:0\",\"threads\":2}"));
    struct sigaction before, ours = {.sa_handler = note};
    sigaction(SIGUSR1, &ours, &before);
    sigset_t blocked, old;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &blocked, &old);
    kill(getpid(), SIGUSR1);
    /* Were it unblocked in a thread of the engine's, it would be handled there, while this one has it blocked. */
    for (int round = 0; round < 50; round++) CHECK(says("PING\r\n", "+PONG\r\n"));
    CHECK(got == 0);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    CHECK(got == 1);
    sigaction(SIGUSR1, &before, NULL);
    GIVES(LYGER_STATUS_OK, lyger_resp_stop());
}

void misuse_resp(void) {
    configurations();
    served();
    signals();
}
