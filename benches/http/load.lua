-- Varies path, query and a header with every request, so that no server can answer from a cache of bytes.
-- LYGER_BENCH_PATH: what comes before the part that varies; LYGER_BENCH_FROM_MAX: the largest id to begin at, or 0 for names.
local path = os.getenv("LYGER_BENCH_PATH")
local from_max = tonumber(os.getenv("LYGER_BENCH_FROM_MAX"))
local count = 0
local headers = {}

request = function()
    count = count + 1
    headers["X-Visit"] = count * 31
    local varying = from_max == 0 and "name-" .. count % 10007 or count * 7919 % from_max + 1
    return wrk.format("GET", path .. varying .. "?visit=" .. count, headers)
end
