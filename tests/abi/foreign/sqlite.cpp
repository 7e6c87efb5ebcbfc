// A store in an SQLite file behind the RESP server: `sqlite FILE THREADS`. It ends when its standard input does.
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <vector>

#include <sqlite3.h>

#include "lyger_resp.hpp"

namespace {

// How long a thread waits for another's write.
constexpr int busy_timeout_ms = 10'000;

// One connection, as each thread has its own: SQLite's locks then are the only ones.
class Connection {
public:
    explicit Connection(const char *file) {
        if (sqlite3_open(file, &database) != SQLITE_OK) fail();
        sqlite3_busy_timeout(database, busy_timeout_ms);
        run("PRAGMA journal_mode = WAL");
        run("PRAGMA synchronous = NORMAL");
        run("CREATE TABLE IF NOT EXISTS pairs (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID");
        reads = prepare("SELECT value FROM pairs WHERE key = ?1");
        writes = prepare("INSERT INTO pairs (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2");
    }

    ~Connection() {
        sqlite3_finalize(reads);
        sqlite3_finalize(writes);
        sqlite3_close(database);
    }

    Connection(const Connection &) = delete;
    Connection &operator=(const Connection &) = delete;

    bool get(std::string_view key, std::string &value) {
        const Reset reset{reads};
        bind(reads, 1, key);
        switch (sqlite3_step(reads)) {
        case SQLITE_ROW: {
            const void *bytes = sqlite3_column_blob(reads, 0);
            const auto length = static_cast<std::size_t>(sqlite3_column_bytes(reads, 0));
            if (length > 0) value.assign(static_cast<const char *>(bytes), length);
            return true;
        }
        case SQLITE_DONE: return false;
        default: fail();
        }
    }

    void set(std::string_view key, std::string_view value) {
        const Reset reset{writes};
        bind(writes, 1, key);
        bind(writes, 2, value);
        if (sqlite3_step(writes) != SQLITE_DONE) fail();
    }

private:
    struct Reset {
        sqlite3_stmt *statement;
        ~Reset() {
            sqlite3_reset(statement);
            sqlite3_clear_bindings(statement);
        }
    };

    [[noreturn]] void fail() { throw std::runtime_error(sqlite3_errmsg(database)); }

    void run(const char *sql) {
        if (sqlite3_exec(database, sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail();
    }

    sqlite3_stmt *prepare(const char *sql) {
        sqlite3_stmt *statement = nullptr;
        if (sqlite3_prepare_v2(database, sql, -1, &statement, nullptr) != SQLITE_OK) fail();
        return statement;
    }

    void bind(sqlite3_stmt *statement, int place, std::string_view bytes) {
        // An empty blob has a pointer, too; without one it would be NULL.
        const char *begin = bytes.empty() ? "" : bytes.data();
        if (sqlite3_bind_blob64(statement, place, begin, bytes.size(), SQLITE_STATIC) != SQLITE_OK) fail();
    }

    sqlite3 *database = nullptr;
    sqlite3_stmt *reads = nullptr;
    sqlite3_stmt *writes = nullptr;
};

thread_local std::unique_ptr<Connection> connection;

class File : public lyger::resp::Store {
public:
    explicit File(const char *name) : name(name) {}

    void begin_thread(std::size_t) override { connection = std::make_unique<Connection>(name); }
    bool get(std::string_view key, std::string &value) override { return connection->get(key, value); }
    void set(std::string_view key, std::string_view value) override { connection->set(key, value); }

private:
    const char *name;
};

} // namespace

int main(int count, char **arguments) try {
    if (count < 2) throw std::runtime_error("usage: sqlite FILE [THREADS]");
    File file(arguments[1]);
    lyger::resp::Server server(file, count > 2 ? std::strtoul(arguments[2], nullptr, 10) : 2);
    std::printf("sqlite: 127.0.0.1:%u is ready\n", static_cast<unsigned>(server.port()));
    std::fflush(stdout);
    while (std::cin.get() != EOF) {
    }
    return 0;
} catch (const std::exception &exception) {
    std::fprintf(stderr, "sqlite: %s\n", exception.what());
    return 1;
}
