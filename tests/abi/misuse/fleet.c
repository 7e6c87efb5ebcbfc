/* The processes of a fleet, each in a child of its own: they take standard input and the signals to themselves. */
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

/* A child that hangs is ended by its alarm, and so counts as failed. */
#define HANG_SECONDS 20

static void in_child(void (*body)(void)) {
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        alarm(HANG_SECONDS);
        failures = 0;
        body();
        _exit(failures ? 1 : 0);
    }
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Standard input is a link whose other end says this and goes. */
static void hear(const char *packet) {
    int ends[2];
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == 0);
    CHECK(dup2(ends[0], 0) == 0);
    close(ends[0]);
    if (packet) CHECK(write(ends[1], packet, strlen(packet)) == (ssize_t)strlen(packet));
    close(ends[1]);
}

static int32_t run(const char *spec, int32_t *code) {
    return lyger_fleet_run(spec, strlen(spec), code);
}

static void the_master(void) {
    int32_t code = 7;
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_fleet_run("{}", 2, NULL));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_fleet_run(NULL, 2, &code));
    GIVES(LYGER_STATUS_TOO_LONG, lyger_fleet_run(NOWHERE, (1 << 20) + 1, &code));
    GIVES(LYGER_STATUS_TOO_LONG, lyger_fleet_run(NOWHERE, SIZE_MAX, &code));
    GIVES(LYGER_STATUS_INVALID_UTF8, run("\xff", &code));
    GIVES(LYGER_STATUS_INVALID_CONFIG, lyger_fleet_run(NULL, 0, &code));
    GIVES(LYGER_STATUS_INVALID_CONFIG, run("[]", &code));
    GIVES(LYGER_STATUS_INVALID_CONFIG, run("{\"host\":\"127.0.0.1\"}", &code));
    CHECK(code == 7);
}

static void a_front_without_a_link(void) {
    close(0);
    GIVES(LYGER_STATUS_SERVER_FAILED, lyger_fleet_front());
}

static void a_front_of_a_master_that_talks_nonsense(void) {
    hear("nonsense");
    GIVES(LYGER_STATUS_SERVER_FAILED, lyger_fleet_front());
}

static void a_front_of_a_master_that_sends_no_socket(void) {
    hear("{\"Serve\":{\"config\":\"{}\",\"workers\":1,\"draining\":false}}");
    GIVES(LYGER_STATUS_SERVER_FAILED, lyger_fleet_front());
}

static void a_front_whose_master_has_gone(void) {
    hear(NULL);
    GIVES(LYGER_STATUS_OK, lyger_fleet_front());
}

static void a_zygote_without_a_link(void) {
    uint32_t worker = 7;
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_fleet_fork(NULL));
    close(0);
    GIVES(LYGER_STATUS_SERVER_FAILED, lyger_fleet_fork(&worker));
    CHECK(worker == 7);
}

static void a_zygote_of_a_master_that_sends_no_lane(void) {
    uint32_t worker = 7;
    hear("{\"Fork\":1}");
    GIVES(LYGER_STATUS_SERVER_FAILED, lyger_fleet_fork(&worker));
    CHECK(worker == 7);
}

static void a_zygote_whose_master_has_gone(void) {
    uint32_t worker = 7;
    hear(NULL);
    GIVES(LYGER_STATUS_STOPPED, lyger_fleet_fork(&worker));
    CHECK(worker == 7);
}

static void beside_an_engine_of_the_parent(void) {
    int32_t code;
    uint32_t worker;
    GIVES(LYGER_STATUS_WRONG_PROCESS, run("{}", &code));
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_fleet_front());
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_fleet_fork(&worker));
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_worker_report(1, 1));
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_worker_boot_failed("x", 1));
}

/* Nothing of the engine has been used when this begins. */
void misuse_fleet(void) {
    in_child(the_master);
    in_child(a_front_without_a_link);
    in_child(a_front_of_a_master_that_talks_nonsense);
    in_child(a_front_of_a_master_that_sends_no_socket);
    in_child(a_front_whose_master_has_gone);
    in_child(a_zygote_without_a_link);
    in_child(a_zygote_of_a_master_that_sends_no_lane);
    in_child(a_zygote_whose_master_has_gone);
    GIVES(LYGER_STATUS_SERVER_NOT_RUNNING, lyger_worker_report(UINT64_MAX, 255));
    GIVES(LYGER_STATUS_SERVER_NOT_RUNNING, lyger_worker_boot_failed("x", 1));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_worker_boot_failed(NULL, 1));
    GIVES(LYGER_STATUS_TOO_LONG, lyger_worker_boot_failed(NOWHERE, 65537));
    GIVES(LYGER_STATUS_INVALID_UTF8, lyger_worker_boot_failed("\xff", 1));
    GIVES(LYGER_STATUS_OK, lyger_cache_purge());
    in_child(beside_an_engine_of_the_parent);
}
