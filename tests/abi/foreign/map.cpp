// A store in memory behind the RESP server: `map THREADS`. It ends when its standard input does.
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <mutex>
#include <new>
#include <shared_mutex>
#include <stdexcept>
#include <unordered_map>

#include "lyger_resp.hpp"

namespace {

// Keys are looked for as they come, without a std::string for each.
struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view key) const { return std::hash<std::string_view>()(key); }
};

// Keys that begin with "throw:" are for tests of what happens when a store fails.
class Map : public lyger::resp::Store {
public:
    // Room for as many before the map is rehashed, which every thread would wait for.
    Map() { values.reserve(200'000); }

    bool get(std::string_view key, std::string &value) override {
        misbehave(key);
        std::shared_lock lock(mutex);
        const auto found = values.find(key);
        if (found == values.end()) return false;
        value = found->second;
        return true;
    }

    void set(std::string_view key, std::string_view value) override {
        misbehave(key);
        std::unique_lock lock(mutex);
        const auto found = values.find(key);
        if (found == values.end()) {
            values.emplace(key, value);
        } else {
            found->second = value;
        }
    }

private:
    static void misbehave(std::string_view key) {
        if (key.substr(0, 6) != "throw:") return;
        if (key == "throw:int") throw 42;
        // Real: nobody has so much memory.
        if (key == "throw:bad_alloc") ::operator delete(::operator new(std::size_t(1) << 46));
        throw std::runtime_error("no such luck\r\n-with " + std::string(key));
    }

    std::shared_mutex mutex;
    std::unordered_map<std::string, std::string, Hash, std::equal_to<>> values;
};

} // namespace

int main(int count, char **arguments) try {
    Map map;
    lyger::resp::Server server(map, count > 1 ? std::strtoul(arguments[1], nullptr, 10) : 2);
    std::printf("map: 127.0.0.1:%u is ready\n", static_cast<unsigned>(server.port()));
    std::fflush(stdout);
    while (std::cin.get() != EOF) {
    }
    return 0;
} catch (const std::exception &exception) {
    std::fprintf(stderr, "map: %s\n", exception.what());
    return 1;
}
