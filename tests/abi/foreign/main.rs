//! The C ABI for a store of somebody else's: programs in C and C++, linked with `liblyger_resp.a`, and Redis clients in front of
//! them. `plain.c` has the header alone, `map.cpp` and `sqlite.cpp` the C++ header.

mod commands;
mod failures;
mod program;
mod stores;
