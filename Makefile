# The commands a person types. Each installs what it needs and explains itself; the work is in .ci/ and tests/.

# Taken by `make serve`, which passes on what is given: the rest is the configuration's.
export HOST PORT WORKERS

.PHONY: help serve test chaos fuzz simulate check setup build bench
.DEFAULT_GOAL := help

help:
	@echo 'make serve           builds, and serves the example shop at http://127.0.0.1:8000 (PORT=, HOST=, WORKERS=)'
	@echo 'make test            runs every test: Rust, Zig, PHP with and without the library, end to end'
	@echo 'make chaos           the fleet under fire, for as long as its promises say: half an hour'
	@echo 'make fuzz            the parsers of the server, a million commands to it and to a real Redis, and the kernels against each other on ten million inputs each: 20 minutes, with cargo-fuzz two more'
	@echo 'make simulate        the io_uring server under simulated faults, a million runs in Debug and in ReleaseSafe: a night'
	@echo 'make check           formatting, lints and the rules of the layout'
	@echo 'make build           the library: release, with the Zig kernels and server'
	@echo 'make bench           every benchmark; one of them: make bench-kernels, bench-http, bench-latency, bench-sql, bench-crowd, bench-cache, bench-resp, bench-server'
	@echo 'make setup           only installs what is missing (the others do that themselves)'

serve:
	@.ci/serve

test:
	@tests/run

chaos:
	@.ci/chaos

fuzz:
	@.ci/fuzz

simulate:
	@.ci/simulate

check:
	@.ci/check

setup:
	@.ci/setup

build:
	@.ci/build

bench: bench-kernels bench-http bench-latency bench-sql bench-crowd bench-cache bench-resp bench-server

bench-%:
	@.ci/bench $*
