-- Varies path and query with every request, so that no server can answer from a cache of bytes.
-- LYGER_BENCH_DATABASE: which one, or hello for an answer without any; LYGER_BENCH_ROWS: how many rows a request asks
-- for; LYGER_BENCH_FROM_MAX: the largest id to begin at.
local database = os.getenv("LYGER_BENCH_DATABASE")
local rows = os.getenv("LYGER_BENCH_ROWS")
local from_max = tonumber(os.getenv("LYGER_BENCH_FROM_MAX"))
local count = 0

request = function()
    count = count + 1
    if database == "hello" then
        return wrk.format("GET", "/hello/name-" .. count % 10007 .. "?visit=" .. count)
    end
    local from = count * 7919 % from_max + 1
    return wrk.format("GET", "/" .. database .. "/" .. rows .. "/" .. from .. "?visit=" .. count)
end
